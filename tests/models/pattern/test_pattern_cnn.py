"""The Pattern CNN: planted shapes are told apart, and mixing carries every label along. The laws of all models are held elsewhere."""

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from barmill.errors import DataError, LabelError, RecipeError, TrainingError
from barmill.models import FitContext, FittedModel, RawForecast, Samples, load_fit, load_forecaster
from barmill.models.heads import count_parameters
from barmill.models.pattern.augmenting import Augmentation, stretched, time_warped
from barmill.models.pattern.cnn import pattern_weights
from barmill.models.pattern.convolving import SameConvolution
from barmill.models.pattern.detectors import FLAG, PATTERNS
from barmill.models.pattern.drawn_bars import broken_bar
from barmill.models.pattern.loss import PatternLoss
from barmill.models.pattern.network import N_COLUMNS, POLE, QUALITY, PatternNetwork
from barmill.models.pattern.params import PatternCNNParams
from barmill.models.pattern.specs import SPECS
from barmill.training import train_network
from barmill.views import PatternImage
from common.model_laws import told
from planted_patterns import PLANTED, bars_of, calm, flag

pytestmark = pytest.mark.xdist_group("the Pattern CNN")  # one process, which fits it once
SPEC = SPECS[0]
SMALL = {"channels": (4, 6, 8), "hidden_size": 16, "embedding_size": 8, "dropout": 0.0, "epochs": 12, "batch_size": 14}
SMALL |= {"learning_rate": 0.01}
EACH = 44  # shapes of each class
SIZES = [6.0, 8.0, 10.0, 12.0]  # of poles


@functools.cache
def world() -> tuple[PatternImage, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """One market in which shape follows on shape: its images at their ends, their classes, and the poles of its flags."""
    pieces, classes, poles = [], [], []
    for seed in range(EACH):
        for number, name in enumerate(PATTERNS):
            pole = SIZES[seed % 4] if number == FLAG else np.nan
            up = seed % 2 == 0
            bars = bars_of(calm(np.random.default_rng(seed), 100)) if number == 0 else None
            bars = bars or (flag(seed, up, pole) if number == FLAG else PLANTED[name](seed, up))
            pieces.append(np.column_stack([bars.open, bars.high, bars.low, bars.close]))
            classes.append(number)
            poles.append(pole)
    levels = np.cumsum([0.0] + [piece[-1, 3] - piece[0, 0] for piece in pieces[:-1]])
    prices = np.concatenate([piece + level - piece[0, 0] + 1000.0 for piece, level in zip(pieces, levels, strict=True)])
    market = bars_of(prices[:, 3], prices[:, 1], prices[:, 2])
    ends = np.cumsum([len(piece) for piece in pieces]) - 1
    return PatternImage.of(market, ends), np.array(classes, dtype=np.int8), np.array(poles)


def samples(part: slice) -> Samples:
    view, y, pole = world()
    at = np.arange(len(view))[part]
    quality = np.where(y[at] == 0, 0.0, 0.8)
    return Samples(view.take(at), y[at], np.zeros(at.size), np.ones(at.size), {"quality": quality, "pole_kATR": pole[at]})


TRAIN, VALID, TEST = slice(0, 140), slice(140, 180), slice(180, 220)


def context(threads: int = 1, **more: Any) -> FitContext:
    given = {"seed": 7, "n_classes": 5, "outputs": SPEC.outputs, "feature_names": (), "train_network": train_network}
    return FitContext(**{**given, **more}, threads=threads)


@functools.cache
def fitted(threads: int = 1, **changed: Any) -> FittedModel:
    return load_fit(SPEC)(SPEC.params(**{**SMALL, **changed}), samples(TRAIN), samples(VALID), context(threads))


def forecast(model: FittedModel, part: slice = TEST) -> RawForecast:
    return load_forecaster(SPEC, model.files).raw(samples(part).view)


def test_the_network_of_the_seed_has_its_number_of_parameters():
    # 312,614 with the heads for class and pole, as counted in the project's notes; the head for quality has 64 weights and a bias
    assert count_parameters(PatternNetwork(PatternCNNParams())) == 312_614 + 65


def test_planted_shapes_are_told_apart():
    raw, test = forecast(fitted()), samples(TEST)
    values = told(raw)
    assert np.mean(raw.logits.argmax(axis=1) == test.y) > 0.6  # chance is 0.2; 28 images of each and twelve epochs give 0.75
    assert values["quality"][test.y > 0].mean() > values["quality"][test.y == 0].mean() + 0.3
    np.testing.assert_allclose(np.linalg.norm(values["embedding"], axis=1), 1.0, atol=1e-5)


def test_images_of_one_pattern_lie_closer_together_than_those_of_two():
    embedding, y = told(forecast(fitted()))["embedding"], samples(TEST).y
    cosine = embedding @ embedding.T
    same = y[:, None] == y
    off = ~np.eye(y.size, dtype=bool)
    assert cosine[same & off].mean() > cosine[~same].mean() + 0.2


def test_outputs_have_their_shapes_and_ranges():
    values = told(forecast(fitted()))
    shapes = {name: said.shape for name, said in values.items()}
    assert shapes == {"logits": (40, 5), "quality": (40,), "pole_kATR": (40,), "embedding": (40, 8)}
    assert all(said.dtype == np.float64 and np.isfinite(said).all() for said in values.values())
    assert ((values["quality"] >= 0) & (values["quality"] <= 1)).all()


def test_the_export_says_what_the_network_says():
    assert fitted().summary["export_parity"] < 1e-5


def test_a_mixed_image_has_the_labels_of_both_that_it_is_made_of():
    rng = np.random.default_rng(0)
    n, params = 6, PatternCNNParams(focal_gamma=1.5)
    head, y = torch.tensor(rng.normal(size=(n, N_COLUMNS)), dtype=torch.float32), torch.tensor([0, 1, 1, 2, 3, 4])
    z = torch.tensor(np.column_stack([rng.uniform(size=n), rng.uniform(3, 9, n), y.numpy() == FLAG]), dtype=torch.float32)
    weight, classes = torch.tensor(rng.uniform(0.5, 1.5, n), dtype=torch.float32), torch.tensor([1.0, 2.0, 1.0, 0.5, 1.0])
    partner, share = torch.tensor([3, 0, 1, 5, 2, 4]), torch.tensor([0.9, 0.2, 1.0, 0.0, 0.5, 0.7])
    loss = PatternLoss(classes, 0.25, params)
    batch = torch.cat([head, partner[:, None].float(), share[:, None]], dim=1)
    found = loss.sums(batch, y, z, weight)
    slow = {"pattern": 0.0, "quality": 0.0, "pole": 0.0}
    for i in range(n):
        for j, part in ((i, float(share[i])), (int(partner[i]), 1 - float(share[i]))):
            p = torch.softmax(head[i, :5].double(), dim=0)[y[j]]
            slow["pattern"] += part * weight[j] * classes[y[j]] * -torch.log(p) * (1 - p) ** 1.5
            q = torch.sigmoid(head[i, QUALITY].double())
            slow["quality"] -= part * weight[j] * (z[j, 0] * torch.log(q) + (1 - z[j, 0]) * torch.log(1 - q))
            error = abs(head[i, POLE] - z[j, 1])
            slow["pole"] += part * weight[j] * z[j, 2] * (0.5 * error**2 if error < 1 else error - 0.5) / 0.25
    for name, value in slow.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-5), name
    # without mixing the two columns say: all of itself
    alone = torch.cat([head, torch.arange(n)[:, None].float(), torch.ones(n, 1)], dim=1)
    for name, value in loss.sums(head, y, z, weight).items():
        assert float(loss.sums(alone, y, z, weight)[name]) == float(value)


def test_the_loss_of_poles_is_a_mean_over_flags_and_nothing_without_them():
    params = PatternCNNParams()
    y = torch.tensor([FLAG] * 10 + [0] * 90)
    z = torch.tensor(np.column_stack([np.zeros(100), np.full(100, 6.0), y.numpy() == FLAG]), dtype=torch.float32)
    head = torch.zeros(100, N_COLUMNS)
    head[:, POLE] = 4.0
    loss, ones = PatternLoss(torch.ones(5), 0.1, params), torch.ones(100)
    assert float(loss.sums(head, y, z, ones)["pole"]) / 100 == pytest.approx(1.5)  # Smooth-L1 of an error of 2
    halves = [loss.sums(head[at], y[at], z[at], ones[at])["pole"] for at in (slice(0, 5), slice(5, 100))]
    assert float(sum(halves)) / 100 == pytest.approx(1.5)
    none = PatternLoss(torch.ones(5), 0.0, params).sums(head[10:], y[10:], z[10:], ones[10:])
    assert float(none["pole"]) == 0.0
    assert all(bool(torch.isfinite(value)) for value in none.values())


def images(n: int = 4) -> torch.Tensor:
    return torch.from_numpy(world()[0].gather(np.arange(n)))


def test_a_time_warp_keeps_both_edges_and_the_order_of_bars():
    ramp = torch.linspace(0, 1, 64).expand(2, 3, 64, 64).contiguous()
    warped = time_warped(ramp, torch.tensor([0.25, -0.25]))
    assert (warped.diff(dim=3) > 0).all()
    torch.testing.assert_close(warped[..., [0, -1]], ramp[..., [0, -1]])
    assert float((warped - ramp).abs().max()) == pytest.approx(0.25, abs=0.01)
    torch.testing.assert_close(time_warped(images(), torch.zeros(4)), images())


def test_a_stretch_moves_candles_about_the_middle_and_leaves_the_strength_alone():
    x = images()
    for factor in (0.9, 1.1):
        out = stretched(x, torch.full((4,), factor))
        torch.testing.assert_close(out[:, 2], x[:, 2])
        torch.testing.assert_close(out[:, 1] - 0.5, ((x[:, 1] - 0.5) * factor).clamp(-0.5, 0.5))
        rows = torch.arange(64.0)
        spread = [((image[0].sum(dim=1) > 0) * (rows - 31.5).abs()).max() for image in (x[0], out[0])]
        assert float(spread[1]) == pytest.approx(min(31.5, float(spread[0]) * factor), abs=1.5)
    torch.testing.assert_close(stretched(x, torch.ones(4)), x)


def test_augmentation_acts_in_training_alone_and_draws_from_torchs_generator():
    network = PatternNetwork(PatternCNNParams(**SMALL))
    x = images()
    network.eval()
    torch.testing.assert_close(network(x), network(x), rtol=0, atol=0)
    assert network(x).shape == (4, N_COLUMNS)
    network.train()
    runs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        runs.append(network(x).detach())
    assert runs[0].shape == (4, N_COLUMNS + 2)
    torch.testing.assert_close(runs[0], runs[1], rtol=0, atol=0)
    assert (runs[0] != runs[2]).any()
    nothing = Augmentation(PatternCNNParams(time_warp=0, scale_jitter=0, noise=0, mixup_alpha=0))(x)
    torch.testing.assert_close(nothing.images, x, rtol=0, atol=0)
    assert nothing.partner.tolist() == [0, 1, 2, 3]
    assert nothing.share.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("dilation", [1, 2])
def test_the_convolution_and_its_gradients_are_torchs(dilation):
    torch.manual_seed(0)
    mine, x = SameConvolution(3, 5, dilation).double(), torch.randn(2, 3, 9, 7, dtype=torch.float64, requires_grad=True)
    out = mine.train()(x)
    assert out.shape == (2, 5, 9, 7)
    pull = torch.randn_like(out)
    gradients = torch.autograd.grad(out, (x, mine.conv.weight), pull)
    bare = mine.conv(x)
    torch.testing.assert_close(out, bare)
    for one, other in zip(gradients, torch.autograd.grad(bare, (x, mine.conv.weight), pull), strict=True):
        torch.testing.assert_close(one, other)


def test_balanced_weights_pass_over_patterns_that_no_row_has():
    y = np.array([0, 0, 0, 1], dtype=np.int8)
    np.testing.assert_allclose(pattern_weights(y, "balanced"), [2 / 3, 2, 1, 1, 1])
    np.testing.assert_array_equal(pattern_weights(y, None), np.ones(5))


def test_labels_that_are_none_of_patterns_are_refused():
    train = samples(TRAIN)

    def fit(changed: Samples = train, **more: Any) -> None:
        load_fit(SPEC)(SPEC.params(**SMALL), changed, samples(VALID), context(**more))

    with pytest.raises(RecipeError, match="2 classes; expected 5: none, flag"):
        fit(n_classes=2)
    with pytest.raises(LabelError, match="row 3 has class 5; expected 0 to 4"):
        fit(replace(train, y=np.where(np.arange(140) == 3, 5, train.y).astype(np.int8)))
    with pytest.raises(LabelError, match="all 140 are 'none'; expected two patterns or more"):
        fit(replace(train, y=np.zeros_like(train.y)))
    with pytest.raises(DataError, match=r"quality of row 2 is 1\.5; expected a number in 0"):
        fit(replace(train, targets={**train.targets, "quality": np.where(np.arange(140) == 2, 1.5, train.targets["quality"])}))
    with pytest.raises(TrainingError, match="brings no training loop"):
        fit(train_network=None)


def test_a_broken_bar_is_told_of_only_where_an_image_shows_it():
    view = samples(TRAIN).view
    assert isinstance(view, PatternImage)
    first = int(view.ends[0]) - 63
    for bar, found in ((first - 1, ""), (first, f"height of the strength of bar {first} is inf")):
        signals = view.signals.copy()
        signals[bar, 1] = np.inf
        assert broken_bar(PatternImage(view.prices, signals, view.ends)) == found


@pytest.mark.parametrize("changes", [{"seq_len": 60}, {"time_warp": 0.4}, {"channels": (4, 0, 8)}, {"mixup": 1}])
def test_parameters_out_of_range_are_refused(changes):
    with pytest.raises(ValidationError, match=next(iter(changes))):
        PatternCNNParams.model_validate(changes)

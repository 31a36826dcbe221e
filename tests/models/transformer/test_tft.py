"""The Temporal Fusion Transformer: its parts by their formulas, what it may see, what can be read out, and its inputs by name."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from barmill.errors import RecipeError
from barmill.models import FitContext, Samples, load_fit, load_forecaster, spec_of
from barmill.models.heads import ForecastNetwork, HeadLayout, count_parameters
from barmill.models.transformer.gating import GatedResidualNetwork, PerVariableGRN, VariableSelection
from barmill.models.transformer.interpretable_attention import InterpretableAttention
from barmill.models.transformer.layer_norm import LayerNorm
from barmill.models.transformer.params_tft import TFTParams
from barmill.models.transformer.tft import InputRoles, TFTTrunk
from barmill.training import train_network
from barmill.views import WindowTensor

NAMES = ("log_return_1", "volume", "day_sin", "day_cos", "regime")


def _trunk(roles: InputRoles | None = None, lengths: tuple[int, ...] = (), dropout: float = 0.0) -> TFTTrunk:
    torch.manual_seed(0)
    return TFTTrunk(5, 8, 2, dropout, roles or InputRoles(), lengths).eval()


def _windows(n: int = 6, window: int = 10) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((n, window, 5)).astype(np.float32))


def test_layer_norm_is_torchs_formula_and_its_gradient_does_not_depend_on_the_number_of_threads() -> None:
    ours, theirs = LayerNorm(16), nn.LayerNorm(16)
    x = torch.randn(20_000, 16)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-6)
    gradients: list[Tensor] = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            ours.zero_grad()
            (ours(x) * x.roll(1, 0)).backward(torch.ones_like(x))
            assert ours.weight.grad is not None
            gradients.append(ours.weight.grad.clone())
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*gradients)


def test_gated_residual_network_is_equations_2_to_5() -> None:
    torch.manual_seed(1)
    grn = GatedResidualNetwork(5, 4, 3, 0.0, has_context=True)
    a, c = torch.randn(7, 5), torch.randn(7, 4)
    assert grn.context is not None
    eta_2 = functional.elu(grn.first.weight @ a.T + grn.first.bias[:, None] + grn.context.weight @ c.T)
    eta_1 = grn.second.weight @ eta_2 + grn.second.bias[:, None]
    both = grn.out.gate.weight @ eta_1 + grn.out.gate.bias[:, None]
    gated = both[:3] * torch.sigmoid(both[3:])
    assert isinstance(grn.skip, nn.Linear)
    summed = (grn.skip(a) + gated.T).detach()
    expected = (summed - summed.mean(1, keepdim=True)) / torch.sqrt(summed.var(1, correction=0, keepdim=True) + 1e-5)
    torch.testing.assert_close(grn(a, c), expected, rtol=0, atol=1e-5)


def test_a_network_for_each_variable_in_one_product_is_as_many_networks_apart() -> None:
    torch.manual_seed(2)
    together = PerVariableGRN(3, 4, 0.0)
    x_FND = torch.randn(3, 6, 4)
    for f in range(3):
        alone = GatedResidualNetwork(4, 4, 4, 0.0)
        with torch.no_grad():
            for ours, theirs in ((together.first, alone.first), (together.second, alone.second), (together.gate, alone.out.gate)):
                theirs.weight.copy_(ours.weight[f].T)
                theirs.bias.copy_(ours.bias.view(3, -1)[f])
        torch.testing.assert_close(together(x_FND)[f], alone(x_FND[f]), rtol=0, atol=1e-6)


def test_selection_weighs_variables_and_not_bars() -> None:
    torch.manual_seed(3)
    selection = VariableSelection(3, 4, 0.0)
    embedded = torch.randn(2, 5, 3, 4)
    mixed, weights = selection(embedded)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 5))
    alone = selection(embedded[1:, 2:3])
    torch.testing.assert_close(mixed[1, 2], alone.mixed_BPD[0, 0], rtol=0, atol=1e-6)
    transformed = selection.transform(embedded.permute(2, 0, 1, 3).reshape(3, -1, 4)).view(3, 2, 5, 4)
    torch.testing.assert_close(mixed, torch.einsum("fbpd,bpf->bpd", transformed, weights), rtol=0, atol=1e-6)


def test_heads_share_their_values_and_are_averaged() -> None:
    torch.manual_seed(4)
    attention = InterpretableAttention(6, 3, 0.0)
    x = torch.randn(2, 5, 6)
    looked = attention(x, x)
    heads = []
    for h in range(3):
        part = slice(2 * h, 2 * h + 2)
        query, key = x @ attention.query.weight[part].T, x @ attention.key.weight[part].T
        heads.append(functional.softmax(query @ key.transpose(1, 2) / np.sqrt(2), dim=-1) @ (x @ attention.value.weight.T))
    torch.testing.assert_close(looked.values_BND, torch.stack(heads).mean(0) @ attention.out.weight.T, rtol=0, atol=1e-6)
    assert attention.value.weight.shape == (2, 6)


def test_number_of_parameters_worked_out_by_hand() -> None:
    d, f = 4, 3
    linear: Callable[[int, int], int] = lambda n, m: n * m + m  # noqa: E731
    grn = linear(d, d) + linear(d, d) + linear(d, 2 * d) + 2 * d
    gated_skip = linear(d, 2 * d) + 2 * d
    flat = linear(f * d, d) + linear(d, d) + linear(d, 2 * f) + linear(f * d, f) + 2 * f  # its skip is projected
    lstm = 4 * (d * d + d * d + 2 * d)
    attention = d * d + d * d + d * d // 2 + d // 2 * d  # queries and keys for both heads, values once, no biases
    expected = 2 * f * d + flat + f * grn + lstm + gated_skip + grn + attention + gated_skip + grn + gated_skip
    assert expected == 24 + 147 + 3 * 88 + 160 + 48 + 88 + 48 + 48 + 88 + 48
    assert count_parameters(TFTTrunk(f, d, 2, 0.1)) == expected
    # The prototype of hidden size 32 on 25 features with five outputs has 182,058; here every variable's norm is its own.
    assert count_parameters(ForecastNetwork(TFTTrunk(25, 32, 4, 0.1), 32, HeadLayout(2, returns=True, quantiles=True))) == 183_490


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_states_before_a_bar_do_not_see_it(mode: str) -> None:
    trunk = _trunk().train(mode == "train")
    x = _windows()
    changed = x.clone()
    changed[:, 6:] = torch.randn(6, 4, 5)
    with torch.no_grad():
        before, after = trunk.states(x), trunk.states(changed)
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6], after[:, 6])


def test_attention_without_its_mask_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barmill.models.transformer.tft.triangle", lambda n: torch.ones(n, n, dtype=torch.bool))
    trunk, x = _trunk(), _windows()
    changed = x.clone()
    changed[:, 6:] += 1
    with torch.no_grad():
        assert not torch.equal(trunk.states(x)[:, :6], trunk.states(changed)[:, :6])


def test_the_forecast_is_the_masked_networks_last_state() -> None:
    with torch.no_grad():
        for trunk in (_trunk(), _trunk(InputRoles(static=(4,)))):
            torch.testing.assert_close(trunk(_windows()), trunk.states(_windows())[:, -1], rtol=0, atol=1e-6)


def test_known_inputs_enter_the_question_at_the_decision_bar_alone() -> None:
    trunk, x = _trunk(InputRoles(known=(2, 3))), _windows()
    asked: list[Tensor] = []
    assert trunk.known_selection is not None
    trunk.known_selection.register_forward_hook(lambda _module, _given, made: asked.append(made.mixed_BPD))
    earlier, other, latest = x.clone(), x.clone(), x.clone()
    earlier[:, :-1] += 1
    other[:, -1, [0, 1, 4]] += 1
    latest[:, -1, 2] += 1
    with torch.no_grad():
        for windows in (x, earlier, other, latest):
            trunk(windows)
    assert torch.equal(asked[0], asked[1])
    assert torch.equal(asked[0], asked[2])
    assert not torch.equal(asked[0], asked[3])


def test_a_static_input_is_read_at_the_decision_bar_alone() -> None:
    trunk, x = _trunk(InputRoles(static=(4,))), _windows()
    earlier, latest = x.clone(), x.clone()
    earlier[:, :-1, 4] += 1
    latest[:, -1, 4] += 1
    with torch.no_grad():
        assert torch.equal(trunk(x), trunk(earlier))
        assert not torch.equal(trunk.states(x)[:, 0], trunk.states(latest)[:, 0])  # it is the context of all bars


@pytest.mark.parametrize("roles", [InputRoles(), InputRoles(known=(2, 3)), InputRoles(static=(4,), known=(2,))])
def test_what_it_weighed_can_be_read(roles: InputRoles) -> None:
    trunk, x = _trunk(roles), _windows()
    with torch.no_grad():
        read, health = trunk.explained(x), trunk.health(x)
    assert read["variables"].shape == (6, 5)
    assert read["attention"].shape == (6, 10)
    torch.testing.assert_close(read["attention"].sum(1), torch.ones(6))
    seen = [f for f in range(5) if f not in roles.static]
    torch.testing.assert_close(read["variables"][:, seen].sum(1), torch.ones(6))
    if roles.static:
        torch.testing.assert_close(read["variables"][:, list(roles.static)].sum(1), torch.ones(6))
    assert 0 < health["attention_entropy"] <= np.log(11)
    assert 0 < health["selection_entropy"] <= np.log(5)


def test_bars_of_several_timeframes_are_read_from_the_longest_to_the_shortest() -> None:
    trunk, x = _trunk(lengths=(6, 3, 1)), _windows()
    with torch.no_grad():
        states = trunk.states(x)
        for at, read_at in ((9, 0), (6, 1), (0, 4), (5, 9)):  # of 1 long bar, 3 middle and 6 short, each with its newest last
            changed = x.clone()
            changed[:, at] += 1
            differs = (trunk.states(changed) != states).any(dim=2).any(dim=0)
            assert differs.nonzero()[0].item() == read_at
        assert torch.equal(trunk.timeframe_of, torch.tensor([2, 1, 1, 1, 0, 0, 0, 0, 0, 0]))
        torch.testing.assert_close(trunk(x), states[:, -1], rtol=0, atol=1e-6)


def test_attention_of_several_timeframes_is_told_in_the_windows_own_order() -> None:
    trunk, x = _trunk(lengths=(6, 3, 1)), _windows()
    with torch.no_grad():
        told = trunk.explained(x)["attention"]
        read = trunk.attention(*(trunk._read(x).enriched_BPD,) * 2).weights_BHNM[:, :, -1].mean(dim=1)  # pyright: ignore[reportPrivateUsage]
    torch.testing.assert_close(told[:, 9], read[:, 0])
    torch.testing.assert_close(told[:, :6], read[:, 4:])


def _samples(n: int = 300) -> tuple[Samples, Samples]:
    base = np.random.default_rng(0).standard_normal((n + 8, 5)).astype(np.float32)
    z = base[:, 2].astype(np.float64)
    parts = np.split(np.arange(8, n + 8), [n * 2 // 3])
    made = [Samples(WindowTensor(base, at, 6), (z[at] > 0).astype(np.int8), z[at], np.ones(at.size)) for at in parts]
    return made[0], made[1]


def _context(**changed: object) -> FitContext:
    given = {"seed": 1, "n_classes": 2, "outputs": ("p_up",), "feature_names": NAMES, "train_network": train_network}
    return FitContext(**{**given, **changed})  # type: ignore[arg-type]


def _params(**changed: object) -> TFTParams:
    return TFTParams(**{"seq_len": 6, "hidden_size": 8, "n_heads": 2, "epochs": 1, **changed})  # type: ignore[arg-type]


def test_static_and_known_inputs_go_through_fit_and_export() -> None:
    train, valid = _samples()
    model = load_fit(spec_of("tft"))(_params(static_inputs=("regime",), known_inputs=("day_sin", "day_cos")), train, valid, _context())
    assert model.summary["export_parity"] < 1e-5
    raw = load_forecaster(spec_of("tft"), model.files).raw(valid.view)
    assert np.isfinite(raw.logits).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"known_inputs": ("day_sine",)}, r"model 'tft', known_inputs: no feature named 'day_sine'. Did you mean 'day_sin'?"),
        ({"static_inputs": ("regimes",)}, r"model 'tft', static_inputs: no feature named 'regimes'. Did you mean 'regime'?"),
        ({"static_inputs": NAMES}, "model 'tft', static_inputs: every feature is static; expected one at least that is not"),
    ],
)
def test_an_input_that_is_no_feature_is_named(given: dict[str, object], said: str) -> None:
    train, valid = _samples()
    with pytest.raises(RecipeError) as caught:
        load_fit(spec_of("tft"))(_params(**given), train, valid, _context())
    assert str(caught.value).startswith(said)


def test_combinations_that_cannot_be_are_refused_when_the_recipe_is_read() -> None:
    with pytest.raises(
        ValidationError, match=r"hidden_size 30 does not divide into n_heads 4; expected a multiple\. Set hidden_size to 32"
    ):
        TFTParams(hidden_size=30)
    with pytest.raises(ValidationError, match="'day_sin' is named twice in static_inputs and known_inputs"):
        TFTParams(static_inputs=("day_sin",), known_inputs=("day_sin",))


def test_the_authors_size_is_accepted() -> None:
    params = TFTParams(hidden_size=160, n_heads=1, dropout=0.3, learning_rate=0.01, grad_clip=0.01, seq_len=252)
    assert params.window == 252

"""Which chart pattern a picture shows, and what became of the times in training that looked most alike: of bundles that have such a model.

Both go through the bundle's own code: a picture to its forecaster and calibration, an embedding to its library of training rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.bundles import Bundle, ForecastPipeline
from barmill.bundles.neighbours import Neighbours
from barmill.bundles.pattern_columns import PatternColumns, pattern_columns
from barmill.errors import ShapeError
from barmill.serving.answers import Ask, Float64Array, Int64Array, RawBars
from barmill.serving.bar_checks import checked_prices
from barmill.serving.contract import Forecasting, Served
from barmill.serving.refusals import Refusal
from barmill.views import ImageBars
from barmill.views.image_bars import NEEDED_BARS
from barmill.views.pattern_image import CHANNELS, SIDE

IMAGE = (SIDE, SIDE, CHANNELS)  # row from the top, bar from the oldest, channel
DEFAULT_K = 20
MAX_K = 1000
HIST_RR_LEVEL = 0.65  # the alert charter, section 3: a percentile of 0.6 to 0.7 of what the neighbours realised


@dataclass(frozen=True, slots=True)
class Classification:
    """What the model sees in one picture.

    pattern : the likeliest; probabilities : calibrated, by pattern
    quality : 0 .. 1; pole_kATR : of a flag's pole, in ATRs, without meaning for other patterns
    embed : float64 (width,), of length 1
    model, version, digest : of the bundle that answered
    columns : all of that as the model said it, float64 (1,) each
    """

    pattern: str
    probabilities: Mapping[str, float]
    quality: float
    pole_kATR: float
    embed: Float64Array
    model: str
    version: str
    digest: str
    columns: Mapping[str, Float64Array]


@dataclass(frozen=True, slots=True)
class Nearest:
    """What became of the nearest times; arrays of shape (k,), nearest first, of fewer where there are no more.

    sim_conf : mean quality times mean cosine; hist_rr_pct : the quantile `HIST_RR_LEVEL` of what they realised, in R; both 0 without any
    """

    sim_conf: float
    hist_rr_pct: float
    cosine: Float64Array
    realised_R: Float64Array
    quality: Float64Array
    pattern: tuple[str, ...]
    open_time: Int64Array
    known_at: Int64Array
    model: str
    version: str
    digest: str

    @property
    def columns(self) -> Mapping[str, Float64Array]:
        """The two judgements, float64 (1,) each."""
        return {"sim_conf": np.array([self.sim_conf]), "hist_rr_pct": np.array([self.hist_rr_pct])}


def classify_image(plane: Forecasting, ask: Ask, image: npt.NDArray[np.float32]) -> Classification:
    """What stands in a picture, float32 of the shape `IMAGE`, every value in 0 .. 1, drawn as `PatternImage` says.

    Raises: Refusal for a model or version that is not served or sees no patterns, and for values that no picture has.
    """
    if image.shape != IMAGE or image.dtype != np.float32:
        raise Refusal("invalid", "wrong_shape", "image", f"{image.dtype} of shape {list(image.shape)}", expected=f"float32 {list(IMAGE)}")
    right = (image >= 0) & (image <= 1)
    if not right.all():
        row, bar, channel = (int(number) for number in np.argwhere(~right)[0])
        place, found = f"image[{row}][{bar}][{channel}]", f"is {image[row, bar, channel]}"
        raise Refusal("invalid", "wrong_value", place, found, expected="a number in 0 .. 1")
    return _classified(plane, ask, lambda _: image.transpose(2, 0, 1)[None])


def classify_bars(plane: Forecasting, ask: Ask, bars: RawBars) -> Classification:
    """What stands at the close of the last of `bars`, `NEEDED_BARS` of them or more; prices alone are looked at.

    Raises: Refusal as `classify_image`, and for bars that are none of the model's, or too few.
    """
    return _classified(plane, ask, lambda bundle: _drawn(bundle, bars))


def nearest(plane: Forecasting, ask: Ask, embed: npt.NDArray[np.float32], k: int = DEFAULT_K, before: int | None = None) -> Nearest:
    """What became of the `k` times of training whose embeddings have the largest cosine with `embed`, of any length but 0.

    before : UTC ms; only times whose outcome was known before then, so that a replay of history looks at nothing from its future

    Raises: Refusal for a model or version that is not served or has no library, and for an embedding without a direction.
    """
    if not 1 <= k <= MAX_K:
        raise Refusal("invalid", "wrong_k", "k", f"is {k}", expected=f"1 to {MAX_K}")
    return plane.consult(ask, lambda served: _searched(served, embed, k, before))


def _searched(served: Served, embed: npt.NDArray[np.float32], k: int, before: int | None) -> Nearest:
    bundle = served.bundle
    said, library = _pattern_columns(bundle), bundle.neighbours
    if library is None:
        found = f"'{bundle.manifest.name}' {bundle.manifest.version} has no library of neighbours"
        raise Refusal("not_found", "no_neighbours", "model", found, mend="Train it with outcomes in R to be had.")
    try:
        found = library.nearest(embed, k, before)
    except ShapeError as error:
        raise Refusal("invalid", "wrong_embed", error.place, error.found, expected=error.expected) from None
    return _told(served, said, library, found.rows, found.cosine)


def _told(served: Served, said: PatternColumns, library: Neighbours, rows: Int64Array, cosine: Float64Array) -> Nearest:
    bundle = served.bundle
    realised, quality = library.realised_R[rows], library.quality[rows]
    some = len(rows) > 0
    return Nearest(
        sim_conf=float(quality.mean() * cosine.mean()) if some else 0.0,
        hist_rr_pct=float(np.quantile(realised, HIST_RR_LEVEL)) if some else 0.0,
        cosine=cosine,
        realised_R=realised,
        quality=quality,
        pattern=tuple(said.patterns[number] for number in library.pattern[rows]),
        open_time=library.open_time[rows],
        known_at=library.known_at[rows],
        model=served.name,
        version=bundle.manifest.version,
        digest=bundle.digest,
    )


def _drawn(bundle: Bundle, bars: RawBars) -> npt.NDArray[np.float32]:
    """The picture of the last of `bars`, float32 (1, 3, 64, 64), drawn as for training."""
    prices = checked_prices(bars, bundle)
    if len(prices) < NEEDED_BARS:
        raise Refusal(
            "invalid", "history_too_short", "bars", f"are {len(prices)}", expected=f"{NEEDED_BARS}, of which the last 64 are drawn"
        )
    return ImageBars.of_prices(prices).samples([len(prices) - 1]).gather(slice(None))


def _classified(plane: Forecasting, ask: Ask, image: Callable[[Bundle], npt.NDArray[np.float32]]) -> Classification:
    return plane.consult(ask, lambda served: _seen(served, image))


def _seen(served: Served, image: Callable[[Bundle], npt.NDArray[np.float32]]) -> Classification:
    bundle = served.bundle
    said = _pattern_columns(bundle)
    assert isinstance(bundle.pipeline, ForecastPipeline)
    columns = bundle.pipeline.forecast_images(np.ascontiguousarray(image(bundle)), place=bundle.manifest.name)
    p = said.p(columns)[0]
    return Classification(
        pattern=said.patterns[int(np.argmax(p))],
        probabilities=dict(zip(said.patterns, p.tolist(), strict=True)),
        quality=float(columns["quality"][0]),
        pole_kATR=float(columns["pole_kATR"][0]),
        embed=said.embed(columns)[0],
        model=served.name,
        version=bundle.manifest.version,
        digest=bundle.digest,
        columns=columns,
    )


def _pattern_columns(bundle: Bundle) -> PatternColumns:
    said = pattern_columns(bundle.pipeline)
    if said is None:
        found = f"'{bundle.manifest.name}' {bundle.manifest.version} sees no chart patterns"
        raise Refusal("not_found", "no_patterns", "model", found, expected="a model of patterns, such as pattern_cnn")
    return said


__all__ = [
    "DEFAULT_K",
    "HIST_RR_LEVEL",
    "IMAGE",
    "MAX_K",
    "Classification",
    "Nearest",
    "classify_bars",
    "classify_image",
    "nearest",
]

"""Forecast with the exported Pattern CNN through ONNX Runtime: no torch, no training side."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from barmill.errors import DataError, ForecastError, SchemaError, ShapeError
from barmill.models.admission import kind_of
from barmill.models.contract import Float64Array, RawForecast, View
from barmill.models.onnx_session import open_session
from barmill.models.pattern.drawn_bars import broken_bar
from barmill.views import PatternImage
from barmill.views.pattern_image import CHANNELS, SIDE

BATCH = 32  # images drawn at once: 1.5 MiB
PLACE = "model 'pattern_cnn'"


class PatternForecaster:
    """What the network sees in images, on the calling thread alone."""

    def __init__(self, session: ort.InferenceSession, patterns: Sequence[str], embedding: int) -> None:
        self._session, self._patterns, self._embedding = session, patterns, embedding
        self._shapes = {"logits": (len(patterns),), "quality": (), "pole_kATR": (), "embedding": (embedding,)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `model.onnx` and `architecture.json`."""
        architecture = json.loads(files["architecture.json"])
        return cls(open_session(files["model.onnx"]), architecture["patterns"], architecture["embedding"])

    def raw(self, view: View) -> RawForecast:
        """Scores of the patterns (n, 5); `values` has quality (n,) in 0 .. 1, pole_kATR (n,) and embedding (n, 64) of length 1.

        The pole is what a flag's would be; it means nothing where the pattern is another.
        """
        if not isinstance(view, PatternImage):
            raise SchemaError(PLACE, f"a {kind_of(view)} is offered", expected="a pattern_image")
        broken = broken_bar(view)
        if broken:
            raise ForecastError(PLACE, broken, expected="a finite number", mend="Forecast only bars whose images are whole.")
        return self._seen(len(view), view.gather)

    def raw_images(self, images: npt.NDArray[np.float32]) -> RawForecast:
        """The same of pictures that were drawn before, float32 (n, 3, 64, 64) as `PatternImage.gather` draws them: values in 0 .. 1."""
        if images.dtype != np.float32 or images.shape[1:] != (CHANNELS, SIDE, SIDE):
            raise ShapeError(PLACE, f"{images.dtype} of shape {images.shape}", expected=f"float32 of shape (n, {CHANNELS}, {SIDE}, {SIDE})")
        right = (images >= 0) & (images <= 1)
        if not right.all():
            at = np.argwhere(~right)[0]
            found = f"image {at[0]}, channel {at[1]}, row {at[2]}, bar {at[3]} is {images[tuple(at)]}"
            raise DataError(PLACE, found, expected="a value in 0 .. 1")
        return self._seen(len(images), images.__getitem__)

    def _seen(self, n: int, gather: Callable[[slice], npt.NDArray[np.float32]]) -> RawForecast:
        """What the network sees in `n` images, which `gather` draws."""
        gathered = {name: np.empty((n, *shape)) for name, shape in self._shapes.items()}
        for start in range(0, n, BATCH):
            stop = min(start + BATCH, n)
            results: Any = self._session.run(list(gathered), {"image": gather(slice(start, stop))})
            for (name, values), result in zip(gathered.items(), results, strict=True):
                if not np.isfinite(result).all():
                    found = f"{name} of an image from row {start} on is not finite"
                    raise ForecastError(PLACE, found, expected="finite outputs", reason="not_finite")
                values[start:stop] = result
        logits = gathered.pop("logits")
        return RawForecast(logits, values=gathered)

    @property
    def columns(self) -> tuple[str, ...]:
        """A probability for each pattern, quality and pole, and the numbers of the embedding: embedding_00, embedding_01 .."""
        digits = max(2, len(str(self._embedding - 1)))
        embedding = (f"embedding_{number:0{digits}}" for number in range(self._embedding))
        return (*(f"p_{name}" for name in self._patterns), "quality", "pole_kATR", *embedding)

    def table(self, raw: RawForecast, p: Float64Array) -> dict[str, Float64Array]:
        """`p` (n, 5) by pattern, then what else the network says."""
        assert raw.values is not None
        said = (*p.T, raw.values["quality"], raw.values["pole_kATR"], *raw.values["embedding"].T)
        return {name: np.ascontiguousarray(values) for name, values in zip(self.columns, said, strict=True)}

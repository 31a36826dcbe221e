"""Forecast with the exported Pattern CNN through ONNX Runtime: no torch, no training side."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import onnxruntime as ort

from barmill.errors import ForecastError, SchemaError
from barmill.models.admission import kind_of
from barmill.models.contract import Float64Array, RawForecast, View
from barmill.models.onnx_session import open_session
from barmill.models.pattern.drawn_bars import broken_bar
from barmill.views import PatternImage

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
        n = len(view)
        gathered = {name: np.empty((n, *shape)) for name, shape in self._shapes.items()}
        for start in range(0, n, BATCH):
            stop = min(start + BATCH, n)
            results: Any = self._session.run(list(gathered), {"image": view.gather(slice(start, stop))})
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

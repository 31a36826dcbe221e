"""Chart patterns and their neighbours over /v1, for models that have them: the same checks and the same bits as gRPC's."""

from typing import Any

import numpy as np
from msgspec import UNSET

from barmill.serving.contract import Forecasting
from barmill.serving.http.bodies import Bodies, time_of
from barmill.serving.http.replies import headers_of, json_reply
from barmill.serving.http.routing import Endpoint, Request, Routes, Work
from barmill.serving.http.statuses import Reply
from barmill.serving.patterns import DEFAULT_K, Classification, Nearest, classify_bars, classify_image, nearest
from barmill.serving.refusals import Refusal


class PatternRoutes:
    """Answers `classify` and `nearest` over a plane."""

    def __init__(self, plane: Forecasting, bodies: Bodies) -> None:
        self._plane, self._bodies = plane, bodies

    @property
    def routes(self) -> Routes:
        """Endpoints by pattern and method."""
        return {
            "/v1/models/*/classify": {"POST": Endpoint(self._classify, "forecast", body=True)},
            "/v1/models/*/nearest": {"POST": Endpoint(self._nearest, "forecast", body=True)},
        }

    def _classify(self, request: Request) -> Work:
        body, ask = self._bodies.classify(request.body), request.ask
        if (body.bars is UNSET) == (body.image is UNSET):
            raise Refusal("invalid", "invalid_body", "body", "says neither image nor bars, or both", expected="one of the two")
        if body.bars is not UNSET:
            bars = self._bodies.bars(body.bars, volume=False)
            return Work(False, lambda: _classified(classify_bars(self._plane, ask, bars)))
        assert body.image is not UNSET
        image = self._bodies.image(body.image)
        return Work(False, lambda: _classified(classify_image(self._plane, ask, image)))

    def _nearest(self, request: Request) -> Work:
        body, ask = self._bodies.nearest(request.body), request.ask
        with np.errstate(over="ignore"):  # what single precision does not hold is infinite, and refused as such
            embed = np.array(body.embed, dtype=np.float64).astype(np.float32)
        k = DEFAULT_K if body.k is UNSET else body.k
        before = None if body.before is UNSET else time_of(body.before, "before")

        def call() -> Reply:
            found = nearest(self._plane, ask, embed, k, before)
            return json_reply(neighbours_json(found), headers=headers_of(found.digest))

        return Work(False, call)


def classification_json(found: Classification) -> dict[str, Any]:
    """What /v1 says of a picture; the embedding in single precision, as `nearest` takes it."""
    return {
        **_who(found),
        "pattern": found.pattern,
        "probabilities": dict(found.probabilities),
        "quality": found.quality,
        "pole_kATR": found.pole_kATR,
        "embed": found.embed.astype(np.float32).tolist(),
    }


def neighbours_json(found: Nearest) -> dict[str, Any]:
    """What /v1 says of the times that looked alike, the nearest first."""
    columns = {
        "open_time": found.open_time.tolist(),
        "known_at": found.known_at.tolist(),
        "cosine": found.cosine.tolist(),
        "pattern": found.pattern,
        "quality": found.quality.tolist(),
        "realised_R": found.realised_R.tolist(),
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return {**_who(found), "sim_conf": found.sim_conf, "hist_rr_pct": found.hist_rr_pct, "neighbours": rows}


def _classified(found: Classification) -> Reply:
    return json_reply(classification_json(found), headers=headers_of(found.digest))


def _who(found: Classification | Nearest) -> dict[str, str]:
    return {"model": found.model, "version": found.version, "digest": found.digest}


__all__ = ["PatternRoutes", "classification_json", "neighbours_json"]

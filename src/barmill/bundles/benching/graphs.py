"""The graphs of a bundle, in ONNX Runtime alone: bytes, and how long one row takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from barmill.bundles.benching.clock import clocked

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


def bench_graphs(graphs: Mapping[str, bytes], calls: int) -> list[dict[str, Any]]:
    """Each of `graphs`, by file name: name, bytes, and percentiles of one row of zeros, or one window of them."""
    from barmill.models.onnx_session import open_session  # here and not above: who reads a recipe of a bench needs no runtime

    found: list[dict[str, Any]] = []
    for name, data in sorted(graphs.items()):
        session: Any = open_session(data)
        feeds = {
            one.name: np.zeros([size if isinstance(size, int) else 1 for size in one.shape], dtype=_TYPES[one.type])
            for one in session.get_inputs()
        }
        clock = clocked(lambda session=session, feeds=feeds: session.run(None, feeds), calls)
        found.append({"name": name, "bytes": len(data), "row": clock.to_json()})
    return found


__all__ = ["bench_graphs"]

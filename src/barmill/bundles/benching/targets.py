"""What the charters ask of a model that is served, beside what was measured: met, missed, or not measured.

Seed 000, section 9: latency, throughput, memory, and what the signal is worth. Seed 001: bytes of the ONNX graphs, milliseconds of a model,
of all models, of calibration and of fusion.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Benches = Mapping[str, Mapping[str, Any]]  # what `bench_bundle` gave, by the bundle's name in the run

GRAPH_LIMITS_KB = {"lstm": 1000.0, "xgboost": 500.0, "cnn_1d": 2000.0}
TOTAL_KB = 5000.0
BATCH = 64


class Asked(NamedTuple):
    """One target.

    of : the bundle, or "all"; what : in words; limit, unit; least : whether the limit is the least, not the most
    measured : None where nothing was; met : None likewise; why : why nothing was
    """

    charter: str
    of: str
    what: str
    limit: float
    unit: str
    measured: float | None
    least: bool = False
    why: str = ""

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.least else self.measured <= self.limit

    def to_json(self) -> dict[str, Any]:
        return {**self._asdict(), "met": self.met}


def asked_of(benches: Benches, signals: Mapping[str, Mapping[str, float | None]] | None = None) -> list[Asked]:
    """Every target, in the charters' order.

    signals : `correlation`, `ic` and `turnover_per_bar` of each model as its run judged them; None for a bundle alone
    """
    rows: list[Asked] = []
    for name, bench in benches.items():
        rows += [
            _most("000", name, "one row, p50", 1.0, "ms", bench["row"]["p50_us"] / 1000),
            _most("000", name, "one row, p99", 5.0, "ms", bench["row"]["p99_us"] / 1000),
            *(_least("000", name, f"rows a second, {one['rows']} at once", 10_000, "/s", one["per_second"]) for one in _told(bench)),
            _most("000", name, "memory that loading adds", 500.0, "MB", bench["memory_mb"]),
            *_signals(name, (signals or {}).get(name, {})),
        ]
    return [*rows, *_of_001(benches)]


def _told(bench: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in bench["batches"] if one["rows"] in (1, BATCH)]


def _signals(name: str, signal: Mapping[str, float | None]) -> list[Asked]:
    why = "" if signal else "no run judged it on returns"
    return [
        _least("000", name, "correlation with returns", 0.1, "", signal.get("correlation"), why),
        _least("000", name, "information coefficient", 0.05, "", signal.get("ic"), why),
        _most("000", name, "turnover", 0.2, "/bar", signal.get("turnover_per_bar"), why),
    ]


def _of_001(benches: Benches) -> list[Asked]:
    rows: list[Asked] = []
    alone = {name: bench for name, bench in benches.items() if not bench["members"]}
    sizes = {name: _graph_bytes(bench) for name, bench in alone.items()}
    for name, bench in alone.items():
        if (limit := GRAPH_LIMITS_KB.get(bench["model"])) is not None:
            size = sizes[name]
            rows.append(_most("001", name, "ONNX graph", limit, "kB", None if size is None else size / 1000, "no graphs: barmill export"))
    known = [size for size in sizes.values() if size is not None]
    total = sum(known) / 1000 if known and len(known) == len(sizes) else None
    rows.append(_most("001", "all", "ONNX graphs", TOTAL_KB, "kB", total, "not every model has graphs: barmill export"))
    rows += [_most("001", name, "one row, p99", 50.0, "ms", bench["row"]["p99_us"] / 1000) for name, bench in alone.items()]
    everything = sum(bench["row"]["p99_us"] for bench in alone.values()) / 1000 if alone else None
    rows.append(_most("001", "all", "one row of each model, p99", 200.0, "ms", everything, "no model alone was measured"))
    for step, what, limit in (("calibration", "calibration, p99", 10.0), ("combining", "fusion, p99", 5.0)):
        taken = [bench["steps"][step]["p99_us"] for bench in benches.values() if step in bench["steps"]]
        rows.append(_most("001", "all", what, limit, "ms", max(taken) / 1000 if taken else None, "there is none"))
    return rows


def _graph_bytes(bench: Mapping[str, Any]) -> int | None:
    """Of the graph of the model itself; None where the bundle has none."""
    return next((graph["bytes"] for graph in bench["graphs"] if graph["name"] == "model.onnx"), None)


def _most(charter: str, of: str, what: str, limit: float, unit: str, measured: float | None, why: str = "") -> Asked:
    return Asked(charter, of, what, limit, unit, measured, why=why if measured is None else "")


def _least(charter: str, of: str, what: str, limit: float, unit: str, measured: float | None, why: str = "") -> Asked:
    return Asked(charter, of, what, limit, unit, measured, least=True, why=why if measured is None else "")


def told(asked: Sequence[Asked]) -> str:
    """`8 of 12 targets are met; missed: lstm (one row, p50); not measured: 3.`"""
    met = sum(one.met is True for one in asked)
    missed = [f"{one.of} ({one.what})" for one in asked if one.met is False]
    unknown = sum(one.met is None for one in asked)
    parts = [f"{met} of {len(asked)} targets are met"]
    parts += [f"missed: {', '.join(missed)}"] if missed else []
    parts += [f"not measured: {unknown}"] if unknown else []
    return "; ".join(parts)


__all__ = ["Asked", "asked_of", "told"]

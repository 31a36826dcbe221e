"""What a bundle records of its graphs: how far each is from the bundle, by kind of row and output, and the gate that it passed.

Imports no ONNX: a server that checks a record needs none. `barmill.export.parity` measures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, isfinite
from types import MappingProxyType
from typing import Any

from barmill.artefacts import sha256
from barmill.errors import BundleCorruption, BundleError

FORMAT = 1
KINDS = ("golden inputs", "golden bars", "bars", "random", "thresholds", "batches", "reference")
_MEND = "Export the bundle again."


@dataclass(frozen=True, slots=True)
class Gate:
    """What an output may differ by: probabilities as they are, returns in units of volatility, other answers in their unit (relative
    above 1). None is not asked.

    mae, most : mean and largest difference
    relative : mean difference over the mean size of the output, or over 0.001 where that is more
    flips : rows whose probability falls on the other side of one half
    ranks : the least rank correlation, of an output that varies
    """

    mae: float | None = None
    most: float | None = None
    relative: float | None = None
    flips: int | None = None
    ranks: float | None = None


EXACT = Gate(mae=1e-6, most=1e-5, relative=1e-4, flips=0)
AT_THRESHOLDS = Gate(mae=1e-6, most=1e-6, relative=1e-4, flips=0)  # a threshold that was not rounded down shows here, and hardly elsewhere
SECOND_RUNTIME = Gate(most=1e-5)
# Eight bits tell 256 levels apart. What they round may move a forecast by no more than calibration leaves open (a probability, or a
# return in volatilities, by a twentieth) and must leave the order of forecasts, which is what a rule acts on, nearly as it is.
QUANTISED = Gate(most=0.05, ranks=0.99)
MOST_LOST: Mapping[str, float] = MappingProxyType({"auc": 0.01, "ic": 0.01, "coverage": 0.02})  # by rounding, on rows with outcomes


def gate_of(kind: str, *, quantised: bool) -> Gate:
    """The gate of rows of this kind."""
    if quantised:  # runtimes that round halves apart differ by one of the levels, which is no fault of either
        return QUANTISED
    if kind == "reference":
        return SECOND_RUNTIME
    return AT_THRESHOLDS if kind == "thresholds" else EXACT


@dataclass(frozen=True, slots=True)
class Difference:
    """One output on rows of one kind; `ranks` is None where the output does not vary, a difference is infinite where a value is no number.

    row : the row that differs most, whose values are `expected` (the bundle's) and `found` (the graph's), in the output's standard unit
    """

    output: str
    mae: float
    most: float
    relative: float
    flips: int
    ranks: float | None
    row: int
    expected: float
    found: float

    def faults(self, gate: Gate) -> tuple[str, ...]:
        """How it misses the gate; nothing where it passes."""
        limits = (("on average", self.mae, gate.mae), ("at most", self.most, gate.most), ("relatively", self.relative, gate.relative))
        told = [f"{name} by {found:.3g} (limit {limit:g})" for name, found, limit in limits if limit is not None and not found <= limit]
        if gate.flips is not None and self.flips > gate.flips:
            told.append(f"{self.flips} rows change sides of 0.5")
        if gate.ranks is not None and self.ranks is not None and not self.ranks >= gate.ranks:
            told.append(f"rank correlation {self.ranks:.4f} (limit {gate.ranks:g})")
        return tuple(told)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A graph against its bundle on rows of one kind; of kind "reference", a second runtime against the first."""

    kind: str
    rows: int
    outputs: tuple[Difference, ...]

    @property
    def worst(self) -> Difference:
        """The output that differs most."""
        return max(self.outputs, key=lambda one: one.most)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a quantised graph is worth on rows whose outcomes are known, beside what its bundle is; None where it cannot be told.

    auc : of p_up; ic : rank correlation of E_r, or q50 without it, and the return; coverage : share of returns within the band, or
        between q05 and q95 without one. Each (of the bundle, of the graph)
    """

    rows: int
    auc: tuple[float, float] | None
    ic: tuple[float, float] | None
    coverage: tuple[float, float] | None

    def faults(self) -> tuple[str, ...]:
        """What rounding lost more of than it may."""
        told = [
            f"{name} falls from {pair[0]:.4f} to {pair[1]:.4f} (limit {MOST_LOST[name]:g})"
            for name, pair in (("auc", self.auc), ("ic", self.ic))
            if pair is not None and not pair[0] - pair[1] <= MOST_LOST[name]
        ]
        if self.coverage is not None and not abs(self.coverage[0] - self.coverage[1]) <= MOST_LOST["coverage"]:
            told.append(f"coverage moves from {self.coverage[0]:.4f} to {self.coverage[1]:.4f} (limit {MOST_LOST['coverage']:g})")
        return tuple(told)


@dataclass(frozen=True, slots=True)
class GraphParity:
    """One graph's record.

    name : its file under `onnx`; sha256 : of its bytes
    quantised : its weights are rounded, and it is held to a gate of its own
    outcomes : of a quantised graph, where bars were given
    told : what was not measured, and why
    """

    name: str
    sha256: str
    quantised: bool
    comparisons: tuple[Comparison, ...]
    outcomes: Outcomes | None = None
    told: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[str, ...]:
        """Every output of every kind of rows that misses its gate, the worst row with it."""
        found: list[str] = []
        for comparison in self.comparisons:
            gate = gate_of(comparison.kind, quantised=self.quantised)
            for one in comparison.outputs:
                if missed := one.faults(gate):
                    row = f"row {one.row}: the bundle says {one.expected:.9g}, the graph {one.found:.9g}"
                    found.append(f"{comparison.kind}: {one.output} differs {', '.join(missed)}; {row}")
        if not self.comparisons:
            found.append("it was compared on no row")
        return (*found, *(self.outcomes.faults() if self.outcomes else ()))

    @property
    def passed(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class ParityReport:
    """The record of all graphs of a bundle.

    seed : of the rows that were drawn; runtimes : versions of what ran the graphs
    """

    graphs: tuple[GraphParity, ...]
    seed: int
    runtimes: Mapping[str, str]

    @property
    def passed(self) -> bool:
        return all(graph.passed for graph in self.graphs)

    @property
    def faults(self) -> tuple[str, ...]:
        """What misses its gate, by graph."""
        return tuple(f"{graph.name}: {fault}" for graph in self.graphs for fault in graph.faults)

    def to_json(self) -> dict[str, Any]:
        """Plain values, exact: `from_json` gives the same report. What is infinite, or no number, is null."""
        return {
            "format": FORMAT,
            "graphs": [_graph_json(graph) for graph in self.graphs],
            "passed": self.passed,
            "runtimes": dict(self.runtimes),
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, value: Any) -> "ParityReport":
        """Read what `to_json` wrote, with the gates of this version. Raises BundleError where it is something else."""
        try:
            graphs = tuple(_read_graph(graph) for graph in value["graphs"])
            report = cls(graphs, int(value["seed"]), {str(name): str(version) for name, version in value["runtimes"].items()})
            if report.to_json() != value:
                raise ValueError("a figure, a gate or the verdict is not what follows from the rest")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError("parity", f"cannot be read: {error}", mend=_MEND) from error
        return report


def check_parity(graphs: Mapping[str, bytes], record: Any, place: str) -> tuple[BundleError, ...]:
    """What is wrong with the record of a bundle's graphs; nothing where each of them was measured and passes.

    graphs : by their names under `onnx`; record : the JSON of `parity.json`, None where there are no graphs
    """
    if record is None:
        if not graphs:
            return ()
        return (BundleCorruption(place, f"is null, though there are the graphs {', '.join(sorted(graphs))}", mend=_MEND),)
    try:
        report = ParityReport.from_json(record)
    except BundleError as error:
        return (BundleCorruption(place, error.found, mend=_MEND),)
    recorded, there = {graph.name: graph.sha256 for graph in report.graphs}, {name: sha256(data) for name, data in graphs.items()}
    if len(recorded) < len(report.graphs) or not recorded:
        return (BundleCorruption(place, "records a graph twice, or none", mend=_MEND),)
    if recorded != there:
        name = min(name for name in recorded.keys() | there.keys() if recorded.get(name) != there.get(name))
        found = "of other bytes than were measured" if name in recorded and name in there else "measured or there, and not both"
        return (BundleCorruption(place, f"the graph {name} is {found}", mend=_MEND),)
    return tuple(BundleError(place, fault, expected="graphs that say what the bundle says", mend=_MEND) for fault in report.faults)


def _graph_json(graph: GraphParity) -> dict[str, Any]:
    return {
        "comparisons": [
            {
                "gate": asdict(gate_of(one.kind, quantised=graph.quantised)),
                "kind": one.kind,
                "outputs": [{name: _number(value) for name, value in asdict(output).items()} for output in one.outputs],
                "rows": one.rows,
            }
            for one in graph.comparisons
        ],
        "name": graph.name,
        "outcomes": graph.outcomes and _outcomes_json(graph.outcomes),
        "passed": graph.passed,
        "quantised": graph.quantised,
        "sha256": graph.sha256,
        "told": list(graph.told),
    }


def _outcomes_json(outcomes: Outcomes) -> dict[str, Any]:
    pairs = {name: None if pair is None else list(pair) for name, pair in _pairs(outcomes).items()}
    return {"limits": dict(MOST_LOST), "rows": outcomes.rows, **pairs}


def _pairs(outcomes: Outcomes) -> dict[str, tuple[float, float] | None]:
    return {"auc": outcomes.auc, "ic": outcomes.ic, "coverage": outcomes.coverage}


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


def _read_graph(value: Mapping[str, Any]) -> GraphParity:
    comparisons = tuple(
        Comparison(_kind(one["kind"]), int(one["rows"]), tuple(_read_difference(output) for output in one["outputs"]))
        for one in value["comparisons"]
    )
    if any(one.rows < 1 or not one.outputs for one in comparisons):
        raise ValueError("a comparison of no rows or outputs")
    told = tuple(str(sentence) for sentence in value["told"])
    return GraphParity(
        str(value["name"]), str(value["sha256"]), value["quantised"] is True, comparisons, _read_outcomes(value["outcomes"]), told
    )


def _read_outcomes(value: Mapping[str, Any] | None) -> Outcomes | None:
    if value is None:
        return None
    return Outcomes(int(value["rows"]), *(_pair(value[name]) for name in ("auc", "ic", "coverage")))


def _pair(value: Sequence[float] | None) -> tuple[float, float] | None:
    return None if value is None else (float(value[0]), float(value[1]))


def _read_difference(value: Mapping[str, Any]) -> Difference:
    mae, most, relative, expected, found = (
        inf if value[name] is None else float(value[name]) for name in ("mae", "most", "relative", "expected", "found")
    )
    ranks = None if value["ranks"] is None else float(value["ranks"])
    return Difference(str(value["output"]), mae, most, relative, int(value["flips"]), ranks, int(value["row"]), expected, found)


def _kind(value: Any) -> str:
    if value not in KINDS:
        raise ValueError(f"rows of the kind {value!r}")
    return str(value)


__all__ = [
    "AT_THRESHOLDS",
    "EXACT",
    "KINDS",
    "MOST_LOST",
    "QUANTISED",
    "SECOND_RUNTIME",
    "Comparison",
    "Difference",
    "Gate",
    "GraphParity",
    "Outcomes",
    "ParityReport",
    "check_parity",
    "gate_of",
]

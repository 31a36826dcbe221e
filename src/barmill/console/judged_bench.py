"""`metrics/bench.json` as typed values: what `barmill bench` measured of a run's bundles."""

from pydantic import Field

from barmill.console.parts import Number, Part


class Clock(Part):
    """Percentiles of the time of one call, microseconds."""

    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    n: int


class Batch(Part):
    """Rows a second with so many rows in a call."""

    rows: int
    per_second: float


class Graph(Part):
    """An ONNX graph in the runtime alone."""

    name: str
    bytes: int
    row: Clock


class Member(Part):
    """One row through a member alone."""

    row: Clock


class BundleBench(Part):
    """What one bundle takes."""

    row: Clock
    bar: Clock
    allocates: str = ""
    members: dict[str, Member] = Field(default_factory=dict[str, Member])
    batches: tuple[Batch, ...] = ()
    graphs: tuple[Graph, ...] = ()
    load_s: float
    memory_mb: float
    bytes: int


class Asked(Part):
    """A target of the charters; `met` is None where nothing was measured, and `why` says why."""

    of: str
    what: str
    limit: float
    unit: str
    least: bool = False
    measured: Number = None
    met: bool | None = None
    why: str = ""


class Machine(Part):
    """What it was measured on."""

    processor: str
    system: str
    cores: int
    load: float
    python: str


class Bench(Part):
    """The whole of it."""

    machine: Machine
    calls: int
    bundles: dict[str, BundleBench]
    targets: tuple[Asked, ...] = ()
    summary: str = ""


__all__ = ["Asked", "Batch", "Bench", "BundleBench", "Clock", "Graph", "Machine", "Member"]

"""What each bundle costs to serve, as `barmill bench` measured it: rows of text for the report."""

from dataclasses import dataclass

from barmill.console.figures import NOT_AVAILABLE, SPACE, significant
from barmill.console.judged_bench import Asked, Bench, Clock

HEADINGS = ("Of", "p50", "p90", "p99", "p99.9", "Batch 1", "Batch 64", "Loads in", "Memory", "Bundle")
_BATCHES = (1, 64)


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One line of the table: `name` of what, then its cells, empty where there is nothing to say."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskedRow:
    """A target of the charters as text; `tag` is the class of its mark, `why` says why nothing was measured."""

    name: str
    what: str
    limit: str
    measured: str
    verdict: str
    tag: str
    why: str


def bench_rows(bench: Bench | None) -> tuple[BenchRow, ...]:
    """Of each bundle one row and one bar, of an ensemble its members, and every graph by itself."""
    rows: list[BenchRow] = []
    for name, one in ({} if bench is None else bench.bundles).items():
        speeds = {batch.rows: batch.per_second for batch in one.batches}
        told = [f"{speeds[size]:,.0f}/s" if size in speeds else "" for size in _BATCHES]
        told += [f"{significant(one.load_s)}{SPACE}s", f"{one.memory_mb:,.0f}{SPACE}MB", f"{one.bytes / 1000:,.0f}{SPACE}kB"]
        rows.append(BenchRow(f"{name}, one row", (*_times(one.row), *told)))
        empty = ("",) * len(told)
        rows.append(BenchRow(f"{name}, one bar", (*_times(one.bar), *empty)))
        rows += [BenchRow(f"{name}, member {label}", (*_times(member.row), *empty)) for label, member in one.members.items()]
        for graph in one.graphs:
            size = f"{graph.bytes / 1000:,.0f}{SPACE}kB"
            rows.append(BenchRow(f"{name}, {graph.name}", (*_times(graph.row), *empty[:-1], size)))
    return tuple(rows)


def asked_rows(bench: Bench | None) -> tuple[AskedRow, ...]:
    """A row for each target of the charters."""
    return () if bench is None else tuple(_asked(one) for one in bench.targets)


def bench_sentence(bench: Bench | None) -> str:
    """On what it was measured, and how many targets are met."""
    if bench is None:
        return ""
    machine = bench.machine
    where = f"{machine.processor}, {machine.cores} cores, {machine.system}, Python {machine.python}"
    how = f"one thread, with a load of {machine.load:g} when it began, {bench.calls:,} calls for each percentile"
    return f"Measured on {where}: {how}. {bench.summary}"


def _times(clock: Clock) -> tuple[str, ...]:
    return tuple(f"{significant(one)}{SPACE}us" for one in (clock.p50_us, clock.p90_us, clock.p99_us, clock.p999_us))


def _asked(one: Asked) -> AskedRow:
    unit = f"{SPACE}{one.unit}" if one.unit and not one.unit.startswith("/") else one.unit
    verdict, tag = {True: ("met", "passed"), False: ("missed", "error"), None: ("not measured", "warning")}[one.met]
    measured = NOT_AVAILABLE if one.measured is None else f"{significant(one.measured)}{unit}"
    bound = "at least" if one.least else "at most"
    return AskedRow(one.of, one.what, f"{bound} {significant(one.limit)}{unit}", measured, verdict, tag, one.why)


__all__ = ["HEADINGS", "AskedRow", "BenchRow", "asked_rows", "bench_rows", "bench_sentence"]

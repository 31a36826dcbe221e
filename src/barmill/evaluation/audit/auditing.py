"""Auditing a table of features: does any value change when the bars after it are taken away, or are others?

A feature of row t may depend on bars 0 .. t. So computing it on the first L bars alone must give the first L rows of the
whole, and so must bars that are another market's from row L on. A leak is measured too: by bisection, the fewest bars after
row t that make its value final.

A short sample from the beginning is cut densely; the whole is cut at halves of halves, late, and at random. What passes has
not been proved for every cut there is, but a leak must be silent at dozens of them to stay hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from barmill.errors import DataError, InputError
from barmill.evaluation.audit.cuts import Probes, breaks, dense_probes, long_probes, window_probes
from barmill.evaluation.audit.evidence import Sample, Tolerance, Trace, Values
from barmill.evaluation.audit.findings import AuditFinding, FeatureAudit, audit_finding
from barmill.evaluation.audit.look_ahead import MOST_RUNS, Leak, finite_cause, measure, whole_sample_cause
from barmill.evaluation.audit.other_futures import with_another_future
from barmill.evaluation.audit.runs import Runs
from barmill.evaluation.audit.tables import FeatureMaker
from barmill.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from barmill.market import Bars

SHORT = 8_192  # bars of the sample that is cut densely: five days of minutes
SPAN = 512  # bars of a window that are cut, behind those of the stated look-back
N_WINDOWS = 24
RTOL = 1e-9
"""For float64 tables of others: sums in another order move a value by 1e-13 or so of its size; a leak that moves no value by
more than a billionth at any cut would be worth nothing."""
RTOL_SINGLE = 1e-5  # for float32 tables, which resolve 1e-7
LOOK_BACK_RTOL = 1e-6  # what a recursion may still remember beyond the look-back that is stated
FEWEST_BARS = 16


def audit_features(
    maker: FeatureMaker,
    bars: "Bars",
    *,
    rtol: float | None = None,
    seed: int = 0,
    cuts: int = 1,
    history: int | None = None,
    progress: Progress | None = None,
) -> FeatureAudit:
    """Audit what `maker` makes of `bars`.

    Parameters
    ----------
    maker : a `PlanTable`, `CallableTable` or `CommandTable`
    rtol : what two values may differ by, as a share of the larger or of what 9 of 10 values of the column keep below; None
        compares bits for a plan, else takes 1e-9 (float32: 1e-5)
    seed : of the cuts and the other futures that are drawn
    cuts : how many more cuts of the whole to draw; each costs about half a run
    history : how many bars a value looks back at most; windows of so many bars are then audited instead of the whole, so it
        costs no run of the whole
    progress : is told of each run

    Raises: InputError for too few bars or numbers out of range; DataError if the features of all bars cannot be made.
    Cost: without `history`, about five runs of the whole and sixty of 8,192 bars; two tables are held at a time.
    """
    if len(bars) < FEWEST_BARS:
        raise InputError("bars to audit on", f"{len(bars)} bars", expected=f"{FEWEST_BARS} or more")
    if history is not None and not 1 <= history <= len(bars) - FEWEST_BARS:
        raise InputError("history", f"is {history}", expected=f"1 to {len(bars) - FEWEST_BARS} bars, with {len(bars)} to audit on")
    if cuts < 0 or (rtol is not None and not 0.0 <= rtol < 1.0):
        raise InputError("cuts and rtol", f"are {cuts} and {rtol}", expected="0 or more, and from 0 to less than 1")
    return _Audit(Runs(maker, progress or SilentProgress()), bars, rtol, seed).run(cuts, history)


@dataclass(slots=True)
class _Audit:
    runs: Runs
    bars: "Bars"
    asked_rtol: float | None
    seed: int
    rtol: float = 0.0
    samples: list[Sample] = field(default_factory=list[Sample])
    findings: list[AuditFinding] = field(default_factory=list[AuditFinding])
    failed: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    worked: list[int] = field(default_factory=list[int])
    n_cuts: int = 0
    n_futures: int = 0

    def run(self, cuts: int, history: int | None) -> FeatureAudit:
        """All of it: samples, comparisons, then what the traces mean."""
        plan = self._whole(cuts) if history is None else self._windows(history)
        self.runs.planned = sum(1 + len(probes.lengths) + len(probes.futures) for _, _, probes in plan) + 1
        for start, stop, probes in plan:
            sample = self._sample(start, stop, is_last=stop == plan[-1][1])
            if sample is None:
                continue
            if len(self.samples) == 1:
                self._check_repeats(sample)
            self._try(sample, probes)
            if history is not None:
                self._check_history(sample, history)
        self._tell_failures()
        self._tell_leaks()
        self._tell_empty()
        return self._report(history)

    def _whole(self, cuts: int) -> list[tuple[int, int, Probes]]:
        n_bars, few = len(self.bars), self.runs.maker.costly_start
        short = self.bars.slice(0, min(SHORT, n_bars))
        plan = [(0, len(short), dense_probes(short, self.seed, few=few))]
        return plan if n_bars <= SHORT else [*plan, (0, n_bars, long_probes(self.bars, SHORT, self.seed, cuts))]

    def _windows(self, history: int) -> list[tuple[int, int, Probes]]:
        """The first and the last window, some at breaks, the rest at random."""
        n_bars, random = len(self.bars), np.random.default_rng(self.seed)
        length = min(history + SPAN, n_bars)
        count = 4 if self.runs.maker.costly_start else N_WINDOWS
        at_breaks = breaks(self.bars) - history - SPAN // 2
        at_breaks = at_breaks[(at_breaks >= 0) & (at_breaks <= n_bars - length)]
        starts = {0, n_bars - length, *random.choice(at_breaks, min(count // 4, at_breaks.size), replace=False).tolist()}
        starts |= set(random.integers(0, n_bars - length + 1, count).tolist())
        return [(start, start + length, window_probes(length - min(SPAN, length // 2), length, start)) for start in sorted(starts)]

    def _sample(self, start: int, stop: int, *, is_last: bool) -> Sample | None:
        """The table of these bars; None if there is none that could be compared with others."""
        bars = self.bars.slice(start, stop)
        try:
            values = self.runs.make(bars, "all bars" if stop - start == len(self.bars) else f"{stop - start:,} bars")
        except DataError as error:
            if is_last and not self.samples:
                raise
            self.failed.append((len(bars), str(error)))
            return None
        if values is None:
            return None
        if not self.samples:
            usual = RTOL_SINGLE if values.dtype == np.float32 else RTOL
            self.rtol = self.asked_rtol if self.asked_rtol is not None else 0.0 if self.runs.maker.exact else usual
        self.samples.append(Sample(start, bars, values, Tolerance.of(self.rtol, values), {}))
        return self.samples[-1]

    def _check_repeats(self, sample: Sample) -> None:
        """Before anything is called a leak: do the same bars give the same values?"""
        again = self.runs.make(sample.bars, "the same bars again", sample.values)
        if again is None:
            return
        other = sample.tolerance.differ(sample.values, again)
        for feature in np.flatnonzero(other.any(axis=0)).tolist():
            where = self._where(sample, int(np.argmax(other[:, feature])))
            found = "two runs on the same bars give different values"
            cause = "random numbers without a seed, the clock, or something kept between calls"
            self.findings.append(audit_finding("F104", self.runs.names[feature], found, cause=cause, **where))

    @property
    def _unsteady(self) -> set[int]:
        return {self.runs.names.index(finding.feature) for finding in self.findings if finding.code == "F104"}

    def _try(self, sample: Sample, probes: Probes) -> None:
        """Compute the sample on fewer bars and with other futures, and compare."""
        for length in probes.lengths:
            if self._compare(sample, length, sample.bars.slice(0, length), f"{length:,} bars", altered=False):
                self.n_cuts += 1
        for first in probes.futures:
            other = with_another_future(sample.bars, first, self.seed + first)
            if self._compare(sample, first, other, f"another future from bar {first:,}", altered=True):
                self.n_futures += 1

    def _compare(self, sample: Sample, cut: int, bars: "Bars", note: str, *, altered: bool) -> bool:
        try:
            made = self.runs.make(bars, note, sample.values)
        except DataError as error:
            self.failed.append((len(bars), str(error)))
            return False
        self.worked.append(len(bars))
        if made is not None:
            sample.compare(cut, made, altered=altered)
        return made is not None

    def _check_history(self, sample: Sample, history: int) -> None:
        """Does an earlier start change what the stated look-back should have settled?"""
        start = max(0, sample.start - 4 * history - SPAN)
        if start == sample.start:
            return
        earlier = self.bars.slice(start, sample.start + len(sample.bars))
        made = self.runs.make(earlier, "an earlier start")
        if made is None:
            return
        row = min(history, len(sample.bars) - 1)  # the first with so many bars before it
        values = made[sample.start - start + row]
        loose = Tolerance(max(self.rtol, LOOK_BACK_RTOL), sample.tolerance.floor)
        told = {finding.feature for finding in self.findings if finding.code == "F108"}
        for feature in np.flatnonzero(loose.differ(sample.values[row], values)).tolist():
            name = self.runs.names[feature]
            if name in told or feature in sample.traces:
                continue
            found = f"bars before the {history:,} stated change its value at row {sample.start + row:,}"
            cause = "a longer window, or a recursion that has not faded by then; state a longer history"
            self.findings.append(audit_finding("F108", name, found, cause=cause, **self._where(sample, row)))

    def _tell_failures(self) -> None:
        """A refusal of few bars is a need for history; one beside shorter ones that worked is a fault."""
        if not self.failed:
            return
        longest, said = max(self.failed)
        shortest = min(self.worked, default=len(self.bars))
        severity = "warning" if longest < shortest else "error"
        found = f"it fails on {len(self.failed)} of the cuts, of up to {longest:,} bars: {said}"
        cause = f"it needs more history: {shortest:,} bars were enough" if severity == "warning" else ""
        self.findings.append(audit_finding("F107", "", found, cause=cause, severity=severity, bars_given=longest))

    def _tell_leaks(self) -> None:
        unsteady = self._unsteady
        features = {feature for sample in self.samples for feature in sample.traces} - unsteady
        leaks: list[Leak] = []
        for feature in sorted(features):
            traced = [sample for sample in self.samples if feature in sample.traces]
            if self._reaches_the_end(feature):
                widest = max(traced, key=lambda sample: len(sample.bars))
                self._tell_whole_sample(feature, widest, traced)
            else:
                chosen = next((one for one in traced if not one.traces[feature].from_afar), traced[-1])
                leaks.append(Leak(feature, chosen, chosen.traces[feature]))
        self.runs.planned = self.runs.done + 1
        budget = MOST_RUNS - measure(leaks, self._run_again)
        for leak in leaks:
            budget -= leak.reach > 1
            self._tell_finite(leak, may_run=budget > 0)

    def _reaches_the_end(self, feature: int) -> bool:
        """What the longest sample says: in a short one a long window, too, reaches from one end to the other."""
        longest = max(len(sample.bars) for sample in self.samples)
        traces = [sample.traces[feature] for sample in self.samples if feature in sample.traces and len(sample.bars) == longest]
        return any(trace.from_afar for trace in traces)

    def _run_again(self, bars: "Bars") -> Values:
        made = self.runs.make(bars, "how far ahead")
        if made is None:
            raise DataError(self.runs.maker.target, "no row for each bar")
        return made

    def _tell_whole_sample(self, feature: int, sample: Sample, traced: Sequence[Sample]) -> None:
        traces = [one.traces[feature] for one in traced]
        trace = sample.traces[feature]
        trace.n_altered = sum(one.n_altered for one in traces)
        counted = trace.n_altered == 0 and self.n_futures > 0
        code = "F103" if counted else "F102"
        found = "other values with another number of bars" if counted else "sees to the end of the sample"
        self._tell(code, feature, found, traced, cause=whole_sample_cause(trace))

    def _tell_finite(self, leak: Leak, *, may_run: bool) -> None:
        cause = finite_cause(leak, self._run_again, may_run=may_run)
        lead = "at least " if leak.at_least else ""
        found = f"sees {lead}{leak.reach:,} bar{'' if leak.reach == 1 else 's'} ahead"
        traced = [sample for sample in self.samples if leak.feature in sample.traces]
        self._tell("F101", leak.feature, found, traced, cause=cause, bars_ahead=leak.reach, at_least=leak.at_least)

    def _tell(self, code: str, feature: int, found: str, traced: Sequence[Sample], **more: object) -> None:
        """A finding with the first bar that changed in any sample."""
        sample = min(traced, key=lambda one: one.start + one.traces[feature].first_row)
        trace: Trace = sample.traces[feature]
        name = self.runs.names[feature]
        self.findings.append(
            audit_finding(
                code,
                name,
                found,
                **self._where(sample, trace.first_row),
                without_future=trace.without_future,
                with_future=trace.with_future,
                bars_given=sample.start + trace.first_cut,
                source=self.runs.maker.source_of(name),
                **more,
            )
        )

    def _where(self, sample: Sample, row: int) -> dict[str, object]:
        from barmill.market.times import utc_text

        return {"row": sample.start + row, "time": utc_text(int(sample.bars.open_time[row]))}

    def _tell_empty(self) -> None:
        if not self.samples:
            return
        finite = np.logical_or.reduce([np.isfinite(sample.values).any(axis=0) for sample in self.samples])
        for feature in np.flatnonzero(~finite).tolist():
            found = f"it has no value on any of {len(self.bars):,} bars, so nothing was compared"
            self.findings.append(audit_finding("F109", self.runs.names[feature], found, cause="give more bars, or the columns it needs"))

    def _report(self, history: int | None) -> FeatureAudit:
        self.runs.finish()
        windows = f"audited on {len(self.samples)} windows of {history} bars of look-back, as stated, and {SPAN} that were cut"
        findings = [*self.runs.findings, *self.findings]
        return FeatureAudit(
            target=self.runs.maker.target,
            n_bars=len(self.bars),
            features=self.runs.names,
            n_cuts=self.n_cuts,
            n_futures=self.n_futures,
            rtol=self.rtol,
            findings=tuple(sorted(findings, key=lambda finding: ("error", "warning", "info").index(finding.severity))),
            notes=() if history is None else (windows,),
        )


__all__ = ["RTOL", "RTOL_SINGLE", "audit_features"]

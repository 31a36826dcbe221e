"""What a run says to a person: its plan, its progress, its result. Live bars on a terminal, plain lines elsewhere."""

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from barmill.pipeline import Plan, Run

PILOT_SECONDS = 3.0  # how long a stage runs, from its first step on, before its time is estimated
SAID_AGAIN = 60.0  # seconds between two lines on a stage that goes on, where there is no bar to watch
AS_WIDE_AS_NEEDED = 1000  # columns of a table that goes to a file or a pipe: nothing in it is cut off


def output_console(piped: int = AS_WIDE_AS_NEEDED) -> Console:
    """Standard output, as wide as the terminal, or `piped` columns where it goes to a file or a pipe."""
    return Console(width=None if sys.stdout.isatty() else piped, highlight=False)


class Terminal:
    """A `Listener` on standard error; results go to standard output."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._say_at: dict[str, float] = {}

    def planned(self, plan: "Plan") -> None:
        for note in plan.notes:
            self.said(note)
        done = len(plan.stages) - len(plan.to_do)
        lead = f"plan: {len(plan.to_do)} stages to do, {done} there already" if plan.to_do else f"plan: all {done} stages are there already"
        self.said(f"{lead}; at most {plan.memory_mb:,} MiB of {plan.available_mb:,} MiB free; {plan.workers} models at a time")
        width = max(len(planned.stage.name) for planned in plan.stages)
        for planned in plan.stages:
            self.said(f"  {planned.stage.name:<{width}} {'kept in ' + planned.stage.folder if planned.cached else 'to do'}")
        if plan.to_do:
            self.said("  time: estimated for each stage once its first steps have run")
        if plan.memory_mb > plan.available_mb:
            self.said("  this may not fit into memory: give fewer bars, fewer features, or labels.every above 1")

    def said(self, text: str) -> None:
        self._console.print(text, markup=False)

    def started(self, stage: str) -> None:
        if not self._console.is_terminal:
            self.said(f"{stage} ...")

    def progressed(self, stage: str, done: int, total: int, note: str) -> None:
        if self._console.is_terminal:
            self._draw(stage, done, total, note)
            return
        began, first = self._began.setdefault(stage, (time.monotonic(), done))
        elapsed = time.monotonic() - began
        if elapsed >= self._say_at.get(stage, PILOT_SECONDS) and first < done < total:
            self._say_at[stage] = elapsed + SAID_AGAIN
            self.said(f"{stage}: {done} of {total}, at most {_duration(elapsed / (done - first) * (total - done))} to go")

    def finished(self, stage: str, seconds: float) -> None:
        if self._live is not None and stage in self._tasks:
            self._live.remove_task(self._tasks.pop(stage))
            if not self._tasks:
                self._live.stop()
                self._live = None
        self.said(f"{stage}: done in {_duration(seconds)}")

    def _draw(self, stage: str, done: int, total: int, note: str) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        if self._live is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
            self._live = Progress(*columns, TextColumn("{task.fields[note]}"), console=self._console, transient=True)
            self._live.start()
        if stage not in self._tasks:
            self._tasks[stage] = self._live.add_task(stage, total=total, note=note)
        self._live.update(self._tasks[stage], completed=done, total=total, note=note)
        if done >= total and stage in ("compile", "features"):
            self._live.remove_task(self._tasks.pop(stage))

    def result(self, run: "Run") -> None:
        """Print the table of models, the verdict in words, and where everything is."""
        from barmill.console import Judgement, Timings, target_sentence, verdict_on

        table = Table(title=f"{run.judgement['name']}: judged on the test block, net of costs", title_justify="left")
        for heading in ("model", "AUC (95%)", "log loss / base", "ECE", "Sharpe net", "random 5..95%", "trades"):
            table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
        for model in run.judgement["models"]:
            table.add_row(*_row(model))
        output_console().print(table)
        print(verdict_on(Judgement.model_validate(run.judgement)).text)
        if told := target_sentence(Timings.model_validate(run.timings)):
            print(f"targets  {told}")
        print(f"report   {run.report}")
        print(f"bundle   {run.bundle_path}")

    def forecast(self, row: dict[str, Any]) -> None:
        said = ", ".join(f"{name} {value:.5g}" for name, value in row.items() if isinstance(value, float))
        print(f"forecast at the last bar: {said}")

    def next_steps(self, run: "Run", bars: Path) -> None:
        from barmill.pipeline import recipe_file

        program = "barmill" if shutil.which("barmill") else sys.argv[0]  # an environment that was not activated
        print("\nTry next:")
        print(f"  open {run.report}")
        print(f"  {program} predict {run.bundle_path} --bars {bars} --symbol {run.judgement['symbol']}")
        print(f"  {program} bundle verify {run.bundle_path}")
        print(f"  {program} train {recipe_file('quickstart')} --set labels.horizon=30 --out runs/h30")
        print(f"  {program} models list")


def _row(model: dict[str, Any]) -> list[str]:
    classes, trading = model["classification"], model["trading"]
    low, high = classes["auc_interval"]
    band = trading["random"]
    return [
        f"{model['name']}{' *' if model['selected'] else ''}",
        f"{_number(classes['auc'])} ({_number(low)}..{_number(high)})",
        f"{_number(classes['log_loss'], 4)} / {_number(classes['log_loss_base'], 4)}",
        _number(model["calibration"]["ece"]),
        _number(trading["sharpe"], 2),
        f"{_number(band['p05'], 1)}..{_number(band['p95'], 1)}",
        str(trading["n_trades"]),
    ]


def _number(value: float | str | None, digits: int = 3) -> str:
    if value is None:
        return "n/a"
    return value if isinstance(value, str) else f"{value:.{digits}f}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"

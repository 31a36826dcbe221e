"""`train`: run a recipe and write its report. The pipeline does the work and the console tells it; here they meet."""

from collections.abc import Sequence
from pathlib import Path

from barmill.console import render_pages
from barmill.market import Bars
from barmill.pipeline import Listener, Recipe, Run, run_recipe


def train(
    recipe: Recipe | Path | str,
    bars: Bars | Path | str | None = None,
    *,
    symbol: str | None = None,
    overrides: Sequence[str] = (),
    profiles: Sequence[str] = (),
    out: Path | str | None = None,
    resume: bool = False,
    engine: str = "local",
    listener: Listener | None = None,
) -> Run:
    """Run a recipe: from bars to verified bundles, judged on bars that nothing was fitted on, and a report.

    Parameters and errors are those of `barmill.pipeline.run_recipe`.

    >>> import barmill as bm  # doctest: +SKIP
    >>> run = bm.train("recipes/crypto-1m.yaml", bars="FILUSDT_um_1m.parquet")  # doctest: +SKIP
    >>> run.bundle.forecast(run.bars)  # doctest: +SKIP
    """
    return run_recipe(
        recipe,
        bars,
        symbol=symbol,
        overrides=overrides,
        profiles=profiles,
        out=out,
        resume=resume,
        engine=engine,
        listener=listener,
        render=render_pages,
    )

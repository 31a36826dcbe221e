"""What the leakage checks catch, whom they accuse wrongly, and what they cost.

    python -m benchmarks.leakage [--bars 20000] [--seeds 3] [--rows 1000000] [--only recall,clean,walks,harm,null,cost]

Recall: the planted leaks of `tests/planted_leaks`, on simulated bars and, where BARMILL_DATA is, on FILUSDT, ES and 6E; with
everything that a run knows, and with the table of numbers alone. Clean: false alarms among the clean columns of the same folder.
Walks: false alarms on many short random walks, with a price, a slow mean and another walk among the columns.
Harm: by how much a leak raises the AUC of a small LightGBM on the test block of a market without any edge. Null: how often
cross-validation that is not purged betrays itself on such a market, by the length of its folds. Cost: the report on large tables.
"""

import argparse
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.metrics import roc_auc_score

from barmill.evaluation import PlanTable
from barmill.evaluation.leakage import Dossier, run_leakage_checks
from barmill.features import FeaturePlan
from barmill.market import simulate

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the cases stand with the tests that they serve first

from planted_leaks.cases import COLUMN_LEAKS, IN_THE_TABLE, LEAKS, OTHER_LEAKS, alarms, all_columns, caught, table_alone  # noqa: E402
from planted_leaks.clean_columns import SETS, bouncing, by_pandas, by_plan, led, with_oracle  # noqa: E402
from planted_leaks.markets import REAL, Market, real, simulated  # noqa: E402
from planted_leaks.study import purged_blocks, study, study_of  # noqa: E402

DATA = Path(os.environ.get("BARMILL_DATA", ROOT / "../shared/data")).resolve()
PARTS = ("recall", "clean", "walks", "harm", "null", "cost")


def markets(n_bars: int) -> Iterator[Market]:
    yield simulated(n_bars)
    if DATA.is_dir():
        yield from (real(name, DATA, n_bars) for name in REAL)


# ---- recall


def recall(n_bars: int) -> None:
    """Leaks of columns stand together in one table, each of the others in a study of its own."""
    print(f"planted leaks caught, {n_bars:,} bars each: with code and records | from the table alone")
    families = (*dict.fromkeys(leak.family for leak in LEAKS), "all")
    names = {family: [leak.name for leak in LEAKS if family in (leak.family, "all")] for family in families}
    lines: dict[str, list[str]] = {family: [] for family in families}
    heads: list[str] = []
    for market in markets(n_bars):
        whole, alone = found_on(market, lambda dossier: dossier), found_on(market, table_alone)
        for family in families:
            n = len(names[family])
            lines[family].append(f"{len(whole & set(names[family]))}/{n} | {len(alone & set(names[family]))}/{n}")
        heads.append(market.name)
        print(f"  {market.name}: missed: {', '.join(sorted(set(names['all']) - whole)) or 'none'}")
        print(f"  {market.name}: not seen in the table: {', '.join(sorted(IN_THE_TABLE - alone)) or 'none'}")
        print(f"  {market.name}: alarms at {len(LEAKS)} clean sisters: {'; '.join(sister_alarms(market)) or 'none'}", flush=True)
    print(f"  {'family':<24}" + "".join(f"{head:>18}" for head in heads))
    for family, cells in lines.items():
        print(f"  {family:<24}" + "".join(f"{cell:>18}" for cell in cells))


def found_on(market: Market, shown: Callable[[Dossier], Dossier]) -> set[str]:
    """Names of the leaks that are caught when `shown` of each experiment is handed over."""
    report = run_leakage_checks(shown(all_columns(market, "leaky")))
    columns = {one.column for one in report.critical}
    names = {leak.name for leak in COLUMN_LEAKS if leak.column in columns}
    return names | {leak.name for leak in OTHER_LEAKS if caught(leak, run_leakage_checks(shown(leak.leaky(market))))}


def sister_alarms(market: Market) -> list[str]:
    told = alarms(run_leakage_checks(all_columns(market, "clean")))
    return told + [f"{leak.name}: {one}" for leak in OTHER_LEAKS for one in alarms(run_leakage_checks(leak.clean(market)))]


# ---- false alarms


def clean(n_bars: int, seeds: int) -> None:
    print(f"\nclean columns, {n_bars:,} bars each")
    total = n_alarms = reports = 0
    for name, dossier in clean_dossiers(n_bars, seeds):
        found = alarms(run_leakage_checks(dossier))
        total, n_alarms, reports = total + len(dossier.columns), n_alarms + len(found), reports + 1
        print(f"  {name:<38}{len(dossier.columns):>5} columns {dossier.n:>7,} decisions   {'; '.join(found) or 'no alarm'}", flush=True)
    print(f"  {total:,} columns in {reports} reports: {n_alarms} alarms")


def clean_dossiers(n_bars: int, seeds: int) -> Iterator[tuple[str, Dossier]]:
    """Barmill's sets and the columns of pandas with their code; the same columns on other markets as numbers alone."""
    for market in markets(n_bars):
        yield f"{market.name}, pandas", by_pandas(market).dossier()
        yield f"{market.name}, bouncing", table_alone(by_pandas(bouncing(market)).dossier())
        yield f"{market.name}, led by its sister", table_alone(by_pandas(led(market)).dossier())
        for name in SETS:
            yield f"{market.name}, {name}", by_plan(market, name)
    for seed in range(100, 100 + seeds):
        for strength in (0.0, 1.0, 3.0):
            market = simulated(n_bars, seed, strength)
            yield f"simulated {seed}, strength {strength:g}, pandas", table_alone(by_pandas(market).dossier())
            if strength:
                yield f"simulated {seed}, strength {strength:g}, oracle", with_oracle(simulate(n_bars, seed, strength), study(market))


def walks(reports: int) -> None:
    n_bars, accused = 7_000, dict[str, int]()
    for seed in range(reports):
        market = simulated.__wrapped__(n_bars, seed, 0.0)
        price = pd.Series(np.log(market.bars.close))
        slow, walk = price.rolling(800).mean().to_numpy(), np.cumsum(np.random.default_rng(seed).standard_normal(n_bars))
        base = study(market)
        levels = base.table.assign(price=market.bars.close, slow=slow, walk=walk)
        dossier = table_alone(study_of(market, base.bars, base.make, levels).dossier())
        for code in {one.code for one in run_leakage_checks(dossier).critical}:
            accused[code] = accused.get(code, 0) + 1
    found = ", ".join(f"{number} by {code}" for code, number in sorted(accused.items())) or "none"
    print(f"\nrandom walks of {n_bars:,} bars with slow columns, {reports:,} reports: critical findings in {found}")


# ---- harm


def small_model(seed: int = 0) -> LGBMClassifier:
    return LGBMClassifier(
        n_estimators=60,
        num_leaves=15,
        learning_rate=0.05,
        min_child_samples=60,
        n_jobs=1,
        verbose=-1,
        random_state=seed,
        deterministic=True,
    )


def auc_of(dossier: Dossier) -> float:
    X, y, blocks = dossier.X, dossier.y, dossier.blocks
    assert X is not None
    assert y is not None
    assert blocks is not None
    model = small_model().fit(X[blocks["train"]], y[blocks["train"]])
    return float(roc_auc_score(y[blocks["test"]], forecast(model, X[blocks["test"]])))


def forecast(model: LGBMClassifier, X: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn, that arrays carry no names
        return np.asarray(model.predict_proba(X))[:, 1]


def harm(n_bars: int, seeds: int) -> None:
    """Leaky against clean on the same bars; a leak of process moves what is chosen by it, which `chosen_on_test` measures."""
    print(f"\nAUC of a small LightGBM on the test block, {n_bars:,} bars without an edge, mean over {seeds} seeds")
    rows = []
    for leak in LEAKS:
        pairs = [(auc_of(leak.leaky(market)), auc_of(leak.clean(market))) for market in edgeless(n_bars, seeds)]
        gain = np.array([leaky - clean for leaky, clean in pairs])
        rows.append((leak, np.mean(pairs, axis=0), gain.mean(), gain.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan))
    for leak, (leaky, clean), gain, error in rows:
        print(f"  {leak.family:<22}{leak.name:<24}{leaky:.3f} {clean:.3f}   {gain:+.3f} (+-{error:.3f})", flush=True)
    for family in dict.fromkeys(leak.family for leak in LEAKS):
        gains = {leak.name: gain for leak, _, gain, _ in rows if leak.family == family}
        least, most = min(gains, key=lambda name: gains[name]), max(gains, key=lambda name: gains[name])
        print(f"  {family:<24}{gains[least]:+.3f} ({least}) to {gains[most]:+.3f} ({most})")
    chosen_on_test(n_bars, seeds)


def edgeless(n_bars: int, seeds: int) -> Iterator[Market]:
    return (simulated(n_bars, seed, 0.0) for seed in range(200, 200 + seeds))


def chosen_on_test(n_bars: int, seeds: int) -> None:
    """Twenty configurations, and the number of trees of one, chosen on the test block that then judges them, or on the block before it."""
    tuned, stopped = [], []
    for market in edgeless(n_bars, seeds):
        made = study(market)
        X, y, blocks = made.X, made.y, made.blocks
        train, other, test = (blocks[name] for name in ("train", "early_stopping", "test"))
        said = []
        for number in range(20):
            model = small_model(number).set_params(
                num_leaves=2 + number, learning_rate=0.02 * (1 + number % 5), subsample=0.7, subsample_freq=1
            )
            model.fit(X[train], y[train])
            said.append([roc_auc_score(y[rows], forecast(model, X[rows])) for rows in (other, test)])
        by_other, by_test = np.array(said).T
        tuned.append((by_test.max(), by_test[np.argmax(by_other)]))
        model = small_model().set_params(n_estimators=200).fit(X[train], y[train])
        steps = range(5, 201, 5)
        curve = [[roc_auc_score(y[rows], model.predict_proba(X[rows], num_iteration=n)[:, 1]) for rows in (other, test)] for n in steps]
        by_other, by_test = np.array(curve).T
        stopped.append((by_test.max(), by_test[np.argmax(by_other)]))
    for name, pairs in (("tuning of 20 on the test", tuned), ("early stopping on the test", stopped)):
        (leaky, clean), gain = np.mean(pairs, axis=0), np.array([a - b for a, b in pairs])
        error = gain.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan
        print(f"  {'chosen on the test':<22}{name:<28}{leaky:.3f} {clean:.3f}   {gain.mean():+.3f} (+-{error:.3f})")


# ---- null tests


def null(seeds: int) -> None:
    """Unpurged and purged cross-validation on markets without an edge, by length of fold: where does the fault show?"""
    n_bars, n_seeds = 12_000, 4 * seeds
    print(f"\nnull test: AUC of k-fold on {n_bars:,} bars without an edge, columns slow, labels of 60 and 240 bars, {n_seeds} seeds")
    print(f"  {'labels':<10}{'decisions a fold':<20}{'not purged':>24}{'purged':>24}{'share of seeds above 0.55':>30}")
    for horizon in (60, 240):
        for length in (1000, 200, 40, 8):
            leaky, honest = np.array([_null_auc(seed, n_bars, horizon, length) for seed in range(300, 300 + n_seeds)]).T
            cells = [f"{a.mean():.3f} (+-{a.std(ddof=1) / np.sqrt(n_seeds):.3f})" for a in (leaky, honest)]
            print(
                f"  {horizon:<10}{length:<20}{cells[0]:>24}{cells[1]:>24}{(leaky > 0.55).mean():>20.0%} | {(honest > 0.55).mean():.0%}",
                flush=True,
            )


def _null_auc(seed: int, n_bars: int, horizon: int, length: int) -> tuple[float, float]:
    """AUC of a tree model over the folds: not purged, and purged by label ends."""
    market = simulated(n_bars, seed, 0.0)
    close = np.log(market.bars.close)
    t0 = np.arange(600, n_bars - horizon - 1, 3)
    t1 = t0 + horizon
    y = (market.bars.close[t1] > market.bars.open[t0 + 1]).astype(int)
    X = np.column_stack([close[t0], *(close[t0] - close[t0 - lag] for lag in (30, 120, 240, 600))])
    folds = np.arange(t0.size) // length
    chosen = np.random.default_rng(seed).permutation(folds.max() + 1)[:5]
    aucs = []
    for purged in (False, True):
        said = np.full(t0.size, np.nan)
        for fold in chosen:
            test = np.flatnonzero(folds == fold)
            train = folds != fold
            if purged:
                train &= (t1 < t0[test[0]]) | (t0 > t1[test[-1]])
            said[test] = forecast(small_model().fit(X[train], y[train]), X[test])
        rows = np.isfinite(said)
        aucs.append(float(roc_auc_score(y[rows], said[rows])) if 0 < y[rows].mean() < 1 else 0.5)
    return aucs[0], aucs[1]


# ---- cost


def cost(n_rows: int) -> None:
    print("\nseconds of the whole report, one thread")
    for rows, names in ((100_000, 100), (n_rows, None)):
        dossier = large(rows, names)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, used = time.perf_counter(), time.process_time()
        report = run_leakage_checks(dossier)
        took, used, after = time.perf_counter() - began, time.process_time() - used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        applied = sum(result.status != "not applicable" for result in report.results)
        size, more = f"{dossier.n:>10,} decisions x {len(dossier.columns)} columns", (after - before) / 1024
        print(f"  {size}: {took:6.1f} s ({used:.1f} s of the processor), {applied} checks, {more:,.0f} MiB more", flush=True)


def large(n_rows: int, n_columns: int | None) -> Dossier:
    """The charter set, every bar a decision."""
    simulation = simulate(n_rows + 3_000, seed=1)
    plan = FeaturePlan.build("1m", set="charter")
    plan = replace(plan, features=plan.features[:n_columns], columns=plan.names[:n_columns])
    table, bars = plan.compute(simulation.bars), simulation.bars
    t0 = np.arange(2_900, n_rows + 2_900)
    t1 = t0 + 60
    outcome = bars.close[t1] / bars.open[t0 + 1] - 1.0
    return Dossier(
        columns=table.names,
        table=table.values,
        y=(outcome > 0).astype(np.int64),
        outcome=outcome,
        t0=t0,
        t1=t1,
        known_at=bars.close_time[t0],
        blocks=purged_blocks(t0, t1),
        embargo_bars=30,
        bars=bars,
        feature_maker=PlanTable(plan),
        fitted=(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=20_000, help="of each market")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--reports", type=int, default=300, help="of random walks")
    parser.add_argument("--rows", type=int, default=1_000_000, help="decisions of the largest table")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    options = parser.parse_args()
    asked = options.only.split(",")
    if "recall" in asked:
        recall(options.bars)
    if "clean" in asked:
        clean(options.bars, options.seeds)
    if "walks" in asked:
        walks(options.reports)
    if "harm" in asked:
        harm(2 * options.bars, options.seeds)
    if "null" in asked:
        null(options.seeds)
    if "cost" in asked:
        cost(options.rows)


if __name__ == "__main__":
    main()

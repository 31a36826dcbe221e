"""A recipe that works on longer bars than its files have: the same run as on bars resampled beforehand, told and exported."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

import barmill as bm
from barmill.cli.__main__ import app
from barmill.errors import DataError, RecipeError
from barmill.evaluation import probabilistic_sharpe_ratio
from barmill.market import Bars, Instrument, read_npz, resample, write_bars_npz
from barmill.pipeline import PreparedSamples, plan_recipe, read_recipe, recipe_from_text, score_npz
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.model_stages import recipe_fingerprint
from barmill.pipeline.plan import stages_of
from barmill.pipeline.proving.settings import QUICK
from barmill.pipeline.proving.small_recipe import small_recipe

pytestmark = pytest.mark.xdist_group("resampled runs")  # one process, which makes the run once

RECIPE = """
name: longer
symbol: SIM
features: {set: aria}
labels: {method: fixed_horizon, horizon: 4}
splits: {purge: 4, embargo: 8}
cross_validation: {method: walk_forward, train_size: 5d, test_size: 1d}
base_models: [{name: logistic}]
inference: {calibrate: [isotonic]}
targets: {size_kb: {logistic: 500}, latency_ms: {each: 0.000001}}
random_signals: 20
"""


@pytest.fixture(scope="module")
def minutes():
    return bm.simulate(24_000, seed=8, strength=2.0).bars


@pytest.fixture(scope="module")
def folder(minutes, tmp_path_factory):
    """Two files of minutes, one of their quarters of an hour, and a recipe for each."""
    path = tmp_path_factory.mktemp("longer")
    minutes.slice(0, 11_111).write(path / "a.parquet")
    minutes.slice(11_111).write(path / "b.parquet")
    resample(minutes, "15m").write(path / "quarters.parquet")
    (path / "within.yaml").write_text(RECIPE + "bars: [a.parquet, b.parquet]\nresample: 15m\n")
    (path / "before.yaml").write_text(RECIPE + "bars: quarters.parquet\n")
    return path


@pytest.fixture(scope="module")
def run(folder):
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("LEDGER", "CACHE"):
            patch.setenv(f"BARMILL_{variable}", str(folder / variable.lower()))
        return bm.train(folder / "within.yaml", out=folder / "within")


@pytest.fixture(autouse=True)
def _state_of_the_run(folder, monkeypatch):
    """So that its bundle is one that was seen before, and its ledger the one it wrote."""
    for variable in ("LEDGER", "CACHE"):
        monkeypatch.setenv(f"BARMILL_{variable}", str(folder / variable.lower()))


def test_on_bars_resampled_before_it_nothing_of_the_run_is_left_to_do(run, folder):
    """Each stage has the address of everything that its result depends on, and its bytes are checked: the two runs are one."""
    plan = plan_recipe(folder / "before.yaml", out=run.folder)
    assert plan.stages
    assert plan.to_do == ()
    assert bm.Bars.read(folder / "quarters.parquet") == run.bars
    written = bm.train(folder / "before.yaml", out=run.folder)  # says 'nothing to do'
    assert written.fingerprints == run.fingerprints
    other = plan_recipe(folder / "before.yaml", out=run.folder, overrides=["labels.horizon=5"])
    assert len(other.to_do) > len(plan.stages) - 3


def test_the_run_says_what_it_was_made_of(run):
    assert run.judgement["timeframe"] == "15m"
    notes = run.judgement["data"]["notes"]
    assert "a.parquet: 11,111 bars of 1m" in notes
    assert "24,000 bars of 1m resampled to 15m" in notes
    kept = read_recipe(run.folder / "recipe.yaml")
    assert (kept.bars, kept.resample) == (("a.parquet", "b.parquet"), "15m")
    assert run.bundle.timeframe == run.bars.timeframe


def test_the_past_of_the_minutes_gives_the_past_of_the_longer_bars(minutes):
    """Known at their close: a cut within a quarter of an hour leaves that quarter out."""
    recipe = recipe_from_text(RECIPE + "resample: 15m\n", "r.yaml")
    whole = gather_inputs(recipe, minutes, None, None).bars
    cut = gather_inputs(recipe, minutes.slice(0, 20_007), None, None).bars
    assert int(cut.close_time[-1]) <= int(minutes.open_time[20_006]) + 60_000
    assert cut == whole.slice(0, len(cut))
    assert len(cut) == 20_007 // 15


def test_bars_that_are_given_are_resampled_too_and_longer_ones_left_as_they_are(minutes, run, folder):
    recipe = read_recipe(folder / "within.yaml")
    minutes.write(folder / "whole.parquet")
    for given in (minutes, folder / "whole.parquet", resample(minutes, "15m"), folder / "quarters.parquet"):
        inputs = gather_inputs(recipe, given, "SIM", folder)
        assert inputs.bars.fingerprint == run.bars.fingerprint
        assert stages_of(inputs).judgement.key == run.fingerprints["stages"]["judgement"]


def test_the_anchor_may_be_the_session(minutes):
    recipe = recipe_from_text(RECIPE + "resample: {to: 25m, anchor: session}\n", "r.yaml")
    found = gather_inputs(recipe, minutes, None, None).bars
    assert found == resample(minutes, "25m", anchor="session")
    assert recipe_fingerprint(gather_inputs(recipe, found, None, None)) == recipe_fingerprint(gather_inputs(recipe, minutes, None, None))


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        ("resample: 15x\n", RecipeError, ": '15x': there is no unit 'x'"),
        ("resample: {to: 15m, anchr: epoch}\n", RecipeError, "unknown key 'anchr'. Did you mean 'anchor'?"),
        ("bars: []\n", RecipeError, "[] will not do: tuple should have at least 1 item"),
        ("bars: {simulate: {}}\nresample: 15m\n", RecipeError, "recipe:resample: simulated bars are drawn at the timeframe"),
        (
            "bars: quarters.parquet\nresample: 5m\n",
            RecipeError,
            "recipe:resample: to 5m, and the bars are of 15m; expected a multiple of 15m",
        ),
        ("bars: [b.parquet, a.parquet]\nresample: 15m\n", DataError, "not after the end of"),
    ],
)
def test_what_cannot_be_resampled_or_put_together_is_refused(lines, kind, message, folder):
    with pytest.raises(kind) as error:
        gather_inputs(recipe_from_text(RECIPE + lines, "r.yaml"), None, None, folder)
    assert message in str(error.value)


def test_targets_are_told_beside_the_clocks_and_fail_no_run(run):
    (size, latency) = run.timings["targets"]
    assert (size["of"], size["met"], latency["of"], latency["met"]) == ("logistic", True, "logistic", False)
    assert latency["measured"] > 0
    page = run.report.read_text()
    assert "1 of 2 targets are met; not met: logistic (latency)" in page
    assert "targets" not in run.judgement


def test_every_split_tells_its_auc_and_its_psr(run):
    paths = run.judgement["cross_validation"]
    (model,) = paths["models"]
    assert len(model["splits"]) == paths["n_splits"] == len(paths["splits"]) > 2
    net = load_file(next(run.folder.glob("metrics/cross-validated-*")) / "returns.safetensors")["mean|logistic"]
    rows = {row["number"]: row for row in model["splits"]}
    offset = next(iter(paths["groups"]))["first_bar"]
    first, last = (paths["splits"][0]["test"][place][end] for place, end in ((0, 0), (-1, 1)))
    expected = probabilistic_sharpe_ratio(net[first - _first_bar(run) : last + 1 - _first_bar(run)]).psr
    assert offset == first
    assert rows[0]["psr"] == pytest.approx(expected, abs=1e-12)
    assert all(0 <= row["psr"] <= 1 and 0 <= row["auc"] <= 1 for row in rows.values())
    assert "Step by step" in run.report.read_text()


def _first_bar(run):
    """Of the development bars, which the paths run through."""
    labels = load_file(next(run.folder.glob("data/labels-*")) / "labels.safetensors")
    return int(labels["t0"][0])


@pytest.fixture(scope="module")
def samples(run):
    return PreparedSamples.of_run(run)


def test_samples_come_back_from_their_npz_as_they_were(samples, run, tmp_path):
    samples.write(tmp_path / "x.npz")
    again = PreparedSamples.read(tmp_path / "x.npz")
    for name in ("open_time", "known_at", "ends_at", "X", "y", "net_return", "weight", "block"):
        np.testing.assert_array_equal(getattr(again, name), getattr(samples, name), err_msg=name)
    assert (again.names, again.sessions, again.regimes, again.metadata) == (
        samples.names,
        samples.sessions,
        samples.regimes,
        samples.metadata,
    )
    assert list(again.forecasts) == list(samples.forecasts)
    for name, values in samples.forecasts.items():
        np.testing.assert_array_equal(again.forecasts[name], values, err_msg=name)
    assert again.bars == run.bars
    samples.write(tmp_path / "y.npz")
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_samples_are_the_labels_and_features_of_the_run(samples, run):
    bars = run.bars
    rows = np.searchsorted(bars.open_time, samples.open_time)
    np.testing.assert_array_equal(samples.known_at, bars.close_time[rows])
    np.testing.assert_array_equal(samples.ends_at, bars.close_time[rows + 4])
    np.testing.assert_allclose(samples.column("r"), np.log(bars.close[rows] / bars.close[rows - 1]), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(samples.y, (samples.net_return > 0).astype(np.int8))
    assert {"asia", "london", "new_york", "overlap"} <= set(samples.sessions)
    assert samples.regimes == ("volatility_regime", "trend_regime")
    counts = {name: int((samples.block == name).sum()) for name in np.unique(samples.block)}
    blocks = {block["name"]: block["n"] for block in run.judgement["splits"]["blocks"]}
    assert {name: n for name, n in counts.items() if name != "none"} == blocks


def test_forecasts_of_samples_are_none_that_saw_the_label(samples, run):
    p_up = samples.forecasts["logistic_p_up"]
    known = np.isfinite(p_up)
    assert known[samples.block == "test"].all()
    first_judged = run.judgement["cross_validation"]["groups"][0]["first_bar"]
    rows = np.searchsorted(run.bars.open_time, samples.open_time)
    assert not known[rows < first_judged].any()
    told = run.bundle.forecast(run.bars).frame
    test = samples.block == "test"
    said = told.filter(pl.col("open_time").is_in(samples.open_time[test].tolist()))["p_up"].to_numpy()
    np.testing.assert_array_equal(p_up[test], said)
    early = known & (samples.block != "test") & (samples.known_at < samples.open_time[test][0])
    in_sample = told.filter(pl.col("open_time").is_in(samples.open_time[early].tolist()))["p_up"].to_numpy()
    assert early.sum() > 300
    assert not np.array_equal(p_up[early], in_sample)


def test_bundles_add_their_scores_to_samples_and_to_bars(samples, run, tmp_path):
    samples.write(tmp_path / "x.npz")
    added = score_npz(tmp_path / "x.npz", [run.bundle_path], tmp_path / "scored.npz")
    assert added == ("score_logistic_p_up", "score_logistic_q05", "score_logistic_q50", "score_logistic_q95")
    arrays, told = read_npz(tmp_path / "scored.npz")
    before, told_before = read_npz(tmp_path / "x.npz")
    assert told == told_before
    assert set(arrays) == {*before, *added}
    expected = dict(run.bundle.forecast(run.bars).frame.select("open_time", "p_up").iter_rows())
    np.testing.assert_array_equal(arrays["score_logistic_p_up"], [expected[time] for time in arrays["open_time"].tolist()])
    assert PreparedSamples.read(tmp_path / "scored.npz").bars == run.bars


def test_an_npz_of_something_else_is_no_samples(tmp_path, minutes):
    np.savez(tmp_path / "x.npz", open_time=np.arange(3))
    with pytest.raises(DataError, match="expected 'samples', format 1"):
        PreparedSamples.read(tmp_path / "x.npz")
    with pytest.raises(DataError, match="holds no bars"):
        score_npz(tmp_path / "x.npz", [], tmp_path / "y.npz")


def test_a_bundle_is_not_asked_about_bars_of_another_symbol(run, tmp_path):
    other = Bars(Instrument.builtin("BTCUSDT"), run.bars.timeframe, run.bars.frame)
    write_bars_npz(other, tmp_path / "x.npz")
    with pytest.raises(DataError, match="bars of BTCUSDT; expected SIM"):
        score_npz(tmp_path / "x.npz", [run.bundle_path], tmp_path / "y.npz")
    assert not (tmp_path / "y.npz").exists()


def test_the_command_writes_bars_samples_and_scores(run, folder, tmp_path):
    def told(*words):
        done = CliRunner().invoke(app, ["data", "export-npz", *map(str, words), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert told(folder / "quarters.parquet", tmp_path / "bars.npz")["fingerprint"] == run.bars.fingerprint
    samples = told(run.folder, tmp_path / "samples.npz")
    assert (samples["bars"], samples["forecasts"]) == (len(run.bars), 4)
    scored = told(tmp_path / "bars.npz", tmp_path / "scored.npz", "--bundle", run.bundle_path)
    assert "score_logistic_p_up" in scored["scores"]
    assert Bars.read(tmp_path / "scored.npz") == run.bars
    arrays, _ = read_npz(tmp_path / "scored.npz")
    n_ready = len(run.bundle.forecast(run.bars))
    assert int(np.isfinite(arrays["score_logistic_p_up"]).sum()) == n_ready < len(run.bars)


def test_a_proof_draws_its_markets_at_the_longer_timeframe_and_resamples_nothing(run):
    recipe = read_recipe(run.folder / "recipe.yaml")
    small = small_recipe(recipe, run.bars.instrument, run.bars.timeframe, QUICK).recipe
    assert (recipe.resample, small.resample) == ("15m", None)

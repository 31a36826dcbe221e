"""The trials themselves, with a judge that knows the answer at once: proposals, pruning, failures, the ledger, kills."""

import numpy as np
import pytest

from barmill.errors import StorageError, TrainingError
from barmill.evaluation import Ledger
from barmill.models.search import Search
from barmill.pipeline.tuning import TuneConfig
from barmill.pipeline.tuning.entering import TrialBook
from barmill.pipeline.tuning.inner_folds import FoldOutcome
from barmill.pipeline.tuning.study import open_study, sqlite_url
from barmill.pipeline.tuning.trials import Trial, Tuned
from barmill.pipeline.tuning.tuner import run_trials

pytest.importorskip("optuna")

SPACE = {"x": Search(1e-3, 10.0, log=True), "n": Search(1, 40), "kind": Search(choices=("a", "b", None)), "s": Search(0.0, 1.0, step=0.25)}


class Bowl:
    """A judge whose loss is least at x = 0.1 and n = 1; settings with n of 30 and more cannot be fitted."""

    n_returns = (40, 40, 40)

    def __init__(self, stop_at=None):
        self.judged = []
        self.stop_at = stop_at

    def judge(self, params, number):
        self.judged.append((dict(params), number))
        if len(self.judged) == self.stop_at:
            raise KeyboardInterrupt
        if params["n"] >= 30:
            raise TrainingError("bowl", "cannot be fitted")
        loss = np.log10(params["x"] / 0.1) ** 2 + 0.01 * params["n"] + 0.1 * number + (params["kind"] == "b")
        returns = np.random.default_rng([number, params["n"]]).normal(0.0001, 0.01, 40)
        return FoldOutcome(50, float(loss), 0.5 + 0.01 * (params["kind"] == "a"), returns, 525_600.0)


def _tune(config, judge, *, storage=None, ledger=None, keep=None, wanted=None, book=None):
    entered = book or TrialBook(ledger, {"model": "bowl"}, {"y": 1}, {})
    with open_study("bowl", storage, SPACE, config, [42, 1]) as study:
        return run_trials("bowl", config, wanted or config.trials, study, judge, entered, keep)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger", "d" * 64)


def test_proposals_lie_in_the_space_and_get_better_than_chance():
    tuned = _tune(TuneConfig(trials=40, pruner="none"), Bowl())
    for trial in tuned.trials:
        assert 1e-3 <= trial.params["x"] <= 10
        assert isinstance(trial.params["n"], int)
        assert trial.params["kind"] in ("a", "b", None)
        assert trial.params["s"] in (0.0, 0.25, 0.5, 0.75, 1.0)
    values = [trial.value for trial in tuned.trials if trial.value is not None]
    assert np.mean(values[-10:]) < np.mean(values[:10])


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_gives_the_same_trials_and_another_seed_others(sampler):
    config = TuneConfig(trials=14, sampler=sampler)
    one, two = _tune(config, Bowl()), _tune(config, Bowl())
    assert one.trials == two.trials
    with open_study("bowl", None, SPACE, config, [43, 1]) as study:
        other = run_trials("bowl", config, 14, study, Bowl(), TrialBook(None, {}, {}, {}))
    assert other.trials != one.trials


def test_every_trial_is_counted_whatever_became_of_it(ledger):
    tuned = _tune(TuneConfig(trials=30), Bowl(), ledger=ledger)
    counts = {state: tuned.count(state) for state in ("completed", "pruned", "failed")}
    assert min(counts.values()) > 0
    assert sum(counts.values()) == 30 == ledger.count
    outcomes = [each["tuning"].trial for each in ledger.outcomes("tuning").values()]
    assert {state: sum(outcome["state"] == state for outcome in outcomes) for state in counts} == counts
    by_state = {trial.state: trial for trial in tuned.trials}
    assert by_state["completed"].n_obs == 120
    assert by_state["pruned"].n_obs in (40, 80)
    assert by_state["failed"].n_obs == 0
    assert by_state["failed"].sharpe is None
    assert "cannot be fitted" in by_state["failed"].reason


def test_a_trial_is_in_the_ledger_before_it_is_judged(ledger):
    class Watching(Bowl):
        def judge(self, params, number):
            assert any(trial.trial["tuning"]["params"] == {"y": 1, **params} for trial in ledger.trials)
            return super().judge(params, number)

    _tune(TuneConfig(trials=5), Watching(), ledger=ledger)
    assert ledger.count == 5


def test_the_outcome_is_the_sharpe_per_bar_of_all_inner_folds_together(ledger):
    tuned = _tune(TuneConfig(trials=3, pruner="none"), Bowl(), ledger=ledger)
    judge = Bowl()
    for trial in tuned.trials:
        if trial.state == "completed":
            net = np.concatenate([judge.judge(trial.params, number).returns for number in range(3)])
            assert trial.sharpe == pytest.approx(net.mean() / net.std(ddof=1), rel=1e-12)
            np.testing.assert_array_equal(tuned.returns[:, trial.number], net.astype(np.float32))


def test_a_pruned_trial_is_not_the_best_and_its_later_returns_are_missing():
    tuned = _tune(TuneConfig(trials=30), Bowl())
    assert tuned.best.state == "completed"
    for column, trial in enumerate(tuned.trials):
        missing = np.isnan(tuned.returns[:, column])
        assert missing.sum() == 40 * (3 - len(trial.steps))
        assert not missing[: 40 * len(trial.steps)].any()
    assert tuned.completed_returns.shape == (120, tuned.count("completed"))
    assert not np.isnan(tuned.completed_returns).any()


def test_without_a_pruner_none_is_given_up():
    tuned = _tune(TuneConfig(trials=20, pruner="none"), Bowl())
    assert tuned.count("pruned") == 0


def test_the_metric_decides_and_its_direction():
    for metric, better in (("log_loss", min), ("auc", max), ("sharpe", max)):
        tuned = _tune(TuneConfig(trials=12, metric=metric, pruner="none"), Bowl())
        values = [trial.value for trial in tuned.trials if trial.state == "completed"]
        assert tuned.best.value == better(values)
        assert [row[2] for row in tuned.history] == [better(values[: n + 1]) for n in range(len(values))]


def test_of_equal_trials_the_first_is_the_best():
    trials = tuple(Trial(number, {"x": number}, "completed", 0.5) for number in range(3))
    assert Tuned("m", "auc", trials, np.zeros((1, 3), np.float32)).best.number == 0


def test_a_tuning_in_which_nothing_is_completed_says_why():
    class Broken(Bowl):
        def judge(self, params, number):
            raise TrainingError("fit", "the loss is not finite")

    with pytest.raises(TrainingError, match="none of 3 trials was completed; the first said: TrainingError: fit: the loss is not finite"):
        _tune(TuneConfig(trials=3), Broken())


def test_an_undefined_metric_fails_the_trial():
    class OneClass(Bowl):
        def judge(self, params, number):
            return FoldOutcome(5, 0.7, np.nan, np.zeros(40), 1.0)

    with pytest.raises(TrainingError, match="auc is undefined"):
        _tune(TuneConfig(trials=2, metric="auc"), OneClass())


def test_a_fault_of_ours_is_no_failed_trial(ledger):
    class Faulty(Bowl):
        def judge(self, params, number):
            raise KeyError("a fault")

    with pytest.raises(KeyError):
        _tune(TuneConfig(trials=3), Faulty(), ledger=ledger)
    assert ledger.outcomes("tuning").keys() == {trial.trial_id for trial in ledger.trials}
    assert not any(ledger.outcomes("tuning").values())


class _Cut(TrialBook):
    """Ends the process, as it were, once it has told so many outcomes."""

    def __init__(self, ledger, after):
        super().__init__(ledger, {"model": "bowl"}, {"y": 1}, {})
        self.left = after

    def tell(self, trial):
        super().tell(trial)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("cut", ["while it is judged", "before it is remembered"])
def test_a_tuning_that_was_cut_short_goes_on_to_the_same_end(cut, tmp_path, ledger):
    config = TuneConfig(trials=30)
    whole = _tune(config, Bowl(), keep=tmp_path / "whole", storage=sqlite_url(tmp_path / "whole.db"))
    kept = {"keep": tmp_path / "parts", "storage": sqlite_url(tmp_path / "parts.db")}
    for _ in range(2):
        judge, book = (Bowl(stop_at=20), None) if cut == "while it is judged" else (Bowl(), _Cut(ledger, 8))
        with pytest.raises(KeyboardInterrupt):
            _tune(config, judge, ledger=ledger, book=book, **kept)
    judge = Bowl()
    resumed = _tune(config, judge, ledger=ledger, **kept)
    assert resumed.trials == whole.trials
    np.testing.assert_array_equal(resumed.returns, whole.returns)
    assert ledger.count == ledger.summary()["fits"] == len(resumed.trials) == 30
    assert len(judge.judged) < 60  # it did not begin anew


def test_more_trials_are_added_to_those_that_are_there(tmp_path):
    kept = {"keep": tmp_path / "kept", "storage": sqlite_url(tmp_path / "kept.db")}
    few = _tune(TuneConfig(trials=8), Bowl(), **kept)
    judge = Bowl()
    more = _tune(TuneConfig(trials=12), judge, **kept)
    assert more.trials[:8] == few.trials
    assert {str(params) for params, _ in judge.judged}.isdisjoint(str(trial.params) for trial in few.trials)
    assert _tune(TuneConfig(trials=8), Bowl(), **kept).trials == few.trials  # fewer than there are: the first of them


def test_a_trial_whose_returns_are_lost_earns_the_same_again_and_is_not_counted_twice(tmp_path, ledger):
    storage = sqlite_url(tmp_path / "shared.db")
    first = _tune(TuneConfig(trials=10), Bowl(), storage=storage, ledger=ledger, keep=tmp_path / "here")
    again = _tune(TuneConfig(trials=10), Bowl(), storage=storage, ledger=ledger, keep=tmp_path / "elsewhere")
    np.testing.assert_array_equal(first.returns, again.returns)
    assert ledger.count == ledger.summary()["fits"] == 10


def test_memory_and_a_database_hold_the_same_trials(tmp_path):
    config = TuneConfig(trials=15)
    assert _tune(config, Bowl()).trials == _tune(config, Bowl(), storage=sqlite_url(tmp_path / "a b.db")).trials


def test_a_database_that_fails_in_the_middle_is_told_as_such(tmp_path):
    class Removing(Bowl):
        def judge(self, params, number):
            for file in tmp_path.glob("x.db*"):
                file.write_bytes(b"no database")
            return super().judge(params, number)

    with pytest.raises(StorageError, match=r"tune.storage sqlite:.*x.db: cannot be used"):
        _tune(TuneConfig(trials=3), Removing(), storage=sqlite_url(tmp_path / "x.db"))


def test_tables_have_a_row_or_a_column_for_each_trial():
    tuned = _tune(TuneConfig(trials=9), Bowl())
    table = tuned.table()
    assert table["number"].to_list() == list(range(9))
    assert table["params_n"].to_list() == [trial.params["n"] for trial in tuned.trials]
    assert table["params_kind"].to_list() == [trial.params["kind"] for trial in tuned.trials]
    assert tuned.returns_table().columns == [str(number) for number in range(9)]
    told = tuned.to_json()
    assert (told["n_trials"], told["best"], told["best_value"]) == (9, dict(tuned.best.params), tuned.best.value)

"""Targets in rows and words, and the splits one by one."""

from typing import Any

from barmill.console.judged_paths import CrossValidation
from barmill.console.judgement import Judgement, Timings
from barmill.console.split_table import MOST_ROWS, split_rows
from barmill.console.target_section import target_rows, target_sentence


def timings(*targets: dict[str, Any]) -> Timings:
    return Timings.model_validate({"targets": targets})


MET = {"kind": "size", "of": "lstm", "limit": 1000.0, "unit": "kB", "measured": 28.11, "met": True}
MISSED = {"kind": "latency", "of": "all", "limit": 0.2, "unit": "ms", "measured": 1.284, "median": 0.7004, "met": False}
UNKNOWN = {"kind": "latency", "of": "combining", "limit": 5.0, "unit": "ms", "measured": None, "met": None}


def test_each_target_says_what_was_asked_measured_and_made_of_it() -> None:
    rows = [(row.name, row.limit, row.measured, row.median, row.verdict, row.tag) for row in target_rows(timings(MET, MISSED, UNKNOWN))]
    assert rows == [
        ("lstm", "1,000\N{NO-BREAK SPACE}kB", "28.1\N{NO-BREAK SPACE}kB", "", "met", "passed"),
        (
            "all models, one after the other",
            "0.200\N{NO-BREAK SPACE}ms",
            "1.28\N{NO-BREAK SPACE}ms",
            "0.700\N{NO-BREAK SPACE}ms",
            "not met",
            "error",
        ),
        ("an ensemble on its members' forecasts, the slowest", "5.00\N{NO-BREAK SPACE}ms", "n/a", "", "not measured", "warning"),
    ]


def test_a_sentence_names_what_is_not_met_and_what_was_not_measured() -> None:
    assert target_sentence(timings(MET)) == "1 of 1 target is met"
    told = target_sentence(timings(MET, MISSED, UNKNOWN, {**MISSED, "of": "lstm"}))
    assert told == "1 of 4 targets are met; not met: all (latency) and lstm (latency); not measured: combining (latency)"


def test_a_run_without_targets_says_nothing_of_them() -> None:
    for none in (None, Timings()):
        assert (target_rows(none), target_sentence(none)) == ((), "")


def found(n_splits: int, groups: tuple[int, ...] = ()) -> CrossValidation:
    scores = [{"number": n, "auc": 0.5 + n / 100, "oos_sharpe": -1.25, "psr": 0.314} for n in range(n_splits)]
    return CrossValidation.model_validate(
        {
            "method": "walk_forward",
            "groups": [
                {"number": n, "first_time": f"2018-0{n + 1}-01 00:00 UTC", "last_time": f"2018-0{n + 1}-28 23:45 UTC"} for n in range(2)
            ],
            "splits": [{"number": n, "test_groups": groups or (n,)} for n in range(n_splits)],
            "models": [{"name": "lstm", "splits": scores}, {"name": "cnn", "splits": scores[:1]}],
        }
    )


def judged() -> Judgement:
    return Judgement.model_construct(models=tuple(Named(name) for name in ("lstm", "cnn", "without paths")))  # type: ignore[arg-type]


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


def test_every_split_tells_when_it_judged_and_what_each_model_did() -> None:
    first, second = split_rows(found(2), judged())
    assert (first.number, first.judged_on, second.judged_on) == (1, "2018-01-01 to 2018-01-28", "2018-02-01 to 2018-02-28")
    assert first.cells == (("0.500", "Sharpe \N{MINUS SIGN}1.25", "PSR 0.31"),) * 2
    assert second.cells == (("0.510", "Sharpe \N{MINUS SIGN}1.25", "PSR 0.31"), ("n/a",))


def test_splits_of_several_groups_name_these_and_too_many_are_not_told() -> None:
    assert split_rows(found(1, groups=(0, 4)), judged())[0].judged_on == "groups 1, 5"
    assert split_rows(found(MOST_ROWS + 1), judged()) == ()

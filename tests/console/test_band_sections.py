"""What the report says of conformal bands: what they held, where they fail, and nothing where there is nothing to say."""

from pathlib import Path
from typing import Any

import pytest

from barmill.console import Judgement, render_report
from barmill.console.band_sections import band_blocks
from barmill.console.coverage_picture import coverage_picture
from barmill.console.judged_bands import Band, RollingCoverage
from console.banded import band, banded
from console.test_page import Page
from console.validated import validated


@pytest.fixture
def blocks(judgement: dict[str, Any]):
    return band_blocks(Judgement.model_validate(banded(validated(judgement))))


def test_each_band_says_what_it_held_and_what_chance_would(blocks: Any) -> None:
    tested, walked = blocks
    assert (tested.title, walked.title) == ("On the test block", "On the paths")
    assert [row.name for row in tested.rows] == [row.name for row in walked.rows] == ["logistic", "lightgbm", "xgboost", "lstm"]
    assert [row.said.tag for row in tested.rows] == ["holds", "too narrow", "too wide", "holds"]
    assert tested.rows[0].said.chance.startswith("by chance 88.")
    assert tested.rows[3].made == (
        "90\N{NO-BREAK SPACE}% adaptive, beyond q05 and q95, fitted on rows of their own (1,840 rows), "
        "then moved by each outcome once it was known"
    )
    assert "split conformal, around E_r" in tested.rows[2].made
    assert all(row.width.endswith("bps") and row.winkler.endswith("bps") for row in tested.rows)


def test_groups_stand_on_one_scale_with_words_for_whoever_sees_no_picture(blocks: Any) -> None:
    by_regime, outran = blocks[0].rows[0], blocks[0].rows[1]
    assert [group.name for group in by_regime.regimes] == ["regime 0", "regime 1", "regime 2"]
    assert outran.regimes == ()
    assert len(outran.deciles) == 10
    marks = [group.strip for group in outran.deciles]
    assert len({one.reference for one in marks}) == 1
    assert all(0 <= one.dot <= 100 for one in marks)
    assert {group.said.tag for group in by_regime.regimes} == {"within chance"}
    assert any(group.said.tag == "too narrow" and group.strip.said.endswith("too narrow") for group in outran.deciles)


def test_the_break_is_seen_where_it_happened(blocks: Any) -> None:
    calm, outran = blocks[0].rows[0].picture, blocks[0].rows[1].picture
    assert calm.outside == ()
    assert calm.said.endswith("none of 57 outside.")
    assert min(outran.outside) > 450  # of 1000: the market grows wilder in the middle
    assert len(outran.outside) > 20
    assert len(calm.dates) == 4
    assert calm.heights[0][1] == "90\N{NO-BREAK SPACE}%"


def test_within_a_week_the_hours_tell_the_places_apart() -> None:
    day = 86_400_000
    for span, text in ((5 * day, "01-01 00:00"), (7 * day, "1970-01-01")):
        found = coverage_picture(RollingCoverage(window=9, last_row=(1, 2), time_ms=(0, span), coverage=(0.8, 1.0), chance=(0.7, 1.0)), 0.9)
        assert found is not None
        assert found.dates[0] == (0.0, text)


def test_too_few_rows_say_so_and_claim_nothing() -> None:
    few = Band.model_validate(band(0, 3)).report
    assert few.overall.holds is None
    assert coverage_picture(RollingCoverage(coverage=(0.9,), last_row=(5,)), 0.9) is None
    unknown = coverage_picture(RollingCoverage(window=3, last_row=(3, 6), coverage=(0.7, 1.0), chance=(None, None)), 0.9)
    assert unknown is not None
    assert (unknown.chance, unknown.outside, unknown.dates) == (None, (), ())
    assert (
        unknown.said
        == "Windows of 3 rows: from 70.0\N{NO-BREAK SPACE}% to 100\N{NO-BREAK SPACE}%; too few rows to say what chance would do."
    )


def test_the_section_is_there_with_bands_alone(validated_run: Path, usual_run: Path) -> None:
    page = Page(render_report(validated_run).decode()).text
    assert "Do the bands hold?" in page
    assert "In a market they are not" in page
    assert "so nothing is promised here" in page.lower()
    assert "it does not hold" in page
    assert "Do the bands hold?" not in Page(render_report(usual_run).decode()).text


def test_a_band_on_the_paths_alone_is_told(judgement: dict[str, Any]) -> None:
    told = banded(validated(judgement))
    for model in told["models"]:
        model["band"] = None
    (block,) = band_blocks(Judgement.model_validate(told))
    assert block.key == "paths"

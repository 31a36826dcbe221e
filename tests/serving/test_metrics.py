"""Metrics say what happened, under bounded labels, for one process and for several."""

import re

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from barmill.serving.answers import Answer
from barmill.serving.metrics import Metrics, merged


def answer(*p_up: float, version: str = "1.2.3", **fields) -> Answer:
    columns = {"p_up": np.array(p_up), "E_r": np.full(len(p_up), 1e-3)}
    return Answer("trees", version, 1, "d" * 64, columns, **fields)


def samples(page: bytes) -> dict[tuple, float]:
    families = text_string_to_metric_families(page.decode())
    return {(one.name, *sorted(one.labels.items())): one.value for family in families for one in family.samples}


def value(page: bytes, name: str, **labels: str) -> float:
    return samples(page)[name, *sorted(labels.items())]


def test_each_answer_is_counted_by_how_it_ended():
    metrics = Metrics()
    metrics.answered(answer(0.5, 0.6), 2e-4)
    metrics.answered(answer(), 1e-4)
    metrics.answered(answer(0.4, source="fallback", degraded=True, reason="timed_out"), 0.3)
    metrics.refused("trees", "invalid", "unknown_feature", 1e-5)
    metrics.fell_back("trees", "1.2.3", "timed_out")
    page, of = metrics.render(), {"model": "trees", "version": "1.2.3"}
    name = "barmill_inference_requests_total"
    assert [value(page, name, **of, outcome=outcome) for outcome in ("ok", "degraded", "warming")] == [1, 1, 1]
    assert value(page, "barmill_inference_rows_total", **of) == 3
    assert value(page, "barmill_inference_duration_seconds_count", **of) == 3
    assert value(page, "barmill_inference_duration_seconds_sum", **of) == pytest.approx(0.3003)
    assert value(page, "barmill_forecast_p_up_bucket", **of, le="0.5") == 2
    assert value(page, "barmill_forecast_expected_return_count", **of) == 3
    assert value(page, "barmill_refusals_total", model="trees", kind="invalid", code="unknown_feature") == 1
    assert value(page, "barmill_fallback_total", model="trees", reason="timed_out") == 1


def test_a_swap_leaves_the_new_champion_alone_in_the_info():
    metrics = Metrics()
    metrics.swapped("trees", "1.2.3", 1, "a" * 64)
    metrics.swapped("trees", "1.2.4", 2, "b" * 64)
    told = [labels for labels in samples(metrics.render()) if labels[0] == "barmill_model_info"]
    assert told == [("barmill_model_info", ("digest", "b" * 64), ("model", "trees"), ("number", "2"), ("version", "1.2.4"))]
    assert value(metrics.render(), "barmill_model_loaded_timestamp_seconds", model="trees") > 1.7e9


def test_a_shadow_is_told_by_how_far_it_is_from_the_answer():
    metrics = Metrics()
    metrics.shadowed("trees", answer(0.5, 0.5), answer(0.5, 0.53, version="2.0.0"))
    page = metrics.render()
    assert value(page, "barmill_shadow_p_up_difference_count", model="trees") == 2
    assert value(page, "barmill_shadow_p_up_difference_sum", model="trees") == pytest.approx(0.03)


def test_what_is_not_known_adds_no_series():
    metrics = Metrics()
    metrics.refused("", "not_found", "unknown_model", 1e-5)
    before = len(samples(metrics.render()))
    for number in range(1_000):  # what the plane tells of names that it does not serve
        metrics.refused("", "not_found", "unknown_model", 1e-5)
        metrics.gauge(f"unknown_{number}", 1.0, {"model": "x"})
    assert len(samples(metrics.render())) == before


def test_pages_of_workers_merge_into_one_that_prometheus_reads():
    pages = []
    for number in range(3):
        metrics = Metrics(worker=str(number))
        metrics.answered(answer(0.5), 2e-4)
        if number == 2:
            metrics.fell_back("trees", "1.2.3", "model_error")
        metrics.gauge("pending_requests", number, {})
        pages.append(metrics.render())
    page = merged(pages)
    of = {"model": "trees", "version": "1.2.3", "outcome": "ok"}
    assert [value(page, "barmill_inference_requests_total", **of, worker=str(number)) for number in range(3)] == [1, 1, 1]
    assert [value(page, "barmill_inference_pending_requests", worker=str(number)) for number in range(3)] == [0, 1, 2]
    assert value(page, "barmill_fallback_total", model="trees", reason="model_error", worker="2") == 1
    helped = re.findall(rb"^# HELP (\S+)", page, re.M)
    assert len(helped) == len(set(helped))
    assert all(("worker" in dict(labels[1:])) for labels in samples(page))


def test_tritons_names_tell_the_same_figures():
    metrics = Metrics(compat="triton")
    metrics.answered(answer(0.5, 0.6), 2e-4)
    metrics.refused("trees", "unavailable", "overloaded", 1e-5)
    page = metrics.render()
    assert value(page, "nv_inference_request_success_total", model="trees", version="1.2.3") == 1
    assert value(page, "nv_inference_count_total", model="trees", version="1.2.3") == 2
    assert value(page, "nv_inference_request_duration_us_total", model="trees", version="1.2.3") == pytest.approx(200)
    assert value(page, "nv_inference_request_failure_total", model="trees", reason="REJECTED") == 1

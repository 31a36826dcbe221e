"""The report page: a run folder in, one self-contained HTML file out."""

from pathlib import Path
from typing import Any

from barmill.console import bench_section, charts, ensemble_sections, leaderboard_sections, luck_sections
from barmill.console.band_sections import band_blocks
from barmill.console.bench_section import asked_rows, bench_rows, bench_sentence
from barmill.console.chart_frame import Figure
from barmill.console.data_sections import balance_bars, block_rows, cost_sentences, data_facts
from barmill.console.embedding import chart_library, embedded_json, own_file
from barmill.console.ensemble_charts import weights_chart
from barmill.console.ensemble_fits import fit_sentences
from barmill.console.ensemble_sections import ensemble_parts, weights_place
from barmill.console.equity import equity_curves
from barmill.console.expert_sections import expert_parts
from barmill.console.explain_charts import components
from barmill.console.explain_sections import components_place, explained_models
from barmill.console.feature_folder import FEATURES_FILE, has_features
from barmill.console.feature_page import render_run_features
from barmill.console.fold_map import map_of_folds
from barmill.console.fold_picture import fold_picture
from barmill.console.glossary import GLOSSARY
from barmill.console.health_table import health_table
from barmill.console.judgement import Judgement
from barmill.console.key_figures import calibration_gain, key_figures
from barmill.console.leaderboard_sections import board_notes, leader_rows
from barmill.console.learning_curves import curves_of, fit_parts
from barmill.console.luck_charts import degradation, logit_histogram, search
from barmill.console.luck_sections import judged_on, luck_rows, pbo_facts, reality_sentence, trial_facts
from barmill.console.model_sections import confusion_tables, importance_charts, oracle_rows
from barmill.console.model_table import HEADINGS, all_figures, baseline_rows, model_rows
from barmill.console.path_charts import fans, split_scatters
from barmill.console.path_sections import HEADLINES, SPREADS, cut_sentences, path_rows, stability_note
from barmill.console.process_sections import certificate_facts, degradation_sentence, leakage_sentence, permitted, tuned_models
from barmill.console.run_folder import CERTIFICATE_FOLDER, RunFolder
from barmill.console.split_table import split_rows
from barmill.console.target_section import target_rows, target_sentence
from barmill.console.templating import rendered
from barmill.console.verdict import random_band_sentence, verdict_on

SECTIONS = (
    ("verdict", "Verdict"),
    ("figures", "Key figures"),
    ("leaderboard", "Leaderboard"),
    ("targets", "Targets"),
    ("bench", "Cost to serve"),
    ("paths", "Cross-validation"),
    ("luck", "Skill or luck"),
    ("ensembles", "Ensembles"),
    ("data", "Data"),
    ("splits", "Split map"),
    ("labels", "Labels"),
    ("costs", "Costs"),
    ("models", "Models"),
    ("equity", "Equity"),
    ("reliability", "Reliability"),
    ("explanations", "What they look at"),
    ("importance", "Importances"),
    ("confusion", "Confusion"),
    ("training", "Training"),
    ("oracle", "Oracle"),
    ("bands", "Do the bands hold?"),
    ("experts", "Other questions"),
    ("tuning", "Tuning"),
    ("leakage", "Leakage"),
    ("certificate", "Certificate"),
    ("ledger", "Trial ledger"),
    ("provenance", "Provenance"),
    ("fingerprints", "Fingerprints"),
    ("recipe", "Recipe"),
    ("glossary", "Glossary"),
)


def sections_of(run: RunFolder) -> list[tuple[str, str]]:
    """The sections that this run has, in order."""
    judgement = run.judgement
    found = {
        "leaderboard": judgement.leaderboard,
        "targets": run.timings and run.timings.targets,
        "bench": run.bench,
        "paths": judgement.cross_validation,
        "luck": judgement.overfitting,
        "ensembles": judgement.ensembles,
        "explanations": explained_models(judgement),
        "oracle": judgement.oracle,
        "bands": band_blocks(judgement),
        "experts": judgement.experts,
        "tuning": judgement.tuning,
        "leakage": judgement.leakage,
        "certificate": run.certificate,
    }
    return [(anchor, title) for anchor, title in SECTIONS if found.get(anchor, True)]


def render_report(run_folder: Path) -> bytes:
    """The report of the run in `run_folder` as one HTML file, UTF-8.

    It loads nothing: style, program, data and the chart library are inside, and its content security policy forbids
    the rest. The same files give the same bytes.

    Raises DataError naming the file if the folder does not hold a finished run.
    """
    return render(RunFolder.read(run_folder), FEATURES_FILE if has_features(run_folder) else None)


def render_pages(run_folder: Path) -> dict[str, bytes]:
    """Every page of a run by its file's name, the report last: where it is, the others are.

    Raises DataError naming the file if the folder does not hold a finished run.
    """
    features = render_run_features(run_folder)
    return {**({} if features is None else {FEATURES_FILE: features}), "report.html": render_report(run_folder)}


def render(run: RunFolder, features_page: str | None = None) -> bytes:
    """The report of a run that was read. `features_page` is where the page of its features lies, if there is one."""
    judgement = run.judgement
    drawn = _charts(run)
    context = {
        "run": run,
        "judgement": judgement,
        "sections": sections_of(run),
        "verdict": verdict_on(judgement),
        "degraded": [degradation_sentence(lost) for lost in judgement.degradations],
        "band": random_band_sentence(judgement.selected),
        "calibration_gain": calibration_gain,
        "cards": key_figures(judgement),
        "data_facts": data_facts(judgement),
        "blocks": block_rows(judgement),
        "balance": balance_bars(judgement),
        "costs": cost_sentences(judgement),
        "headings": HEADINGS,
        "rows": model_rows(judgement),
        "baselines": baseline_rows(judgement),
        "all_figures": all_figures(judgement.models),
        "explained": explained_models(judgement),
        "importances": importance_charts(judgement),
        "confusions": confusion_tables(judgement),
        "fits": [(model, () if model.members else fit_parts(model.fit)) for model in judgement.models],
        "fit_sentences": fit_sentences,
        "ensembles": ensemble_parts(judgement, run.timings),
        "ensemble_headings": ensemble_sections.HEADINGS,
        "health": health_table(judgement),
        "oracle": oracle_rows(judgement),
        "band_blocks": band_blocks(judgement),
        "experts": expert_parts(judgement),
        "glossary": GLOSSARY,
        "drawn": drawn,
        "features_page": features_page,
        "target_rows": target_rows(run.timings),
        "target_sentence": target_sentence(run.timings),
        "bench_headings": bench_section.HEADINGS,
        "bench_rows": bench_rows(run.bench),
        "asked_rows": asked_rows(run.bench),
        "bench_sentence": bench_sentence(run.bench),
        **_of_leaderboard(run),
        **_of_paths(judgement, drawn),
        **_of_luck(judgement),
        **_of_process(run),
    }
    scripts = (chart_library(), own_file("frame.js") + own_file("leaderboard.js") + own_file("report.js"))
    return rendered(
        "report.html.j2", context, styles=["report.css", "leaderboard.css"], scripts=scripts, markup={"chart_data": embedded_json(drawn)}
    )


def _of_paths(judgement: Judgement, drawn: dict[str, Figure]) -> dict[str, Any]:
    """What the section on cross-validation tells."""
    found = judgement.cross_validation
    if found is None:
        return {}
    mapped, rows = map_of_folds(found), path_rows(judgement)
    return {
        "cut": cut_sentences(found),
        "folds": mapped and fold_picture(mapped),
        "fold_rows": mapped.rows if mapped else (),
        "path_rows": rows,
        "with_fan": [row for row in rows if f"fan-{row.number}" in drawn],
        "with_splits": [row for row in rows if f"splits-{row.number}" in drawn],
        "walks": split_rows(found, judgement),
        "walk_models": [row.name for row in rows],
        "path_headlines": HEADLINES,
        "path_spreads": SPREADS,
        "stability_note": stability_note,
    }


def _of_leaderboard(run: RunFolder) -> dict[str, Any]:
    """What the leaderboard tells."""
    board = run.judgement.leaderboard
    if board is None:
        return {}
    return {
        "board_notes": board_notes(board),
        "leaders": leader_rows(run.judgement, run.timings),
        "leader_headings": leaderboard_sections.HEADINGS,
        "leader_losses": any(model.beaten_by for model in board.models),
        "sure": luck_sections.SURE,
    }


def _of_luck(judgement: Judgement) -> dict[str, Any]:
    """What the section on skill and luck tells."""
    found = judgement.overfitting
    if found is None:
        return {}
    return {
        "judged_on": judged_on(found),
        "trial_facts": trial_facts(found),
        "luck_rows": luck_rows(judgement),
        "luck_headings": luck_sections.HEADINGS,
        "sure": luck_sections.SURE,
        "pbo": found.pbo,
        "pbo_facts": found.pbo and pbo_facts(found.pbo),
        "reality": found.reality_check and reality_sentence(found.reality_check),
    }


def _of_process(run: RunFolder) -> dict[str, Any]:
    """What the sections on tuning, leakage and the certificate tell."""
    judgement = run.judgement
    told: dict[str, Any] = {"tuned_models": tuned_models(judgement)}
    if judgement.leakage is not None:
        told |= {"leakage_sentence": leakage_sentence(judgement.leakage), "permitted": permitted(judgement.leakage)}
    if run.certificate is not None:
        told |= {"certificate_facts": certificate_facts(run.certificate), "certificate_page": f"{CERTIFICATE_FOLDER}/certificate.html"}
    return told


def _charts(run: RunFolder) -> dict[str, Figure]:
    """Every chart of the page, by the id of its place."""
    judgement = run.judgement
    drawn: dict[str, Figure | None] = {"split-map": charts.split_map(judgement)}
    curves = None if run.equity is None else equity_curves(run.equity)
    drawn["equity-curves"] = None if curves is None else charts.equity_and_drawdown(judgement, curves)
    extent = charts.reliability_extent(judgement.models)
    for number, model in enumerate(judgement.models):
        drawn[f"reliability-{number}"] = charts.reliability(model, number, extent)
        for part, found in enumerate(() if model.members else fit_parts(model.fit)):
            drawn[f"learning-{number}-{part}"] = charts.learning(found.curves, number) if found.curves else None
        if model.explanation is not None:
            drawn[components_place(model.explanation, number)] = components(model.explanation, number)
    for number, expert in enumerate(judgement.experts, len(judgement.models)):
        learned = curves_of(expert.fit.get("history"))
        drawn[f"learning-{number}-0"] = charts.learning(learned, number) if learned else None
    numbers = {model.name: number for number, model in enumerate(judgement.models)}
    for one in judgement.ensembles:
        moving = one.weights.through_time
        drawn[weights_place(numbers.get(one.name, 0))] = weights_chart(moving, numbers) if moving else None
    drawn |= _charts_of_proof(run)
    return {place: figure for place, figure in drawn.items() if figure is not None}


def _charts_of_proof(run: RunFolder) -> dict[str, Figure | None]:
    """The charts of paths, luck and tuning, by the id of their place."""
    judgement = run.judgement
    names = tuple(model.name for model in judgement.models)
    drawn: dict[str, Figure | None] = {}
    if judgement.cross_validation is not None:
        drawn |= {f"fan-{names.index(name)}": figure for name, figure in fans(names, run.paths).items()}
        drawn |= {f"splits-{names.index(name)}": figure for name, figure in split_scatters(judgement.cross_validation, names).items()}
    if judgement.overfitting is not None and judgement.overfitting.pbo is not None:
        pbo = judgement.overfitting.pbo
        drawn |= {"pbo-logits": logit_histogram(pbo), "pbo-degradation": degradation(pbo)}
    for place, tuned in enumerate(tuned_models(judgement)):
        drawn[f"tuning-{place}"] = search(judgement.tuning[place], tuned.number)
    return drawn

"""The report page: a run folder in, one self-contained HTML file out."""

from pathlib import Path

from barmill.console import charts
from barmill.console.data_sections import balance_bars, block_rows, cost_sentences, data_facts
from barmill.console.embedding import chart_library, embedded_json, own_file
from barmill.console.equity import equity_curves
from barmill.console.feature_folder import FEATURES_FILE, has_features
from barmill.console.feature_page import render_run_features
from barmill.console.glossary import GLOSSARY
from barmill.console.key_figures import calibration_gain, key_figures
from barmill.console.learning_curves import fit_parts
from barmill.console.model_sections import confusion_tables, importance_charts, oracle_rows
from barmill.console.model_table import HEADINGS, all_figures, baseline_rows, model_rows
from barmill.console.run_folder import RunFolder
from barmill.console.templating import rendered
from barmill.console.verdict import random_band_sentence, verdict_on

SECTIONS = (
    ("verdict", "Verdict"),
    ("figures", "Key figures"),
    ("data", "Data"),
    ("splits", "Split map"),
    ("labels", "Labels"),
    ("costs", "Costs"),
    ("models", "Models"),
    ("equity", "Equity"),
    ("reliability", "Reliability"),
    ("importance", "Importances"),
    ("confusion", "Confusion"),
    ("training", "Training"),
    ("oracle", "Oracle"),
    ("ledger", "Trial ledger"),
    ("provenance", "Provenance"),
    ("fingerprints", "Fingerprints"),
    ("recipe", "Recipe"),
    ("glossary", "Glossary"),
)


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
        "sections": [(anchor, title) for anchor, title in SECTIONS if anchor != "oracle" or judgement.oracle],
        "verdict": verdict_on(judgement),
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
        "importances": importance_charts(judgement),
        "confusions": confusion_tables(judgement),
        "fits": [(model, fit_parts(model.fit)) for model in judgement.models],
        "oracle": oracle_rows(judgement),
        "glossary": GLOSSARY,
        "drawn": drawn,
        "features_page": features_page,
    }
    scripts = (chart_library(), own_file("frame.js") + own_file("report.js"))
    return rendered("report.html.j2", context, styles=["report.css"], scripts=scripts, markup={"chart_data": embedded_json(drawn)})


def _charts(run: RunFolder) -> dict[str, charts.Figure]:
    """Every chart of the page, by the id of its place."""
    judgement = run.judgement
    drawn: dict[str, charts.Figure | None] = {"split-map": charts.split_map(judgement)}
    curves = None if run.equity is None else equity_curves(run.equity)
    drawn["equity-curves"] = None if curves is None else charts.equity_and_drawdown(judgement, curves)
    extent = charts.reliability_extent(judgement.models)
    for number, model in enumerate(judgement.models):
        drawn[f"reliability-{number}"] = charts.reliability(model, number, extent)
        for part, found in enumerate(fit_parts(model.fit)):
            drawn[f"learning-{number}-{part}"] = charts.learning(found.curves, number) if found.curves else None
    return {place: figure for place, figure in drawn.items() if figure is not None}

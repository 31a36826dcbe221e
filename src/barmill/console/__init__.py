"""What a person looks at: the report of a run, and the page of its features, each as one HTML file that loads nothing.

`run_folder` reads, `verdict` and the section modules turn figures into words and rows, `charts` into figures, and `page`
puts them into the templates; `feature_folder`, `feature_words`, `feature_marks` and `feature_page` do the same for a table of features,
from the profile that `evaluation` computes. `fold_map` is the map of splits: the report draws it as a picture, the terminal as lines.
Plotly and Jinja2 are imported when a page is made. Add a section as a template part and a pure function that feeds it; compute no
statistic here.
"""

from barmill.console.certificate_page import render_certificate
from barmill.console.drawn_folds import maps_of_recipe, maps_of_run
from barmill.console.feature_page import FeatureSubject, render_features
from barmill.console.fold_lines import fold_lines
from barmill.console.judgement import Judgement, Timings
from barmill.console.leaderboard_sections import leaderboard_notes, leaderboard_rows
from barmill.console.page import render_pages, render_report
from barmill.console.run_folder import RunFolder
from barmill.console.target_section import target_sentence
from barmill.console.verdict import Verdict, verdict_on

__all__ = [
    "FeatureSubject",
    "Judgement",
    "RunFolder",
    "Timings",
    "Verdict",
    "fold_lines",
    "leaderboard_notes",
    "leaderboard_rows",
    "maps_of_recipe",
    "maps_of_run",
    "render_certificate",
    "render_features",
    "render_pages",
    "render_report",
    "target_sentence",
    "verdict_on",
]

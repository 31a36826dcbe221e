"""What a person looks at: the report of a run, as one HTML file that loads nothing.

`run_folder` reads, `verdict` and the section modules turn figures into words and rows, `charts` into figures, and `page`
puts them into the templates. Plotly and Jinja2 are imported when a page is made. Add a section as a template part and a pure
function that feeds it; compute no statistic here.
"""

from barmill.console.judgement import Judgement
from barmill.console.page import render_report
from barmill.console.run_folder import RunFolder
from barmill.console.verdict import Verdict, verdict_on

__all__ = ["Judgement", "RunFolder", "Verdict", "render_report", "verdict_on"]

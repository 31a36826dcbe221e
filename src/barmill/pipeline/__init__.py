"""From a recipe to a run: the recipe and its checks, the stages and their content addresses, the workers, the judgement.

A stage is a pure function of what its key names; change what it depends on, and the key must change with it. Names
that are not re-exported here may move.
"""

from barmill.pipeline.comparing_runs import compare_runs
from barmill.pipeline.ensembles.dropping import degradation_lines
from barmill.pipeline.events import Listener, Plan, PlannedStage, Silence
from barmill.pipeline.inputs import with_series
from barmill.pipeline.notes import Note, notes_on
from barmill.pipeline.prepared_npz import PreparedSamples, score_npz
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.recipe_reading import read_recipe, recipe_from_text
from barmill.pipeline.recipe_schema import recipe_file, recipe_schema
from barmill.pipeline.run import Run
from barmill.pipeline.training_run import plan_recipe, run_recipe
from barmill.pipeline.tuning import TuneConfig
from barmill.pipeline.tuning.tuning_run import TuningRun, tune_recipe

__all__ = [
    "Listener",
    "Note",
    "Plan",
    "PlannedStage",
    "PreparedSamples",
    "Recipe",
    "Run",
    "Silence",
    "TuneConfig",
    "TuningRun",
    "compare_runs",
    "degradation_lines",
    "notes_on",
    "plan_recipe",
    "read_recipe",
    "recipe_file",
    "recipe_from_text",
    "recipe_schema",
    "run_recipe",
    "score_npz",
    "tune_recipe",
    "with_series",
]

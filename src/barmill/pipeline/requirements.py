"""What a recipe needs beyond the core, asked before any work."""

from barmill.errors import MissingDependency
from barmill.export.requirements import require_onnx
from barmill.models.catalogue import missing_requirements, require_ready, spec_of
from barmill.pipeline.inputs import params_of
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.tuning.study import check_storage, require_optuna


def require_libraries(recipe: Recipe) -> None:
    """Refuse a recipe that needs a library that is not installed, weights that are not here, or a database that cannot be reached.

    Raises: MissingDependency with the line that installs it, SetupError with what to fetch, StorageError.
    """
    for entry in (*recipe.base_models, *recipe.experts):
        spec = spec_of(entry.name)
        missing = missing_requirements(spec)
        if missing:
            found = f"{', '.join(missing)} is not installed"
            mend = f'Install it with: pip install "barmill[{spec.extra}]", or take {entry.label} out of the recipe.'
            raise MissingDependency(f"model {entry.label}", found, mend=mend)
        require_ready(spec, params_of(entry))
    if recipe.export.onnx:
        require_onnx()
    if recipe.tune is not None:
        require_optuna()
        check_storage(recipe.tune.storage)

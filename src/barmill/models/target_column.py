"""Which feature is the series that a model continues: the return of one bar, unless a recipe names another."""

from collections.abc import Sequence

from barmill.errors import RecipeError, nearest

ONE_BAR_RETURNS = ("log_return_1", "return_1")  # names of the features, in this order of preference


def target_column(model: str, target: str | None, feature_names: Sequence[str]) -> int:
    """Column of the feature named `target`; None is the first that is a one-bar return, or the first feature.

    Raises RecipeError with the nearest name if there is no feature of that name.
    """
    names = list(feature_names)
    if target is not None:
        if target not in names:
            raise RecipeError(f"model '{model}', target", f"no feature named '{target}'", mend=nearest(target, names))
        return names.index(target)
    return next((names.index(name) for name in ONE_BAR_RETURNS if name in names), 0)

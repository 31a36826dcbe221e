"""Which feature is the series that a model continues: the return of one bar or a bar's close, unless a recipe names another."""

from collections.abc import Sequence

from barmill.errors import RecipeError, nearest

SERIES = ("log_return_1", "return_1", "close")  # in this order of preference; windows of several timeframes hold bars and no features


def target_column(model: str, target: str | None, feature_names: Sequence[str]) -> int:
    """Column of the feature named `target`; None is the one-bar return or the close, or else the first feature.

    Raises RecipeError with the nearest name if there is no feature of that name.
    """
    names = list(feature_names)
    if target is not None:
        if target not in names:
            raise RecipeError(f"model '{model}', target", f"no feature named '{target}'", mend=nearest(target, names))
        return names.index(target)
    return next((names.index(name) for name in SERIES if name in names), 0)

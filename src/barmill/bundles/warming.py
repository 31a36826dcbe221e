"""Compile before time counts what a bundle needs beside its features."""


def warm_forecasts() -> None:
    """Compile what views, trees and streams need, or read it from the cache on disk."""
    from barmill.bundles import _keeping
    from barmill.models.boosting.warming import warm_trees
    from barmill.views.warming import warm_views

    warm_views()
    warm_trees()
    for piece in _keeping.ROUTINES:
        _ = piece.compiled


__all__ = ["warm_forecasts"]

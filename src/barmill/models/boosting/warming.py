"""Compile before time counts what walks through trees."""


def warm_trees() -> None:
    """Compile the walks, or read them from the cache on disk."""
    from barmill.models.boosting import _walking

    for piece in _walking.ROUTINES:
        _ = piece.compiled


__all__ = ["warm_trees"]

"""Compile before time counts what gathers and draws views."""


def warm_views() -> None:
    """Compile what windows of several timeframes and pattern images need, or read it from the cache on disk."""
    from barmill.features.kernels import exponential, wilder
    from barmill.views import _drawing, _gathering, _scaling

    for piece in (exponential.ema, wilder.rsi, *_gathering.ROUTINES, *_drawing.ROUTINES, *_scaling.ROUTINES):
        _ = piece.compiled


__all__ = ["warm_views"]

"""The forecast of a stretch of bars, as a value."""

from dataclasses import dataclass

import polars as pl


def forecast_columns(n_classes: int, outputs: tuple[str, ...], *, banded: bool = False) -> tuple[str, ...]:
    """Columns of a forecast of direction in their order: p_up, p_down (three classes), E_r (where the model learned it), q05, q50, q95,
    lower and upper (where there is a conformal band)."""
    p = ("p_up",) if n_classes == 2 else ("p_up", "p_down")
    return (*p, *(("E_r",) if "E_r" in outputs else ()), "q05", "q50", "q95", *(("lower", "upper") if banded else ()))


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a bundle says of each bar that it can forecast.

    frame : one row per ready bar, in time order. `open_time` (UTC ms) is that of the bar at whose close the decision falls,
        `known_at` is that close; `p_up` (and `p_down`) are probabilities; `E_r`, `q05`, `q50`, `q95` and the ends of a conformal band,
        `lower` and `upper`, are net log returns from entry to the label's end. A bundle of another question has other columns
        (`Bundle.outputs`): probabilities of a good entry (`p_entry`) or of patterns, distances in ATRs or R, with the quantile of
        each level (`sl_kATR_q70`)
    n_not_ready : bars that are given but still warm up the features or the window, and so have no row
    """

    frame: pl.DataFrame
    n_not_ready: int

    def __len__(self) -> int:
        return self.frame.height


__all__ = ["Forecast", "forecast_columns"]

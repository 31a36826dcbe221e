"""The recipe as a proof runs it: the same pipeline, smaller models, and where the settings say so a shorter horizon.

Everything that differs from the recipe is an `Override`, and every override is printed and stands in the certificate.
"""

import math
from dataclasses import dataclass
from typing import Any

from barmill.market import Fee, Instrument, Slippage, Timeframe
from barmill.models.catalogue import spec_of
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.proving.settings import Caps, ProofSettings
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.splits.config import bars_of

ROWS_PER_HORIZON = 4  # decisions within one horizon: more of them share nearly all of their outcome
LEAST_RATE = {"boosting": 0.1}  # fewer trees learn in larger steps


@dataclass(frozen=True, slots=True)
class Override:
    """One difference between the recipe and what is proven of it."""

    key: str
    was: Any
    now: Any
    why: str

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "was": self.was, "now": self.now, "why": self.why}


@dataclass(frozen=True, slots=True)
class SmallRecipe:
    """What a proof runs.

    recipe : without bars and series, which each market brings
    instrument : with costs that keep their proportion to the barriers of the labels
    embargo_bars, purge_bars : of the folds, base bars
    """

    recipe: Recipe
    instrument: Instrument
    embargo_bars: int
    purge_bars: int
    overrides: tuple[Override, ...]


def small_recipe(recipe: Recipe, instrument: Instrument, timeframe: Timeframe, settings: ProofSettings) -> SmallRecipe:
    """`recipe` as `settings` runs it.

    A shorter horizon takes barriers and costs with it, by the square root of time: an outcome then looks like the recipe's own, only
    sooner. The embargo stays the recipe's: it is what keeps features' memory of the test block out of the rows that train.
    """
    told: list[Override] = []

    def differing(key: str, was: Any, now: Any, why: str) -> Any:
        if now != was:
            told.append(Override(key, was, now, why))
        return now

    labels = recipe.labels
    horizon = min(labels.horizon, settings.horizon or labels.horizon)
    shrink = math.sqrt(horizon / labels.horizon)
    shorter = "more outcomes that share nothing, from as many bars"
    shape = "barriers and costs shrink with the square root of the horizon, so that outcomes keep their shape"
    every = labels.every if horizon == labels.horizon else max(1, horizon // ROWS_PER_HORIZON)
    new_labels: dict[str, Any] = {
        "horizon": differing("labels.horizon", labels.horizon, horizon, shorter),
        "every": differing("labels.every", labels.every, every, f"{ROWS_PER_HORIZON} decisions within a horizon"),
    }
    if labels.method == "triple_barrier":
        for name in ("k_up", "k_down"):
            new_labels[name] = differing(f"labels.{name}", getattr(labels, name), round(getattr(labels, name) * shrink, 6), shape)
    cheaper = _costs(instrument, shrink)
    differing("instrument.fee", str(instrument.fee), str(cheaper.fee), shape)
    differing("instrument.slippage", str(instrument.slippage), str(cheaper.slippage), shape)
    validation = recipe.cross_validation
    purge = recipe.splits.purge if validation is None or validation.purge is None else validation.purge
    embargo = recipe.splits.embargo if validation is None or validation.embargo is None else validation.embargo
    purge_bars = max(math.ceil(bars_of(purge, timeframe) * horizon / labels.horizon), horizon)
    whole = "the move that judges lasts a whole horizon, so a label counts as that long"
    differing("splits.purge", bars_of(purge, timeframe), purge_bars, whole)
    rule = recipe.rule
    if rule.hold_bars is not None:
        hold = max(1, round(rule.hold_bars * horizon / labels.horizon))
        rule = rule.model_copy(update={"hold_bars": differing("rule.hold_bars", rule.hold_bars, hold, shorter)})
    entries = tuple(_small_entry(entry, settings.caps, differing) for entry in recipe.base_models)
    changes: dict[str, Any] = {
        "labels": labels.model_copy(update=new_labels),
        "resample": None,  # markets are drawn at the timeframe that the run works on
        "splits": recipe.splits.model_copy(update={"purge": purge_bars, "embargo": bars_of(embargo, timeframe)}),
        "rule": rule,
        "base_models": entries,
        "bars": None,
        "series": (),
        "cross_validation": None,
    }
    if recipe.combined:
        differing("ensembles", len(recipe.combined), 0, "the members are proved, each alone")
        changes |= {"ensemble": EnsembleConfig(), "ensembles": ()}
    if recipe.tune is not None:
        trials = differing("tune.trials_in_folds", recipe.tune.fold_trials, min(recipe.tune.fold_trials, settings.caps.trials), "time")
        changes["tune"] = recipe.tune.model_copy(update={"trials_in_folds": trials, "storage": None})
    small = recipe.model_copy(update=changes)
    return SmallRecipe(small, cheaper, bars_of(embargo, timeframe), purge_bars, tuple(told))


def _costs(instrument: Instrument, factor: float) -> Instrument:
    if factor == 1.0:
        return instrument
    fee, slippage = instrument.fee, instrument.slippage
    new_fee = Fee(bps=fee.bps * factor) if fee.bps is not None else Fee(per_contract=(fee.per_contract or 0.0) * factor)
    new_slippage = Slippage(bps=slippage.bps * factor) if slippage.bps is not None else Slippage(ticks=(slippage.ticks or 0.0) * factor)
    return instrument.model_copy(update={"fee": new_fee, "slippage": new_slippage})


def _small_entry(entry: ModelEntry, caps: Caps, differing: Any) -> ModelEntry:
    """The entry with each parameter that `caps` names no larger than it says."""
    config = dict(entry.config)
    for name, cap in caps.model_dump().items():
        value = config.get(name)
        if isinstance(value, int) and (value > cap or value < 1):  # -1 of max_depth: no limit
            if name == "max_depth" and value < 1 and "num_leaves" in config:
                continue  # the leaves limit the tree
            config[name] = differing(f"{entry.label}.{name}", value, cap, "leaks are looked for, and a small model finds them too")
    least = LEAST_RATE.get(spec_of(entry.name).family)
    if least is not None and isinstance(rate := config.get("learning_rate"), float | int) and rate < least:
        config["learning_rate"] = differing(f"{entry.label}.learning_rate", rate, least, "fewer trees learn in larger steps")
    asked = [output for output in entry.outputs if output in spec_of(entry.name).outputs]
    differing(f"{entry.label}.outputs", asked, ["p_up"], "the direction is judged, not the size of the move")
    return entry.model_copy(update={"config": config, "outputs": ("p_up",)})


__all__ = ["Override", "SmallRecipe", "small_recipe"]

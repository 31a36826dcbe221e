"""The model card of a bundle: what it is, what it was made from, what it must not be used for."""

from collections.abc import Mapping, Sequence
from typing import Any

from barmill.ensembles.catalogue import ensemble_spec
from barmill.market import Bars
from barmill.models.admission import lengths_told
from barmill.models.catalogue import spec_of
from barmill.models.resolutions import finest_first
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.members_told import members_told
from barmill.pipeline.ensembles.regime_features import regimes_of
from barmill.pipeline.job import EnsembleJob, ModelJob
from barmill.pipeline.notes import Note, notes_on_entries
from barmill.pipeline.recipe import Recipe


def model_card(job: ModelJob, bars: Bars, data: Dataset, selection: dict[str, Any]) -> str:
    """Markdown, a function of the run's content alone (no dates of making, no names of machines)."""
    spec = spec_of(job.entry.name)
    lead = f"{spec.summary or spec.name} ({spec.family}; {spec.reference})"
    return _card(job.label, lead, _inputs_told(job, data), job.recipe, notes_on_entries((job.entry,)), bars, data, selection)


def ensemble_card(job: EnsembleJob, bars: Bars, data: Dataset, selection: dict[str, Any], evidence: dict[str, Any]) -> str:
    """The same of an ensemble, with what each member brings.

    evidence : as `evidence_of` and its stage tell it
    """
    spec = ensemble_spec(job.ensemble.kind)
    entries = job.recipe.members(job.ensemble)
    members = ", ".join(f"{entry.label} ({entry.name})" for entry in entries)
    lead = f"{spec.summary[:1].upper()}{spec.summary[1:]} (ensemble). Members: {members}.{_without(job.ensemble)}"
    regimes = regimes_of(job.ensemble).all
    inputs = f"those of its members{', and ' + ', '.join(regimes) if regimes else ''}"
    card = _card(job.ensemble.label, lead, inputs, job.recipe, notes_on_entries(entries), bars, data, selection)
    return card + members_told([entry.label for entry in entries], evidence)


def _without(ensemble: EnsembleConfig) -> str:
    """Which members that the recipe names it goes without."""
    said = [f"'{one.member}', which {one.reason if one.what == 'incompatible' else 'failed'}" for one in ensemble.dropped]
    return f" **Degraded**: it goes without {'; '.join(said)}." if said else ""


def _card(
    label: str, lead: str, inputs: str, recipe: Recipe, notes: Sequence[Note], bars: Bars, data: Dataset, selection: dict[str, Any]
) -> str:
    labels = recipe.labels
    train = data.labels.t0[data.positions["train"]]
    first, last = (bars.frame["open_time"][int(row)] for row in (train[0], train[-1]))
    up = (
        "the profit target is touched first, or the time barrier is reached with a gain"
        if labels.classes == 2
        else "the profit target is touched first"
    )
    scores, band = selection["metrics"], _band_told(recipe.inference.uncertainty)
    to_know = "".join(f"- **To know** {note}\n" for note in notes)
    return f"""# {label}

{lead}

- **Instrument** {bars.instrument.symbol}, {bars.timeframe} bars; no other instrument or timeframe.
- **Question** Long at the next open, {labels.method.replace("_", " ")}, horizon {labels.horizon} bars, net of costs: will it pay?
  `p_up` is the probability that {up}. `E_r`, `q05`, `q50`, `q95` are of the net log return from entry to the label's end.
- **Fitted on** {len(train):,} samples, bars opening at {first} to {last} (ms UTC).
- **Inputs** {inputs}.
- **On the selection slice** log loss {scores["log_loss"]:.4f}, AUC {scores["auc"]:.4f}, ECE {selection["ece"]:.4f}
  ({selection["n"]:,} samples that neither fitted nor calibrated it). What the test block said stands in the run's report,
  with the number of trials.
{band}- **Limits** Returns are not exchangeable: calibration and quantiles hold as long as the market resembles the calibration slice.
  A forecast is no advice.
{to_know}"""


def _band_told(config: UncertaintyConfig | None) -> str:
    """What the band says and does not promise; nothing of a bundle without one."""
    if config is None:
        return ""
    if config.has_slice:
        made = f"fitted ({config.method}) on a slice of the validation block that nothing else was fitted on"
    else:
        made = (
            "as wide as the errors of forecasts out of fold (jackknife_plus), around the model that was fitted on all rows that teach.\n"
            f"  What jackknife+ promises, {1 - 2 * config.alpha:.0%} on exchangeable rows, is of the models of the folds, which are not "
            "here;\n  what this band holds is in the report"
        )
    return f"- **Band** `lower` to `upper` is to hold {config.coverage:.4g} of the net log returns: {made}.\n"


def _inputs_told(job: ModelJob, data: Dataset) -> str:
    if isinstance(job.window, Mapping):
        unit = f"prices in logs of the decision bar's close, in units of {job.volatility}; volumes against their mean in the window"
        return f"the last closed bars of each timeframe, {lengths_told(finest_first(job.window))}: {unit}"
    windows = f", in windows of {job.window}" if job.window else ""
    return f"{len(job.entry.inputs or data.names)} features known at the bar's close{windows}"

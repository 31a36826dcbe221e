"""The experts that learn quantiles of an outcome: stop distance, target and entry offset; one LightGBM booster a level.

Boosters of neighbouring levels can cross. What is forecast is each row's values in rising order, which is never a worse set of quantiles
(Chernozhukov, Fernandez-Val and Galichon 2010, Quantile and probability curves without crossing, Econometrica 78(3)).
Source of the loss: Koenker and Bassett (1978), Regression quantiles, Econometrica 46(1).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from barmill.artefacts import canonical_json
from barmill.models.boosting.explaining import explain_trees
from barmill.models.boosting.lightgbm_growing import Grown, Rows, Told, grow
from barmill.models.contract import FitContext, FittedModel, Float64Array, ModelSpec, Samples
from barmill.models.expert.admission import admit_targets
from barmill.models.expert.forecasters import QuantileForecaster, level_file
from barmill.models.expert.growing import settings_of
from barmill.models.expert.metrics import coverage, entry_style_share, pinball, smape, stop_hit_rate, utility_uplift
from barmill.models.expert.params import EntryOffsetParams, QuantileParams, RewardParams, RiskParams
from barmill.models.expert.specs import SPECS
from barmill.views import FeatureMatrix

_SPECS = {spec.name: spec for spec in SPECS}
MEDIAN = 0.5


def fit_risk(params: RiskParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Quantiles of the largest draw-down in ATRs, net of costs: a stop there is left alone as often as the level says."""
    model = _fit(_SPECS["risk"], params, train, valid, context)
    said = _forecast(model, valid)
    return _judged(model, said, valid, {"stop_hit_rate": stop_hit_rate(valid.targets["drawdown_kATR"], said["sl_kATR"])})


def fit_reward(params: RewardParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Quantiles of the realised R. Where the samples bring `runup_R` of trades without a target, the uplift against a fixed 2 R is told."""
    model = _fit(_SPECS["reward"], params, train, valid, context)
    said, came = _forecast(model, valid), valid.targets["realised_R"]
    told: dict[str, float] = {}
    if MEDIAN in params.levels:
        told["smape_of_median"] = smape(came, said["rr_target_quantiles"][:, params.levels.index(MEDIAN)])
    if "runup_R" in valid.targets:
        told["utility_uplift_R"] = utility_uplift(came, valid.targets["runup_R"], said["rr_target"])
    return _judged(model, said, valid, told)


def fit_entry_offset(params: EntryOffsetParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """A quantile of the offset that brought most; its sign says whether a stop or a limit order enters."""
    model = _fit(_SPECS["entry_offset"], params, train, valid, context, dead_band=params.dead_band_atr)
    said = _forecast(model, valid)
    return _judged(model, said, valid, {"entry_style_share": entry_style_share(valid.targets["offset_kATR"], said["offset_kATR"])})


def _fit(
    spec: ModelSpec, params: QuantileParams, train: Samples, valid: Samples, context: FitContext, dead_band: float = 0.0
) -> FittedModel:
    """A booster for each level, all on the same binned rows, each stopped by its own pinball loss on `valid`.

    What is explained is the level used online, under the output's name: it is what a trade goes by, and its neighbours, which learn from
    the same outcome, would tell nearly the same three times over.
    """
    admit_targets(spec, train, valid, context)
    assert isinstance(train.view, FeatureMatrix)
    assert isinstance(valid.view, FeatureMatrix)
    target = spec.targets[0]
    settings = settings_of(params, context) | {"objective": "quantile"}
    rows = Rows(train.view, valid.view, settings, context).labelled(train.targets[target], train.weight)
    told = Told(context.progress, len(params.levels), params.n_estimators)
    grown: dict[float, Grown] = {}
    for level in params.levels:

        def loss(predictions: Any, level: float = level) -> float:
            return pinball(valid.targets[target], predictions, level, valid.weight)

        grown[level] = grow(settings | {"alpha": level}, rows, loss, told, params.early_stopping_rounds)
    about = {
        "format": 1,
        "expert": spec.name,
        "output": spec.outputs[0],
        "levels": list(params.levels),
        "online": params.levels.index(params.alpha),
        "dead_band": dead_band,
    }
    output, online = spec.outputs[0], grown[params.alpha]
    return FittedModel(
        spec.name,
        files={**{level_file(level): booster.text for level, booster in grown.items()}, "expert.json": canonical_json(about)},
        summary={
            "target": target,
            "levels": {f"{level:g}": booster.summary for level, booster in grown.items()},
            output: {"health": online.summary["health"]},
        },
        explanation=explain_trees({output: online.trees}, context, {output: f"the {params.alpha:g} quantile of {target}"}),
    )


def _forecast(model: FittedModel, valid: Samples) -> Mapping[str, Float64Array]:
    """What the fitted bytes say of the validation rows: a model is judged as it will be used."""
    values = QuantileForecaster.from_files(model.files).raw(valid.view).values
    assert values is not None
    return values


def _judged(model: FittedModel, said: Mapping[str, Float64Array], valid: Samples, told: dict[str, float]) -> FittedModel:
    """The model with its figures on the validation rows: pinball loss and coverage of each level, and what else was `told`."""
    spec = _SPECS[model.name]
    came, quantiles = valid.targets[spec.targets[0]], said[f"{spec.outputs[0]}_quantiles"]
    levels = {
        level: {
            **grown,
            "pinball": pinball(came, quantiles[:, number], float(level)),
            "coverage": coverage(came, quantiles[:, number]),
        }
        for number, (level, grown) in enumerate(model.summary["levels"].items())
    }
    return replace(model, summary={**model.summary, "levels": levels, "valid": told})

"""What the boosting family can build."""

from barmill.models.boosting.params import CatBoostParams, LightGBMParams, XGBoostParams
from barmill.models.contract import ModelSpec

SPECS = (
    ModelSpec(
        name="lightgbm",
        family="boosting",
        view="feature_matrix",
        outputs=("p_up", "E_r"),
        causal=True,
        zero_shot=False,
        params=LightGBMParams,
        fit="barmill.models.boosting.lightgbm:fit_lightgbm",
        forecaster="barmill.models.boosting.forecasters:LightGBMForecaster",
        reference="Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30",
        summary="Gradient-boosted trees that grow leaf by leaf.",
    ),
    ModelSpec(
        name="xgboost",
        family="boosting",
        view="feature_matrix",
        outputs=("p_up", "E_r"),
        causal=True,
        zero_shot=False,
        params=XGBoostParams,
        fit="barmill.models.boosting.xgboost:fit_xgboost",
        forecaster="barmill.models.boosting.forecasters:XGBoostForecaster",
        reference="Chen and Guestrin (2016), XGBoost: a scalable tree boosting system, KDD 22",
        summary="Gradient-boosted trees that grow level by level.",
    ),
    ModelSpec(
        name="catboost",
        family="boosting",
        view="feature_matrix",
        outputs=("p_up", "E_r"),
        causal=True,
        zero_shot=False,
        params=CatBoostParams,
        fit="barmill.models.boosting.catboost:fit_catboost",
        forecaster="barmill.models.boosting.catboost_forecaster:CatBoostForecaster",
        requires=("catboost",),
        extra="tune",
        reference="Prokhorenkova et al. (2018), CatBoost: unbiased boosting with categorical features, NeurIPS 31",
        summary="Gradient-boosted symmetric trees; forecasts need no CatBoost.",
    ),
)

"""What the boosting family can build."""

from barmill.models.boosting.params import CatBoostParams, LightGBMParams, XGBoostParams
from barmill.models.spec_kinds import row_spec

SPECS = (
    row_spec(
        name="lightgbm",
        family="boosting",
        outputs=("p_up", "E_r"),
        params=LightGBMParams,
        fit="barmill.models.boosting.lightgbm:fit_lightgbm",
        forecaster="barmill.models.boosting.forecasters:LightGBMForecaster",
        reference="Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30",
        summary="Gradient-boosted trees that grow leaf by leaf.",
    ),
    row_spec(
        name="xgboost",
        family="boosting",
        outputs=("p_up", "E_r"),
        params=XGBoostParams,
        fit="barmill.models.boosting.xgboost:fit_xgboost",
        forecaster="barmill.models.boosting.forecasters:XGBoostForecaster",
        reference="Chen and Guestrin (2016), XGBoost: a scalable tree boosting system, KDD 22",
        summary="Gradient-boosted trees that grow level by level.",
    ),
    row_spec(
        name="catboost",
        family="boosting",
        outputs=("p_up", "E_r"),
        params=CatBoostParams,
        fit="barmill.models.boosting.catboost:fit_catboost",
        forecaster="barmill.models.boosting.catboost_forecaster:CatBoostForecaster",
        requires=("catboost",),
        extra="tune",
        reference="Prokhorenkova et al. (2018), CatBoost: unbiased boosting with categorical features, NeurIPS 31",
        summary="Gradient-boosted symmetric trees; forecasts need no CatBoost.",
    ),
)

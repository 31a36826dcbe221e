"""What LightGBM is told of an expert's trees."""

from typing import Any

from barmill.models.boosting import lightgbm_growing
from barmill.models.contract import FitContext
from barmill.models.expert.params import ExpertParams


def settings_of(params: ExpertParams, context: FitContext) -> dict[str, Any]:
    """Settings of the trees. Rows are drawn by blocks that do not depend on the number of threads."""
    return {
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "min_data_in_leaf": params.min_data_in_leaf,
        "feature_fraction": params.feature_fraction,
        "bagging_fraction": params.bagging_fraction,
        "bagging_freq": 1 if params.bagging_fraction < 1 else 0,  # LightGBM ignores the fraction unless told how often to draw
        "lambda_l2": params.lambda_l2,
        **lightgbm_growing.settings_of(context),
    }


__all__ = ["settings_of"]

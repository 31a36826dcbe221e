"""What the linear family can build."""

from barmill.models.contract import ModelSpec
from barmill.models.linear.params import LogisticParams

SPECS = (
    ModelSpec(
        name="logistic",
        family="linear",
        view="feature_matrix",
        outputs=("p_up",),
        causal=True,
        zero_shot=False,
        params=LogisticParams,
        fit="barmill.models.linear.logistic:fit_logistic",
        forecaster="barmill.models.linear.forecaster:LogisticForecaster",
        reference="Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, 2nd ed., section 4.4",
        summary="Logistic regression: the baseline that anything larger must beat.",
    ),
)

"""What the linear family can build."""

from barmill.models.linear.params import ElasticNetParams, LogisticParams, RidgeParams
from barmill.models.spec_kinds import row_spec

SPECS = (
    row_spec(
        name="logistic",
        family="linear",
        outputs=("p_up",),
        params=LogisticParams,
        fit="barmill.models.linear.logistic:fit_logistic",
        forecaster="barmill.models.linear.forecaster:LinearForecaster",
        reference="Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, 2nd ed., section 4.4",
        summary="Logistic regression: the baseline that anything larger must beat.",
    ),
    row_spec(
        name="ridge",
        family="linear",
        outputs=("p_up", "E_r"),
        params=RidgeParams,
        fit="barmill.models.linear.ridge:fit_ridge",
        forecaster="barmill.models.linear.forecaster:LinearForecaster",
        reference="Hoerl and Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems, Technometrics 12(1)",
        summary="Least squares held small for E_r, logistic regression held as small for p_up.",
    ),
    row_spec(
        name="elastic_net",
        family="linear",
        outputs=("p_up", "E_r"),
        params=ElasticNetParams,
        fit="barmill.models.linear.elastic_net:fit_elastic_net",
        forecaster="barmill.models.linear.forecaster:LinearForecaster",
        reference="Zou and Hastie (2005), Regularization and variable selection via the elastic net, JRSS B 67(2)",
        summary="Linear models whose penalty leaves useless features out.",
    ),
)

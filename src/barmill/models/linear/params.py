"""Parameters of the linear models."""

from typing import Annotated

from pydantic import Field

from barmill.models.class_weights import ClassWeighting
from barmill.models.contract import ModelParams
from barmill.models.search import Search


class LogisticParams(ModelParams):
    """Logistic regression with an L2 penalty."""

    C: Annotated[float, Search(1e-4, 100.0, log=True)] = Field(
        1.0, gt=0, le=1e6, description="inverse strength of the L2 penalty; smaller is stiffer"
    )
    max_iter: int = Field(500, ge=1, le=100_000, description="iterations of L-BFGS at most")
    tol: float = Field(1e-6, gt=0, le=0.1, description="the largest gradient component at which L-BFGS stops")
    class_weight: ClassWeighting = Field(None, description="'balanced' gives each class the same total weight")


class RidgeParams(ModelParams):
    """Ridge regression for E_r, and a logistic regression with the same penalty for p_up."""

    alpha: Annotated[float, Search(0.1, 1e5, log=True)] = Field(
        1.0, ge=1e-6, le=1e9, description="penalty on half the squared coefficients, beside losses summed over the rows; larger is stiffer"
    )
    max_iter: int = Field(500, ge=1, le=100_000, description="iterations of L-BFGS at most, for p_up; E_r has a closed form")
    tol: float = Field(1e-6, gt=0, le=0.1, description="the largest gradient component at which L-BFGS stops")
    class_weight: ClassWeighting = Field(None, description="'balanced' gives each class the same total weight")


class ElasticNetParams(ModelParams):
    """Linear models that leave out features: elastic-net regression for E_r, logistic for p_up."""

    alpha: Annotated[float, Search(1e-5, 0.1, log=True)] = Field(
        1e-3,
        ge=1e-8,
        le=1e3,
        description="penalty beside mean losses; at twice the features' largest covariance with z nothing is left (ours)",
    )
    l1_ratio: Annotated[float, Search(0.05, 1.0)] = Field(
        0.5,
        ge=0.01,
        le=1,
        description="share of the penalty that is on absolute values, and empties coefficients; ridge is the model for 0",
    )
    max_iter: int = Field(2000, ge=1, le=100_000, description="iterations at most")
    tol: float = Field(1e-6, gt=0, le=0.1, description="the largest gradient component at which the logistic fit stops")
    class_weight: ClassWeighting = Field(None, description="'balanced' gives each class the same total weight")

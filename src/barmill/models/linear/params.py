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

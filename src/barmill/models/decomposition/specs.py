"""What the decomposition family can build."""

from functools import partial

from barmill.models.decomposition.params import DLinearParams, NBeatsParams, NHitsParams, NLinearParams
from barmill.models.spec_kinds import network_spec

_spec = partial(network_spec, family="decomposition", outputs=("p_up", "E_r"))
_LINEAR = "Zeng, Chen, Zhang and Xu (2023), Are transformers effective for time series forecasting?, AAAI"

SPECS = (
    _spec(
        name="nbeats",
        params=NBeatsParams,
        fit="barmill.models.decomposition.nbeats:fit_nbeats",
        trunk="barmill.models.decomposition.nbeats:build_trunk",
        reference="Oreshkin, Carpov, Chapados and Bengio (2020), N-BEATS: neural basis expansion analysis, ICLR",
        summary="Dense blocks that peel the return series apart; trend and seasonality can be read.",
    ),
    _spec(
        name="nhits",
        params=NHitsParams,
        fit="barmill.models.decomposition.nhits:fit_nhits",
        trunk="barmill.models.decomposition.nhits:build_trunk",
        reference="Challu et al. (2023), N-HiTS: neural hierarchical interpolation for time series forecasting, AAAI",
        summary="As N-BEATS, each stack at a resolution of its own.",
    ),
    _spec(
        name="dlinear",
        params=DLinearParams,
        fit="barmill.models.decomposition.dlinear:fit_dlinear",
        trunk="barmill.models.decomposition.dlinear:build_trunk",
        reference=_LINEAR,
        summary="A linear layer on the moving average and one on the rest: the bar that deep networks must clear.",
    ),
    _spec(
        name="nlinear",
        params=NLinearParams,
        fit="barmill.models.decomposition.nlinear:fit_nlinear",
        trunk="barmill.models.decomposition.nlinear:build_trunk",
        reference=_LINEAR,
        summary="A linear layer on the distance to the newest value.",
    ),
)

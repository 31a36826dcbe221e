"""What the pattern family can build."""

from barmill.models.pattern.params import PatternCNNParams
from barmill.models.spec_kinds import network_spec

SPECS = (
    network_spec(
        name="pattern_cnn",
        family="pattern",
        view="pattern_image",
        outputs=("quality", "pole_kATR", "embedding"),
        params=PatternCNNParams,
        fit="barmill.models.pattern.cnn:fit_pattern_cnn",
        forecaster="barmill.models.pattern.forecaster:PatternForecaster",
        reference="Lin et al. (2017), Focal loss, ICCV; Zhang et al. (2018), mixup, ICLR; the alert charter, section 2",
        summary="Which chart pattern stands in the picture of the last 64 bars, how clear it is, how high its pole, and an embedding.",
        question="patterns",
        targets=("quality", "pole_kATR"),
    ),
)

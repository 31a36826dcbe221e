"""What the convolution family can build."""

from functools import partial

from barmill.models.convolution.params import CNN1DParams, InceptionTimeParams, ResNet1DParams, TCNParams, inceptiontime_notes, tcn_notes
from barmill.models.spec_kinds import SEVERAL_TIMEFRAMES, network_spec

_network = partial(network_spec, family="convolution", views=SEVERAL_TIMEFRAMES, outputs=("p_up", "E_r"))

SPECS = (
    _network(
        name="tcn",
        params=TCNParams,
        fit="barmill.models.convolution.tcn:fit_tcn",
        trunk="barmill.models.convolution.tcn:build_trunk",
        reference="Bai, Kolter and Koltun (2018), An empirical evaluation of generic convolutional and recurrent networks for sequence "
        "modeling, arXiv 1803.01271",
        summary="Causal convolutions whose dilation doubles from level to level; strictly causal within the window.",
        notes=tcn_notes,
    ),
    _network(
        name="inceptiontime",
        params=InceptionTimeParams,
        fit="barmill.models.convolution.inceptiontime:fit_inceptiontime",
        trunk="barmill.models.convolution.inceptiontime:build_trunk",
        reference="Ismail Fawaz et al. (2020), InceptionTime: finding AlexNet for time series classification, DMKD 34",
        summary="Kernels of several lengths side by side, module upon module.",
        notes=inceptiontime_notes,
    ),
    _network(
        name="resnet_1d",
        params=ResNet1DParams,
        fit="barmill.models.convolution.resnet_1d:fit_resnet_1d",
        trunk="barmill.models.convolution.resnet_1d:build_trunk",
        reference="Wang, Yan and Oates (2017), Time series classification from scratch with deep neural networks: a strong baseline, IJCNN",
        summary="Residual blocks of convolutions with kernels of 8, 5 and 3 bars.",
    ),
    _network(
        name="cnn_1d",
        params=CNN1DParams,
        fit="barmill.models.convolution.cnn_1d:fit_cnn_1d",
        trunk="barmill.models.convolution.cnn_1d:build_trunk",
        reference="LeCun et al. (1998), Gradient-based learning applied to document recognition, Proceedings of the IEEE 86(11)",
        summary="A plain stack of convolutions, standard (halving the window) or dilated.",
    ),
)

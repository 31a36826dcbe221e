"""Chart patterns: rules that find them in bars (weak labels), and a network that learns to see them in a picture of the bars.

`detectors` says at each bar's close which pattern stands there, how clear it is, and how high a flag's pole was; `detector_config`
holds every threshold. `network`, `augmenting` and `loss` are the Pattern CNN and what it learns by, `cnn` is its fit, and `forecaster`
runs the exported network. `metrics` says how good it is.
"""

"""Transformers on the window tensor: over patches of bars, over features, and with gates and variable selection.

`params` and `specs` are light; the other modules are the networks and their fits. Forecasts run the exported network, see
`network_forecaster`.
"""

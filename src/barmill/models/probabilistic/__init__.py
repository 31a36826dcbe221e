"""Networks whose answer is a distribution of the return: DeepAR's likelihood, and a quantile RNN.

`params` and `specs` are light; the other modules are the networks and their fits. Forecasts run the exported network, see
`network_forecaster`.
"""

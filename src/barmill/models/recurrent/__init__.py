"""Recurrent networks on the window tensor: a forward LSTM.

`params` is light; `lstm` is the network and its fit. Forecasts run the exported network, see `network_forecaster`.
"""

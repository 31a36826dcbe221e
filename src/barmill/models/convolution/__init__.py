"""Convolutional networks on the window tensor: TCN, InceptionTime, a residual network and a plain CNN.

`params` is light, and refuses a receptive field that does not reach (`receptive_field`); each network is a module of its
own beside its fit; `convolving`, `channels_first` and `readout` are what they share. Forecasts run the exported network,
see `network_forecaster`.
"""

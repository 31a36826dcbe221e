"""Foundation models: forecasters that were trained by others on other series, and forecast ours without a fit.

`weights` finds their weights on this machine, `chronos` and `timesfm` cut the network down to one graph from a window to nine deciles,
`deciles` makes a distribution of those, and `forecaster` runs the graph, without torch. What a fit learns here is one number, how far
the outcomes of trades lie from what the model says of prices.
"""

"""Networks that split a series into parts and continue each: N-BEATS, N-HiTS, DLinear and NLinear.

Each has a core, the published network, which turns the window of one series into a path of forecasts and can be used alone;
and the trunk of `path_trunk`, which hands that path with what surrounds it to the shared head. `constants` holds the
matrices (moving average, interpolation, bases) that are known before any training.
"""

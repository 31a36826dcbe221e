"""The experts of a trade: whether to enter, where the stop lies, what to aim for, and at what offset to enter.

All four learn from outcomes of trades held by one rule (`barmill.labels.back_label`) and are LightGBM. `entry` is a classifier for each
liquidity cluster; `risk`, `reward` and `entry_offset` learn quantiles of one outcome (`quantiles`). `forecasters` runs the boosters' text.
"""

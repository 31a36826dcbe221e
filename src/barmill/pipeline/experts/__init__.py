"""The models of a run that answer another question than where the label goes: `experts:` of a recipe.

`outcomes`: what becomes of a trade that is proposed at every decision (entry, risk, reward, entry_offset). `patterns`: which chart
pattern stands there (pattern_cnn). Each question has labels of its own, cut at the clock times of the run's blocks; from there an expert
goes the way of every model: fitted, calibrated, bundled, forecast from its bundle on the test block, and judged beside a naive baseline.
"""

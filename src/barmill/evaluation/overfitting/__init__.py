"""Is it skill or luck: what is left of a Sharpe ratio after its length, its tails and the number of trials."""

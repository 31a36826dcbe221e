"""The backtest: signals through bars, order by order, with costs, stops, sizes and an account that adds up."""

"""The terms of the report, in a sentence or two each."""

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("AUC", "The chance that a random up is given a higher p_up than a random non-up. A coin has 0.5, a perfect model 1."),
    ("Bar", "One record of open, high, low, close and volume. It is known only once it has closed."),
    ("Base rate", "The share of ups. A forecast that always says the base rate has the log loss called base."),
    ("Basis point (bps)", "A hundredth of a percent."),
    (
        "Brier score",
        "The mean squared distance between p_up and what happened (0 or 1). Lower is better. It is reliability (how far forecasts lie from "
        "what came of them) less resolution (how far they tell rows apart), plus an uncertainty that nobody can help.",
    ),
    ("Calibration", "Making probabilities mean what they say: of the forecasts of 60 %, 60 % come true. Fitted on rows of its own."),
    ("Calmar ratio", "Yearly growth over the largest drawdown."),
    (
        "Conformal band",
        "A forecast with two ends, moved until they held the share of outcomes that it says, on rows of its own. Coverage on later rows "
        "tells whether it still does.",
    ),
    ("Cost paid", "All fees and slippage of the trades on the test block, as a share of a fixed capital."),
    ("Coverage", "How often the outcome fell between q05 and q95. Honest quantiles have 90 %."),
    (
        "Cross-validation, split, path",
        "Every part of the bars before the test block judges models that learned from the others. In combinatorial cross-validation "
        "several parts judge at a time; their forecasts make up several walks through all bars, the paths, each of them out of sample.",
    ),
    ("Degradation", "How much of a Sharpe ratio in sample is left out of sample. A falling line: the better it looked, the worse it did."),
    ("Drawdown", "How far equity has fallen from its highest point so far."),
    (
        "DSR",
        "Deflated Sharpe ratio: the probability that the true Sharpe ratio is above the best that as many trials without skill would show. "
        "The usual bar is 0.95.",
    ),
    ("E_r", "The expected net log return from entry to the label's end."),
    (
        "ECE, MCE",
        "Expected and largest calibration error: how far p_up lies from the share that happened, over bins of equal width. Bins of equal "
        "mass see more where forecasts crowd; both are above 0 by chance alone.",
    ),
    ("Embargo", "Rows left out after a block, because what happens there still depends on it."),
    (
        "Error correlation, Q, disagreement",
        "Whether two members err on the same rows: 1 for the first two where they always do; how often only one of them is right.",
    ),
    ("Exposure", "The share of bars with a position."),
    (
        "Gain of a member",
        "How much the log loss of an ensemble rises once it is fitted again without that member, on rows that the fit did not see.",
    ),
    ("Haircut", "The share of a Sharpe ratio that goes once its test has paid for all the others that were made."),
    (
        "IC, rank IC",
        "Correlation between E_r (q50 where a model has no E_r) and the realised return: of the values, and of their ranks. 0 is no skill.",
    ),
    ("In sample, out of sample", "On the rows that taught a model, and on rows that did not."),
    ("Interval", "Where the AUC lies with 95 % confidence, from resampling blocks of the test block longer than a label."),
    ("Label", "The outcome of a decision taken at a bar's close and filled at the next bar's open, net of costs."),
    ("Leakage", "Knowing at a decision what was known only later. A check that lacks what it looks at does not apply, which is no pass."),
    ("Log loss", "The price of confident mistakes. Lower is better; the base is what always saying the base rate costs."),
    ("Latency", "The time of one forecast by a bundle, its features being there. The median of many."),
    ("MCC, F1", "Scores of the yes-or-no forecast. MCC: 1 is perfect, 0 is chance. F1 depends on the base rate."),
    ("Net", "After fees and slippage, on both sides of a trade."),
    ("Not promoted", "The result does not stand above luck: the DSR is not over its bar."),
    ("Out of fold", "Forecast by a model that did not learn from that row. On each path every label is forecast so exactly once."),
    ("p_up, q05, q50, q95", "The forecast: the probability of an up, and three quantiles of the net return."),
    (
        "PBO",
        "Probability of backtest overfitting: how often the configuration that is best on one half of the time is among the worse half "
        "on the other. Without skill about one half.",
    ),
    ("Pinball loss", "The error of a quantile forecast, which weighs misses on one side more than on the other. Lower is better."),
    ("PR-AUC", "Average precision over all thresholds. Chance has the base rate."),
    ("Profit factor", "Gains of the winning trades over losses of the losing ones. Infinite without a loss."),
    ("PSR", "The probability that the true Sharpe ratio is above 0, given how long, skewed and heavy-tailed the returns are."),
    ("Purge", "Leaving out rows whose label reaches into the next block, so that no outcome is known on both sides."),
    (
        "Random band",
        "The middle 90 % of net Sharpe ratios of the model's own trades, moved to random other times. Inside it, luck explains the result.",
    ),
    (
        "Reality check, SPA",
        "The chance that the best of all configurations would look this good if none was better than doing nothing.",
    ),
    (
        "Rank",
        "By log loss on the same labels. Models share a rank where a paired test, corrected for the number of pairs, does not tell them "
        "apart: nothing beats those of rank 1, and those below are beaten from the rank above.",
    ),
    ("Recovery factor", "Net profit over the deepest fall of cumulative profit."),
    (
        "Selection slice",
        "The last part of the validation block. It sets the thresholds, and without a cross-validation chooses among the models, before "
        "the test block is opened.",
    ),
    ("Sharpe ratio", "Mean over standard deviation of the net returns per bar, for a year. Below 0 it lost money."),
    (
        "Shift by refitting",
        "How far a member fitted on all of train speaks otherwise than those of the folds, which the ensemble learned from.",
    ),
    ("Sortino ratio", "As the Sharpe ratio, with only the falls counted as risk."),
    ("Test block", "The last bars. Nothing was fitted or chosen on them, and each look at them is written to the trial ledger."),
    ("Track record needed", "The bars after which a Sharpe ratio of this size is told from 0 with 95 % confidence."),
    ("Trial ledger", "The list of all fits that were judged on these bars. The more trials, the better the best one looks by luck."),
    ("Trials, as if independent", "Many trials are alike; this is how many clusters of them there are."),
    ("Turnover", "The sum of all changes of the position in a year, in multiples of equity."),
    ("Uniqueness", "How little a label's time overlaps with that of others. Rows that overlap count for less."),
    ("Winkler score", "The mean width of a band, and for each miss 2/alpha times how far the outcome fell outside. Lower is better."),
)

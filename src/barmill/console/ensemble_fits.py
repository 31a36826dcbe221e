"""What came of an ensemble's fit, in sentences: its summary is a tree of figures that no list of facts can tell."""

from collections.abc import Mapping
from typing import Any

from barmill.console.figures import fixed, listed, percent, plural, sentence


def fit_sentences(fit: Mapping[str, Any]) -> tuple[str, ...]:
    """From what it learned, what it found, and how it fared where it had not looked. Of figures that are not there nothing is said.

    fit : the summary of the ensemble's fit
    """
    told = (_rows(fit), _weights(fit), _penalty(fit), _regimes(fit), sentence(str(fit.get("words") or "")), _votes(fit))
    return tuple(text for text in told if text)


def _rows(fit: Mapping[str, Any]) -> str:
    found: Mapping[str, Any] = fit.get("learned_from") or {}
    if not found:
        return ""
    left_out = f"; {plural(found['left_out'], 'row')} out of some member's reach left out" if found.get("left_out") else ""
    return f"Learned from {plural(found.get('rows'), 'row')} out of fold, forecast in {plural(found.get('folds'), 'fold')}{left_out}."


def _weights(fit: Mapping[str, Any]) -> str:
    weights: Any = fit.get("weights")
    if not isinstance(weights, Mapping):
        return ""
    shares = listed([f"{label} {percent(share)}" for label, share in weights.items()])
    how = str(fit.get("weighted_by") or "").replace("_", " ")
    return f"Weights{f', {how}' if how else ', mean over these rows'}: {shares}."


def _penalty(fit: Mapping[str, Any]) -> str:
    tried: Any = fit.get("cv")
    if not isinstance(tried, list) or fit.get("C") is None:
        return ""
    return f"Of {plural(len(tried), 'penalty', 'penalties')} C = {fit['C']:g} lost least over the folds."


def _regimes(fit: Mapping[str, Any]) -> str:
    regimes: Any = fit.get("regimes")
    if not isinstance(regimes, list) or not regimes:
        return ""
    return sentence("; ".join(f"regime {place} {_regime(one)}" for place, one in enumerate(regimes, 1)))


def _regime(found: Mapping[str, Any]) -> str:
    weights = "as all rows" if found["pooled"] else listed([f"{label} {percent(share)}" for label, share in found["weights"].items()])
    return f"({plural(round(found['rows']), 'row')}): {weights}"


def _votes(fit: Mapping[str, Any]) -> str:
    """The loss of a vote on its own rows, which fitted weights have seen."""
    loss: Any = fit.get("loss")
    if not isinstance(loss, Mapping) or "ensemble" not in loss:
        return ""
    best = min(loss["members"], key=lambda label: loss["members"][label])
    seen = ", which its weights have seen" if fit.get("weighted_by") == "fitted" else ""
    rivals = f"with equal weights {fixed(loss['equal'], 4)}, that of its best member, {best}, {fixed(loss['members'][best], 4)}"
    return f"On these rows{seen}, its {loss['name']} is {fixed(loss['ensemble'], 4)}, {rivals}."


__all__ = ["fit_sentences"]

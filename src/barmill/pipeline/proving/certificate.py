"""From what was measured on each market to one certificate: a pure function, so that the same markets give the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtrit

from barmill.artefacts import without_nan
from barmill.market import NULL_MARKETS
from barmill.pipeline.proving.intervals import Estimate, mean_estimate, ratio_estimate, share_estimate
from barmill.pipeline.proving.job import CONTROL
from barmill.pipeline.proving.market_proof import ORACLE
from barmill.pipeline.proving.settings import Demands

GRANTED, REFUSED = "granted", "refused"
CONTROL_LEVEL = 0.95  # of the shares that are told, which nothing is decided by
FORMAT = 1

Found = Mapping[str, Any]  # what `prove_market` says of one market


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a proof came to.

    content : plain JSON, as certificate.json holds it
    """

    content: dict[str, Any]

    @property
    def granted(self) -> bool:
        return self.content["verdict"] == GRANTED

    @property
    def reasons(self) -> list[str]:
        """Why it was refused; empty if it was granted."""
        return self.content["reasons"]


def certificate(identity: Mapping[str, Any], found: Sequence[Found], demands: Demands) -> Certificate:
    """Pool the markets, compare with what is demanded, and say what was found wanting.

    Parameters
    ----------
    identity : what was proven: name, settings, fingerprints, seed, overrides; stands at the head of the certificate
    found : of every market, with an edge or without
    """
    nulls = [each for each in found if each["task"]["kind"] != CONTROL]
    controls = [each for each in found if each["task"]["kind"] == CONTROL]
    null = null_summary(nulls, demands)
    told = control_summaries(controls, demands)
    reasons = [*null_reasons(null, demands), *control_reasons(told)]
    content = {
        "format": FORMAT,
        "verdict": REFUSED if reasons else GRANTED,
        "reasons": reasons,
        **identity,
        "demands": demands.model_dump(mode="json"),
        "null": null,
        "controls": told,
        "markets": [_row(each) for each in found],
    }
    return Certificate(without_nan(content))


def null_summary(found: Sequence[Found], demands: Demands) -> dict[str, Any]:
    """What the markets without an edge say: of the pipeline, of each model, of each kind."""
    models = _models(found)
    kinds = [kind for kind in NULL_MARKETS if any(each["task"]["kind"] == kind for each in found)]
    # Of so many intervals one misses by chance sooner: together they hold with the family's level.
    single = 1 - (1 - demands.family_level) / max(1, len(models) + len(kinds))
    return {
        "n_markets": len(found),
        "n_bars": sum(each["task"]["n_bars"] for each in found),
        "n_labels": sum(each["n_labels"] for each in found),
        "auc": pooled_auc(found, models, demands.level).to_json(),
        "border": _with_power(witness_auc(found, demands.level), demands.level),
        "models": [
            {
                "name": name,
                "auc": pooled_auc(found, [name], single).to_json(),
                "label_auc": _mean(found, name, "label_auc"),
                "fold_auc": _mean(found, name, "fold_auc"),
                "promoted": {kind: _promoted(found, name, kind, demands) for kind in ("net", "gross")},
            }
            for name in models
        ],
        "kinds": [_kind(found, kind, models, single) for kind in kinds],
        "promotion": {kind: _promotion(found, models, kind, demands) for kind in ("net", "gross")},
    }


def pooled_auc(found: Sequence[Found], models: Sequence[str], level: float) -> Estimate:
    """The AUC over markets; that of a market is the mean over its models, which share its luck."""
    scores = [[each["models"][name]["direction"] for name in models] for each in found]
    aucs = [[_auc(score) for score in market if score["n"]] for market in scores]
    rows = [float(sum(score["n"] for score in market)) for market in scores]
    return mean_estimate([sum(market) / len(market) if market else float("nan") for market in aucs], rows, level)


def witness_auc(found: Sequence[Found], level: float) -> Estimate:
    """The AUC of who remembers the training rows, on test rows next to them."""
    scores = [each["border"] for each in found]
    return mean_estimate([_auc(score) for score in scores], [float(score["n"]) for score in scores], level)


def _auc(score: Mapping[str, float]) -> float:
    return 0.5 + 2.0 * score["total"] / score["n"] if score["n"] else float("nan")


def null_reasons(null: Mapping[str, Any], demands: Demands) -> list[str]:
    """What is wanting on markets without an edge, in words; empty if nothing is."""
    auc, border = null["auc"], null["border"]
    level = f"{100 * demands.level:g} %"
    if auc["n"] < 2:
        return [f"{auc['n']} market without an edge has no interval: add markets"]
    reasons: list[str] = []
    if not _holds_half(auc):
        reasons.append(f"out-of-sample AUC {_told(auc)} ({level} interval) on markets without an edge: something sees the future")
    if not auc["high"] - auc["low"] <= demands.width:
        reasons.append(f"the interval of the AUC is {auc['high'] - auc['low']:.4f} wide, at most {demands.width:g} is asked: add markets")
    if border["n"] > 1 and not _holds_half(border):
        shared = "outcomes are shared between training and test: look at purge, embargo, and where labels end"
        reasons.append(f"AUC {_told(border)} ({level} interval) of the witness next to rows that trained: {shared}")
    beyond = "beyond what chance explains among all models and kinds"
    for model in null["models"]:
        if model["auc"]["n"] > 1 and not _holds_half(model["auc"]):
            reasons.append(f"{model['name']}: AUC {_told(model['auc'])}, {beyond}")
    for kind in null["kinds"]:
        if kind["auc"]["n"] > 1 and not _holds_half(kind["auc"]):
            reasons.append(f"{kind['title']}: AUC {_told(kind['auc'])}, {beyond}")
    for kind, when in (("net", "net of costs"), ("gross", "before costs")):
        found = null["promotion"][kind]
        if found["low"] > demands.promoted:
            told = (
                f"{found['count']} of {found['n']} models ({100 * found['value']:.1f} %) were promoted on markets without an edge, {when}"
            )
            reasons.append(f"{told}: at {100 * demands.promoted:g} %, chance does not explain so many")
    return reasons


def control_summaries(found: Sequence[Found], demands: Demands) -> list[dict[str, Any]]:
    """For each planted strength, what each model found of what the oracle earned."""
    made: list[dict[str, Any]] = []
    models = _models(found)
    for strength in sorted({each["task"]["strength"] for each in found}):
        markets = [each for each in found if each["task"]["strength"] == strength]
        oracle = [each[ORACLE]["sharpe"] for each in markets]
        rows: list[dict[str, Any]] = []
        for name in models:
            own = [each["models"][name]["net"]["sharpe"] * each[ORACLE]["periods"] ** 0.5 for each in markets]
            own = [0.0 if value != value else value for value in own]  # a model that never traded earned nothing
            auc = pooled_auc(markets, [name], demands.level)
            share = ratio_estimate(own, oracle, CONTROL_LEVEL)
            rows.append({"name": name, "auc": auc.to_json(), "sharpe": sum(own) / len(own), "share": share.to_json()})
        made.append({"strength": strength, "n_markets": len(markets), "oracle_sharpe": sum(oracle) / len(oracle), "models": rows})
    return made


def control_reasons(controls: Sequence[Mapping[str, Any]]) -> list[str]:
    """A pipeline that finds nothing where there is much proves nothing where there is nothing."""
    if not controls:
        return []
    strongest = controls[-1]
    if any(model["auc"]["low"] > 0.5 for model in strongest["models"]):
        return []
    return [f"no model found the edge of strength {strongest['strength']:g} that was planted: what finds nothing cannot be seen to leak"]


def _models(found: Sequence[Found]) -> list[str]:
    return list(found[0]["models"]) if found else []


def _holds_half(estimate: Mapping[str, float]) -> bool:
    return estimate["low"] <= 0.5 <= estimate["high"]


def _told(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.4f}, {estimate['low']:.4f} to {estimate['high']:.4f}"


def _mean(found: Sequence[Found], name: str, figure: str) -> float:
    return mean_estimate([each["models"][name][figure] for each in found], [float(each["n_labels"]) for each in found], 0.95).value


def _with_power(estimate: Estimate, level: float) -> dict[str, float | int]:
    """The estimate, and the shift from one half that it would have seen nine times of ten."""
    if estimate.n < 2:
        return {**estimate.to_json(), "sees": float("nan")}
    reach = estimate.width / 2
    error = reach / float(stdtrit(estimate.n - 1, 0.5 + level / 2))
    return {**estimate.to_json(), "sees": reach + float(stdtrit(estimate.n - 1, 0.9)) * error}


def _kind(found: Sequence[Found], kind: str, models: Sequence[str], level: float) -> dict[str, Any]:
    markets = [each for each in found if each["task"]["kind"] == kind]
    auc = pooled_auc(markets, models, level)
    return {"name": kind, "title": NULL_MARKETS[kind].title, "n_markets": len(markets), "auc": auc.to_json()}


def _is_promoted(each: Found, name: str, kind: str, demands: Demands) -> bool:
    return each["models"][name][kind]["dsr"] > demands.promotion_bar  # NaN: a model that never traded is not promoted


def _promoted(found: Sequence[Found], name: str, kind: str, demands: Demands) -> int:
    return sum(_is_promoted(each, name, kind, demands) for each in found)


def _promotion(found: Sequence[Found], models: Sequence[str], kind: str, demands: Demands) -> dict[str, float | int]:
    """Share of markets x models, with the exact band of as many independent ones; models of one market share some of its luck.

    The rule itself promotes one in twenty of what has no skill, if it was the only trial and costs are low. So it is by the lower end
    of the band that a pipeline is refused: by the share alone every second honest one would be.
    """
    count = sum(_promoted(found, name, kind, demands) for name in models)
    return {"count": count, **share_estimate(count, len(found) * len(models), demands.level).to_json()}


def _row(each: Found) -> dict[str, Any]:
    """A market in the certificate: enough to compute all of it again."""
    models = {name: {"auc": _auc(scores["direction"]), "dsr": scores["net"]["dsr"]} for name, scores in each["models"].items()}
    row = {"data": each["data"], "n_labels": each["n_labels"], "trials": each["trials"], "border": _auc(each["border"]), "models": models}
    return {**each["task"], **row, **({ORACLE: each[ORACLE]["sharpe"]} if ORACLE in each else {})}


__all__ = ["GRANTED", "REFUSED", "Certificate", "certificate"]

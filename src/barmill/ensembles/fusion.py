"""Fusion: calibrated probabilities of the members into a logistic head, its penalty chosen by cross-validation.

It is stacking with one question and one learner: what the members say of p_up alone is heard, and nobody has to know how stiff the head
should be. Source: Platt (1999); the choice of a penalty is that of Stone (1974), JRSS B 36(2), on folds that are purged.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from barmill.artefacts import canonical_json
from barmill.ensembles.compatibility import check_members, check_rows
from barmill.ensembles.contract import FitRows, Float64Array, Member, Said, SaidOfRow
from barmill.ensembles.learned_row import LearnedRow
from barmill.ensembles.linear_meta import LinearMeta, fit_linear_meta
from barmill.ensembles.meta_features import MetaFeatures, classes_of, meta_features
from barmill.ensembles.meta_scores import Folds, Positions, checked_folds, cross_fitted_scores
from barmill.ensembles.params import FusionParams, LogisticParams
from barmill.errors import BundleError, ShapeError, SplitError
from barmill.models.contract import RawForecast
from barmill.splits import Splitter

KIND = "fusion"


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """A fitted head.

    features : the members' log-odds, standardised
    head : the logistic regression on them
    summary : plain JSON of how the penalty was chosen; in no file
    """

    features: MetaFeatures
    head: LinearMeta
    summary: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def combine(self, said: Sequence[Said], regimes: Float64Array | None = None) -> RawForecast:
        """Logits alone; regimes are not looked at. Raises: as `MetaFeatures.of`."""
        return self.head.apply(self.features.of(said, None))

    def weights(self, regimes: Float64Array | None, n_rows: int) -> None:
        """None: the head adds log-odds, by coefficients that need not sum to 1."""

    def one_row(self, said: Sequence[SaidOfRow], regimes: Sequence[float]) -> LearnedRow:
        """Itself, with memory for one row."""
        return LearnedRow(self.features, self.head, said, ())

    def files(self) -> Mapping[str, bytes]:
        """`ensemble.json`."""
        content = {"format": 1, "kind": KIND, "features": self.features.to_json(), "head": self.head.to_json()}
        return {"ensemble.json": canonical_json(content)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Fusion":
        """Read what `files` gave. Raises BundleError where it is something else."""
        try:
            content = json.loads(files["ensemble.json"])
            if content["kind"] != KIND or content["format"] != 1:
                raise ValueError(f"kind {content['kind']!r}, format {content['format']!r}")
            features, head = MetaFeatures.from_json(content["features"]), LinearMeta.from_json(content["head"])
            head.check(features)
            if not head.logistic or head.with_returns:
                raise ValueError("the head is no logistic regression of the classes alone")
            return cls(features, head)
        except (KeyError, TypeError, ValueError, ShapeError) as error:
            raise BundleError("ensemble.json", f"cannot be read: {error!r}", mend="Build the bundle again.") from error


def fit_fusion(params: FusionParams, members: Sequence[Member], rows: FitRows, folds: Folds | Splitter) -> Fusion:
    """Choose C among the candidates, then fit the head on all rows, by their weights.

    The C chosen has the least mean log loss over the rows that the folds judge; of equal ones the smallest, which is the stiffest. What C
    means is said in `linear_meta`: the same for any number of rows.

    Parameters
    ----------
    rows : calibrated probabilities of rows that neither trained a member nor its calibrator, and what came
    folds : (train, test) positions among the rows, or a splitter that knows the rows' spans, so that they are purged; contiguous in time

    Returns
    -------
    Fusion; its `summary` has rows, meta_features, C, cv (each candidate's C and its log loss over all folds and on each), importance by
    output and meta-feature, and the scores of `cross_fitted_scores` for the C chosen.

    Raises: SplitError for folds that cannot be used, or none that has every class to learn from; else as `check_rows`.
    """
    check_members(members, "fusion", at_least=1)
    check_rows(members, rows)
    n_classes, n = classes_of(rows), rows.y.size
    plain = meta_features([Member(member.label, ("p_up",)) for member in members], n_classes)
    raw = plain.raw(rows.said, None)
    cut = checked_folds(folds.split(rows.y) if isinstance(folds, Splitter) else folds, n)

    def learn(inverse_penalty: float, at: Positions | slice) -> tuple[MetaFeatures, LinearMeta]:
        features = plain.scaled_by(raw[:, at])
        x = features.standardised(raw[:, at])
        return features, fit_linear_meta(LogisticParams(C=inverse_penalty), x, rows.y[at], None, rows.weight[at], n_classes)

    tried: list[tuple[Fusion, dict[str, Any]]] = []
    for candidate in sorted(set(params.candidates)):

        def learn_and_forecast(train: Positions, test: Positions, candidate: float = candidate) -> RawForecast:
            features, head = learn(candidate, train)
            return head.apply(features.standardised(raw[:, test]))

        features, head = learn(candidate, slice(None))
        own = head.apply(features.standardised(raw))
        scores = cross_fitted_scores(learn_and_forecast, rows, own, cut)
        if scores["n_folds"] == 0:
            raise SplitError("ensemble folds", "none has every class to learn from", mend="Use more bars or fewer folds.")
        tried.append((Fusion(features, head), {"C": candidate, **scores}))
    fusion, best = min(tried, key=lambda one: one[1]["log_loss"]["out_of_fold"])
    summary = {
        "rows": n,
        "meta_features": list(plain.names),
        "cv": [{"C": one["C"], "log_loss": one["log_loss"]["out_of_fold"], "folds": one["by_fold"]} for _, one in tried],
        "importance": {"p_up": dict(zip(plain.names, fusion.head.importance()["p_up"].tolist(), strict=True))},
        **best,
    }
    return replace(fusion, summary=summary)


__all__ = ["Fusion", "fit_fusion"]

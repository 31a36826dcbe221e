"""What a line of the trial ledger says: five fields that were written, and the three that chain them.

| kind | trial | when |
|---|---|---|
| data | symbol, timeframe, first, last, rows | once per ledger: which bars these are |
| fit | whatever tells this trial from another | before a fit is judged |
| outcome | trial, block, sharpe, n_obs and more | after it was judged |
| test_opened | what is about to be judged | before a test block is looked at |

A kind may be added; none is ever renamed, and no field of a kind changes its meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from barmill.artefacts import canonical_json, sha256
from barmill.errors import ShapeError

Kind = Literal["data", "fit", "outcome", "test_opened"]
Block = Literal["cross_validation", "selection", "test", "tuning"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BLOCKS: tuple[Block, ...] = get_args(Block)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line.

    sequence : int, from 1
    kind : "data", "fit", "outcome" or "test_opened"
    trial : plain JSON that says what was tried; it holds no time and no place, so that the same trial is the same again
    trial_id : sha256 of kind and trial in canonical form: the trial's identity
    note : plain JSON beside it (run name, time), in the chain but not in the identity
    previous, hash : sha256 of the line before (for the first, of the data fingerprint) and of this line without `hash`
    """

    sequence: int
    kind: Kind
    trial: Mapping[str, Any]
    trial_id: str
    note: Mapping[str, Any]
    previous: str
    hash: str

    def to_json(self) -> dict[str, Any]:
        """What its line holds."""
        return {**_unsealed(self.sequence, self.kind, self.trial, self.trial_id, self.note, self.previous), "hash": self.hash}


def trial_id_of(kind: Kind, trial: Mapping[str, Any]) -> str:
    """The identity of a trial: the same whatever the order of its keys."""
    return sha256(canonical_json({"kind": kind, "trial": dict(trial)}))


def entry_of(sequence: int, kind: Kind, trial: Mapping[str, Any], note: Mapping[str, Any], previous: str) -> LedgerEntry:
    """The entry that follows the line with the hash `previous`."""
    trial_id = trial_id_of(kind, trial)
    seal = sha256(canonical_json(_unsealed(sequence, kind, trial, trial_id, note, previous)))
    return LedgerEntry(sequence, kind, dict(trial), trial_id, dict(note), previous, seal)


def require_entry(kind: str, trial: Mapping[str, Any], note: Mapping[str, Any]) -> None:
    """Refuse what is no entry, before anything is written. Raises ShapeError."""
    if kind not in KINDS:
        raise ShapeError("kind", f"is {kind!r}", expected=" or ".join(KINDS))
    try:
        canonical_json([dict(trial), dict(note)])
    except (TypeError, ValueError) as error:
        raise ShapeError("trial", f"is not plain JSON: {error}", expected="strings, finite numbers, lists and mappings") from error
    if kind == "data":
        _require_data(trial)
    elif kind == "outcome":
        _require_outcome(trial)


def _require_data(trial: Mapping[str, Any]) -> None:
    whole = all(_is_whole(trial.get(name)) for name in ("first", "last", "rows"))
    named = all(isinstance(trial.get(name), str) and trial[name] for name in ("symbol", "timeframe"))
    if not (whole and named) or trial["first"] > trial["last"] or trial["rows"] < 1:
        expected = "symbol and timeframe as text, first <= last in ms, rows of at least 1"
        raise ShapeError("data", f"is {dict(trial)}", expected=expected)


def _require_outcome(trial: Mapping[str, Any]) -> None:
    if trial.get("block") not in BLOCKS:
        raise ShapeError("outcome", f"is of block {trial.get('block')!r}", expected=" or ".join(BLOCKS))
    sharpe, n_obs = trial.get("sharpe"), trial.get("n_obs")
    right_sharpe = sharpe is None or (isinstance(sharpe, int | float) and not isinstance(sharpe, bool))
    if not isinstance(trial.get("trial"), str) or not right_sharpe or not isinstance(n_obs, int) or n_obs < 0:
        expected = "trial (a trial_id), sharpe (a number per observation, or null where it is undefined), n_obs (a whole number)"
        raise ShapeError("outcome", f"is {dict(trial)}", expected=expected)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _unsealed(sequence: int, kind: Kind, trial: Mapping[str, Any], trial_id: str, note: Mapping[str, Any], previous: str) -> dict[str, Any]:
    """A line without its hash: what the hash is of."""
    return {"sequence": sequence, "kind": kind, "trial": dict(trial), "trial_id": trial_id, "note": dict(note), "previous": previous}


__all__ = ["BLOCKS", "KINDS", "Block", "Kind", "LedgerEntry", "entry_of", "require_entry", "trial_id_of"]

"""What a run was given and what it made of it, before any model: the first half of a judgement."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from barmill.artefacts import read_json
from barmill.labels import CLASS_NAMES, Labels, average_uniqueness
from barmill.market import Bars, round_trip_cost
from barmill.pipeline.dataset import Dataset, Positions
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.provenance import provenance_of
from barmill.pipeline.recipe import VALIDATION_SLICES

BLOCKS = ("train", *VALIDATION_SLICES, "test")  # in time order; a run has those slices that it needs


def facts(inputs: RunInputs, data: Dataset) -> dict[str, Any]:
    """Data, features, labels, splits, costs and provenance of the run, as plain values."""
    return {
        "data": _data(inputs.bars),
        "features": _features(inputs, data),
        "labels": _labels(inputs, data),
        "splits": _splits(inputs.bars, data),
        "costs": _costs(inputs.bars, data),
        "provenance": _provenance(inputs, data),
    }


def blocks_in(positions: Mapping[str, Positions]) -> tuple[str, ...]:
    """The blocks of a run in time order, out of all that `positions` holds."""
    return tuple(name for name in BLOCKS if name in positions)


def moment(open_time_ms: int) -> str:
    """`2023-08-01 00:00 UTC`."""
    return datetime.fromtimestamp(open_time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _data(bars: Bars) -> dict[str, Any]:
    findings = [
        {
            "code": finding.code,
            "name": finding.name,
            "severity": finding.severity,
            "count": finding.count,
            "first_time": finding.first_time,
            "message": finding.message,
        }
        for finding in bars.findings
    ]
    first, last = moment(int(bars.open_time[0])), moment(int(bars.open_time[-1]))
    return {
        "rows": len(bars),
        "first": first,
        "last": last,
        "fingerprint": bars.fingerprint,
        "notes": list(bars.notes),
        "findings": findings,
    }


def _features(inputs: RunInputs, data: Dataset) -> dict[str, Any]:
    ready = np.load(data.features / "ready.npy", allow_pickle=False)
    return {
        "n": len(data.names),
        "names": list(data.names),
        "warmup_bars": inputs.plan.warmup_bars,
        "not_ready": int((~ready).sum()),
        "schema_hash": inputs.plan.schema_hash,
    }


def _labels(inputs: RunInputs, data: Dataset) -> dict[str, Any]:
    labels, config = data.labels, inputs.recipe.labels
    y = labels.classes(config.classes)
    names = CLASS_NAMES[config.classes]
    blocks = {"train": ("train",), "validation": blocks_in(data.positions)[1:-1], "test": ("test",)}
    balance: dict[str, dict[str, int]] = {}
    for block, parts in blocks.items():
        rows = np.concatenate([data.positions[part] for part in parts])
        balance[block] = {name: int((y[rows] == index).sum()) for index, name in enumerate(names)}
    return {
        "method": config.method,
        "shuffle": config.shuffle,
        "n": len(labels),
        "excluded": dict(labels.excluded),
        "balance": balance,
        "mean_net_return_bps": float(labels.net_return.mean() * 1e4),
        "median_move_bps": float(np.median(np.abs(labels.gross_return)) * 1e4),
        "mean_cost_bps": _mean_cost_bps(inputs.bars, data),
        "mean_uniqueness": float(average_uniqueness(labels.t0, labels.t1, labels.n_bars).mean()),
        "mean_label_bars": float((labels.t1 - labels.t0).mean()),
    }


def _splits(bars: Bars, data: Dataset) -> dict[str, Any]:
    blocks = [block_told(name, data.positions[name], data.labels, bars) for name in blocks_in(data.positions)]
    return {"n_bars": len(bars), "blocks": blocks, "dropped": read_json(data.splits / "dropped.json")}


def block_told(name: str, positions: Positions, labels: Labels, bars: Bars) -> dict[str, Any]:
    """A block from its first decision to its latest label end."""
    first, last = int(labels.t0[positions[0]]), int(labels.t1[positions].max())
    times = {"first_time": moment(int(bars.open_time[first])), "last_time": moment(int(bars.open_time[last]))}
    return {"name": name, "first_bar": first, "last_bar": last, **times, "n": len(positions)}


def _provenance(inputs: RunInputs, data: Dataset) -> list[dict[str, Any]]:
    return [
        {
            "what": record.what,
            "fitted_on": record.fitted_on,
            "first_time": moment(int(inputs.bars.open_time[record.first_bar])),
            "last_time": moment(int(inputs.bars.open_time[record.last_bar])),
            "rows": record.rows,
        }
        for record in provenance_of(data, inputs.recipe.tune is not None, folded=inputs.recipe.band_folds is not None)
    ]


def _costs(bars: Bars, data: Dataset) -> dict[str, Any]:
    fee, slippage = bars.instrument.fee, bars.instrument.slippage
    return {
        "fee": f"{fee.bps:g} bps" if fee.bps is not None else f"{fee.per_contract:g} per contract",
        "slippage": f"{slippage.bps:g} bps" if slippage.bps is not None else f"{slippage.ticks:g} tick{'' if slippage.ticks == 1 else 's'}",
        "round_trip_bps": _mean_cost_bps(bars, data),
    }


def _mean_cost_bps(bars: Bars, data: Dataset) -> float:
    price = data.labels.entry_price
    return float((np.asarray(round_trip_cost(bars.instrument, price)) / price).mean() * 1e4)

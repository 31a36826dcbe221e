"""`barmill ledger`: what was tried on which bars, and whether the record of it is whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from barmill.cli.plain_table import print_table

if TYPE_CHECKING:
    from barmill.evaluation import Ledger, LedgerEntry
    from barmill.evaluation.ledger_counts import DataSpan

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Target = Annotated[str | None, typer.Argument(metavar="[RUN|FINGERPRINT]", help="A run folder, or the first digits of a fingerprint.")]
BarsFile = Annotated[Path | None, typer.Option("--bars", help="Bars whose ledger is meant, instead.")]
Symbol = Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")]
Folder = Annotated[Path | None, typer.Option(help="Where the ledgers are; $BARMILL_LEDGER or the user's data folder if left out.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_FEWEST_DIGITS = 4  # of a fingerprint that is shortened
_SHOWN_DIGITS = 12


@app.command(epilog="Example: barmill ledger show runs/crypto-1m")
def show(target: Target = None, bars: BarsFile = None, symbol: Symbol = None, folder: Folder = None, json_: Json = False) -> None:
    """Show every ledger: bars, trials, openings of a test block, and what was tried on bars that overlap. Of one: its entries."""
    import json

    from barmill.evaluation import ledger_folder

    place = folder or ledger_folder()
    if target is None and bars is None:
        rows = _overview(place)
        print(json.dumps({"folder": str(place), "ledgers": rows}, indent=2)) if json_ else _print_overview(place, rows)
        return
    ledger = _named(target, bars, symbol, place)
    print(json.dumps(_whole(ledger), indent=2, ensure_ascii=False)) if json_ else _print_one(ledger)


@app.command(epilog="Example: barmill ledger verify")
def verify(target: Target = None, bars: BarsFile = None, symbol: Symbol = None, folder: Folder = None, json_: Json = False) -> None:
    """Read every line of every ledger, or of one; ends with 1, naming file and line, if one was edited, deleted, inserted or moved."""
    import json

    from barmill.cli.exit_codes import FAILED
    from barmill.evaluation import ledger_folder, ledgers_in

    place = folder or ledger_folder()
    one = target is not None or bars is not None
    results = [_verified(ledger) for ledger in ([_named(target, bars, symbol, place)] if one else ledgers_in(place))]
    whole = all(result["problem"] is None for result in results)
    if json_:
        print(json.dumps({"folder": str(place), "ok": whole, "ledgers": results}, indent=2))
    else:
        for result in results:
            found = result["problem"] or f"{_plural(result['entries'], 'entry', 'entries')}, whole"
            print(f"{result['fingerprint'][:_SHOWN_DIGITS]}  {found}")
        print(f"{_plural(len(results), 'ledger', 'ledgers')} in {place}: {'all whole' if whole else 'ALTERED'}")
    if not whole:
        raise typer.Exit(FAILED)


def _named(target: str | None, bars: Path | None, symbol: str | None, folder: Path) -> "Ledger":
    """The one ledger that is meant."""
    from barmill.errors import InputError
    from barmill.evaluation import Ledger, ledgers_in

    if target is not None and bars is not None:
        raise InputError("ledger", f"both {target} and --bars {bars}", expected="one of them")
    if bars is not None:
        from barmill.market import Bars

        return Ledger(folder, Bars.read(bars, symbol=symbol).fingerprint)
    if target is not None and Path(target).is_dir():
        from barmill.pipeline import Run

        return Ledger(folder, Run(Path(target)).fingerprints["data"])
    known = [ledger for ledger in ledgers_in(folder) if ledger.data_fingerprint.startswith(target or "")]
    if len(known) == 1 and len(target or "") >= _FEWEST_DIGITS:
        return known[0]
    found = f"{len(known)} ledgers in {folder} begin with it" if len(known) > 1 else f"no ledger in {folder} begins with it"
    mend = "See barmill ledger show for those there are."
    raise InputError(f"'{target}'", found, expected=f"a run folder, or {_FEWEST_DIGITS} digits or more of one fingerprint", mend=mend)


def _overview(folder: Path) -> list[dict[str, Any]]:
    """One mapping per ledger; every file is read once."""
    from dataclasses import asdict

    from barmill.evaluation.ledger import entries_in
    from barmill.evaluation.ledger_counts import counts_of, data_of, overlaps_of

    ledgers = entries_in(folder)
    rows: list[dict[str, Any]] = []
    for fingerprint, entries in ledgers.items():
        data = data_of(entries)
        overlaps = [overlap.to_json() for overlap in overlaps_of(fingerprint, ledgers)]
        counts = counts_of(fingerprint, ledgers).to_json()
        rows.append({"fingerprint": fingerprint, "data": asdict(data) if data else None, **counts, "overlaps": overlaps})
    return rows


def _whole(ledger: "Ledger") -> dict[str, Any]:
    from dataclasses import asdict

    data = ledger.data
    return {
        "fingerprint": ledger.data_fingerprint,
        "path": str(ledger.path),
        "data": asdict(data) if data else None,
        "counts": ledger.counts().to_json(),
        "overlaps": [overlap.to_json() for overlap in ledger.overlapping()],
        "entries": [entry.to_json() for entry in ledger.entries],
    }


def _verified(ledger: "Ledger") -> dict[str, Any]:
    from barmill.errors import LedgerError

    try:
        return {"fingerprint": ledger.data_fingerprint, "path": str(ledger.path), "entries": ledger.verify(), "problem": None}
    except LedgerError as error:
        return {"fingerprint": ledger.data_fingerprint, "path": str(ledger.path), "entries": None, "problem": str(error)}


def _print_overview(folder: Path, rows: list[dict[str, Any]]) -> None:
    from barmill.evaluation.ledger_counts import DataSpan

    if not rows:
        print(f"no ledger in {folder}: nothing was judged yet")
        return
    table = [
        [
            row["fingerprint"][:_SHOWN_DIGITS],
            *_span_cells(DataSpan(**row["data"]) if row["data"] else None),
            str(row["trials"]),
            str(row["test_openings"]),
            str(row["overlapping_trials"]),
            str(row["total"]),
        ]
        for row in rows
    ]
    print_table(("ledger", "symbol", "bars", "from", "to", "trials", "openings", "overlapping", "in all"), table)
    print(f"\n{_plural(len(rows), 'ledger', 'ledgers')} in {folder}")


def _print_one(ledger: "Ledger") -> None:
    counts, data = ledger.counts(), ledger.data
    print(f"ledger    {ledger.path}")
    symbol, bars, first, last = _span_cells(data)
    print(f"bars      {symbol}, {bars}, {first} to {last}" if data else "bars      not described")
    print(f"trials    {counts.trials} on these bars ({_plural(counts.fits, 'fit', 'fits')}), {counts.total} with those on overlapping bars")
    print(f"openings  {counts.test_openings} of a test block, {counts.overlapping_test_openings} on overlapping bars")
    for overlap in ledger.overlapping():
        _, bars, first, last = _span_cells(overlap.data)
        tried = f"{_plural(overlap.trials, 'trial', 'trials')}, {_plural(overlap.test_openings, 'opening', 'openings')}"
        print(f"overlap   {overlap.share:.0%}: {overlap.fingerprint[:_SHOWN_DIGITS]}, {bars}, {first} to {last}; {tried}")
    print()
    print_table(("line", "kind", "trial", "says", "note"), [_entry_cells(entry) for entry in ledger.entries])


def _span_cells(data: "DataSpan | None") -> list[str]:
    from barmill.market.times import utc_text

    if data is None:
        return ["-"] * 4
    first, last = (utc_text(time).removesuffix(" UTC") for time in (data.first, data.last))
    return [data.symbol, f"{data.rows:,} of {data.timeframe}", first, last]


def _entry_cells(entry: "LedgerEntry") -> list[str]:
    trial = entry.trial
    about = str(trial["trial"]) if entry.kind == "outcome" else entry.trial_id if entry.kind == "fit" else ""
    if entry.kind == "outcome":
        sharpe = "undefined" if trial["sharpe"] is None else f"{trial['sharpe']:.5f}"
        says = f"{trial['block']}: Sharpe {sharpe} a bar over {trial['n_obs']:,}"
    elif entry.kind == "data":
        says = f"{trial['symbol']} {trial['timeframe']}, {trial['rows']:,} bars"
    else:
        says = ", ".join(f"{name} {_short(value)}" for name, value in trial.items())
    return [
        str(entry.sequence),
        entry.kind,
        about[:_SHOWN_DIGITS],
        says,
        ", ".join(f"{name} {_short(value)}" for name, value in entry.note.items()),
    ]


def _short(value: Any) -> str:
    """A value on one line; digests and long mappings cut."""
    text = ", ".join(str(name) for name in value) if isinstance(value, dict) else str(value)
    return text if len(text) <= 40 else f"{text[:_SHOWN_DIGITS]}..."


def _plural(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"

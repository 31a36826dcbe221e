"""A run folder as a typed value: the only place of the console that reads files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from barmill.console.judged_bench import Bench
from barmill.console.judged_process import Certificate
from barmill.console.judgement import FORMAT, Environment, Judgement, Timings
from barmill.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Content = TypeVar("Content", bound=BaseModel)

CERTIFICATE_FOLDER = "prove"  # of a run folder, where `barmill prove` keeps its work
_MEND = "Name the folder of a finished run, or finish it with barmill train RECIPE --resume."


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Everything that the report tells, as read from `runs/<name>/`.

    equity : frame with `open_time` (int64, ms) and a float64 equity column per model, "buy_and_hold" and "price"; it
        starts at 1. None if the run has none
    paths : frame with `open_time` and a float64 equity column for each path of each model, "<model>|<path>"; None if the run
        was not cross-validated
    recipe : str, recipe.yaml as it stands
    timings : None if the run did not write them
    certificate : None if the pipeline was not proved into the folder `prove` of the run
    bench : what `barmill bench` measured of its bundles; None if it was not asked
    """

    judgement: Judgement
    equity: "pl.DataFrame | None"
    paths: "pl.DataFrame | None"
    recipe: str
    environment: Environment
    timings: Timings | None
    certificate: Certificate | None = None
    bench: Bench | None = None

    @classmethod
    def read(cls, folder: Path) -> "RunFolder":
        """Read the run in `folder`. Raises DataError naming the file and the key that will not do."""
        judgement = _read(folder / "metrics" / "judgement.json", Judgement)
        if judgement.format != FORMAT:
            place = f"{folder / 'metrics' / 'judgement.json'}:format"
            raise DataError(
                place, f"format {judgement.format}", expected=str(FORMAT), mend="Render it with the version of Barmill that wrote it."
            )
        timings, environment = folder / "timings.json", folder / "environment.json"
        certificate, bench = folder / CERTIFICATE_FOLDER / "certificate.json", folder / "metrics" / "bench.json"
        return cls(
            judgement=judgement,
            equity=_read_curves(folder / "metrics" / "equity.parquet"),
            paths=_read_curves(folder / "metrics" / "paths.parquet"),
            recipe=_bytes_of(folder / "recipe.yaml").decode("utf-8", errors="replace"),
            environment=_read(environment, Environment) if environment.exists() else Environment(),
            timings=_read(timings, Timings) if timings.exists() else None,
            certificate=_read(certificate, Certificate) if certificate.exists() else None,
            bench=_read(bench, Bench) if bench.exists() else None,
        )


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(str(path), "there is no such file", mend=_MEND) from None
    except OSError as error:
        raise DataError(str(path), f"it cannot be read: {error.strerror}", mend=_MEND) from error


def _read(path: Path, kind: type[Content]) -> Content:
    try:
        return kind.model_validate_json(_bytes_of(path))
    except ValidationError as error:
        problems = [
            DataError(":".join([str(path), ".".join(str(key) for key in problem["loc"])]).rstrip(":"), problem["msg"])
            for problem in error.errors(include_url=False)
        ]
        raise DataError.gathered(problems) from error


def _read_curves(path: Path) -> "pl.DataFrame | None":
    import polars as pl

    if not path.exists():
        return None
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(str(path), "it is not a Parquet file that can be read", mend=_MEND) from error
    if "open_time" not in frame.columns:
        raise DataError(str(path), f"columns {', '.join(frame.columns) or 'none'}", expected="open_time among them", mend=_MEND)
    return frame

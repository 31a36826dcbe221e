"""Features from a program of the user's own: bars in one file, features in another."""

import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from barmill.errors import DataError, InputError
from barmill.evaluation.audit.tables import MadeTable
from barmill.evaluation.audit.user_frames import as_table

if TYPE_CHECKING:
    from barmill.market import Bars

PLACEHOLDERS = ("{bars}", "{features}")
FORMATS = ("parquet", "csv")


class CommandTable:
    """The table that a program writes.

    Parameters
    ----------
    command : as typed, with `{bars}` and `{features}` where the paths of the two files go; no shell reads it
    file_format : "parquet" or "csv", of both files; bars have open_time (int64, ms UTC), open, high, low, close, volume and
        the further columns

    Raises: InputError for a command without both placeholders.
    """

    exact = False
    costly_start = True

    def __init__(self, command: str, file_format: str = "parquet") -> None:
        missing = [placeholder for placeholder in PLACEHOLDERS if placeholder not in command]
        if missing:
            example = "python make.py {bars} {features}"
            raise InputError("--command", f"'{command}' has no {' and no '.join(missing)}", expected=f"such as '{example}'")
        if file_format not in FORMATS:
            raise InputError("--format", f"is '{file_format}'", expected=" or ".join(FORMATS))
        self.target = command
        self._words = shlex.split(command)
        self._format = file_format

    def make(self, bars: "Bars") -> MadeTable:
        """See FeatureMaker. Raises DataError with the last line that the program wrote, if it fails or writes no features."""
        with tempfile.TemporaryDirectory(prefix="barmill-audit-") as folder:
            given, made = (Path(folder) / f"{name}.{self._format}" for name in ("bars", "features"))
            self._write(bars, given)
            self._run([word.replace("{bars}", str(given)).replace("{features}", str(made)) for word in self._words], len(bars))
            if not made.is_file():
                raise DataError(self.target, "wrote no features", expected="a file at the path that stands for {features}")
            return as_table(self._read(made), self.target)

    def source_of(self, feature: str) -> str:
        """Nothing: what a program does within cannot be seen."""
        return ""

    def _run(self, words: list[str], n_bars: int) -> None:
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise InputError("--command", f"'{words[0]}' cannot be run: {error.strerror}") from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
            raise DataError(f"{self.target} on {n_bars:,} bars", f"ended with code {done.returncode}: {said}")

    def _write(self, bars: "Bars", path: Path) -> None:
        if self._format == "csv":
            bars.frame.write_csv(path)
        else:
            bars.frame.write_parquet(path)

    def _read(self, path: Path) -> object:
        import polars as pl

        try:
            if self._format == "csv":
                return pl.read_csv(path, infer_schema_length=None, null_values=["", "NaN", "nan"])
            return pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(self.target, f"wrote no readable {self._format} file: {reason}") from error


__all__ = ["FORMATS", "PLACEHOLDERS", "CommandTable"]

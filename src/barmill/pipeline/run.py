"""A finished run: the folder, and what is in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from barmill.artefacts import read_json
from barmill.errors import RecipeError

if TYPE_CHECKING:
    from barmill.bundles import Bundle
    from barmill.market import Bars


class Run:
    """A run folder, read when asked.

    folder : Path, such as runs/crypto-1m
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "fingerprints.json").exists():
            mend = "Name the folder of a run that was finished, or finish it with barmill train RECIPE --resume."
            raise RecipeError(str(folder), "this is not the folder of a finished run", mend=mend)

    def _json(self, name: str) -> dict[str, Any]:
        return read_json(self.folder / name)

    @property
    def judgement(self) -> dict[str, Any]:
        """What the test block said, as in metrics/judgement.json."""
        return self._json("metrics/judgement.json")

    @property
    def fingerprints(self) -> dict[str, Any]:
        """Digests of data, recipe, code, stages and bundles: equal runs have equal ones."""
        return self._json("fingerprints.json")

    @property
    def timings(self) -> dict[str, Any]:
        """What clocks said of the run, and the recipe's targets: no two runs have the same."""
        return self._json("timings.json")

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def bars_file(self) -> Path:
        """The bars of the run, checked, as Parquet."""
        return self.folder / self.fingerprints["files"]["bars"]

    @property
    def bars(self) -> "Bars":
        """The bars of the run, with the instrument and its costs."""
        from barmill.pipeline.dataset import load_bars

        return load_bars(self.bars_file.parent)

    @property
    def bundle_paths(self) -> dict[str, Path]:
        """Every bundle of the run by its model's name: the models', then the experts'."""
        judgement = self.judgement
        return {model["name"]: self.folder / model["bundle"] for model in (*judgement["models"], *judgement.get("experts", ()))}

    @property
    def bundle_path(self) -> Path:
        """The bundle of the model that the selection slice chose."""
        return next(self.folder / model["bundle"] for model in self.judgement["models"] if model["selected"])

    @property
    def bundle(self) -> "Bundle":
        """The chosen model's bundle, verified and loaded."""
        from barmill.bundles import Bundle

        return Bundle.load(self.bundle_path)

    def summary(self) -> dict[str, Any]:
        """What `barmill train --json` prints."""
        return {
            "run": str(self.folder),
            "report": str(self.report),
            "bundle": str(self.bundle_path),
            "judgement": self.judgement,
            "fingerprints": self.fingerprints,
        }

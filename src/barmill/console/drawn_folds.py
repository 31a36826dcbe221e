"""The maps of a run: as a finished run holds them, or as a recipe would draw them, before anything is computed."""

from pathlib import Path

from barmill.console.fold_map import FoldMap, map_of_blocks, map_of_folds
from barmill.console.judged_paths import CrossValidation
from barmill.console.judgement import Splits
from barmill.console.run_folder import RunFolder
from barmill.errors import DataError


def maps_of_run(folder: Path) -> tuple[FoldMap, ...]:
    """The map of the blocks, and that of the folds where the run was cross-validated.

    Raises: DataError naming the file if the folder does not hold a finished run, or its record has no blocks.
    """
    judgement = RunFolder.read(folder).judgement
    blocks = map_of_blocks(judgement.splits)
    folds = None if judgement.cross_validation is None else map_of_folds(judgement.cross_validation)
    found = tuple(one for one in (blocks, folds) if one is not None)
    if not found:
        raise DataError(str(folder), "the record of this run has no blocks", mend="Name a finished run, or its recipe.")
    return found


def maps_of_recipe(
    recipe: Path, bars: Path | None = None, *, symbol: str | None = None, overrides: tuple[str, ...] = (), profiles: tuple[str, ...] = ()
) -> tuple[FoldMap, ...]:
    """As `maps_of_run`, of a recipe: its labels are made and its splits drawn, and nothing is computed or fitted.

    Rows are taken to be ready once the features have warmed up; a run that finds holes in them leaves a few more out.

    Raises: as `barmill train` does of a recipe or bars that will not do.
    """
    from barmill.pipeline import read_recipe
    from barmill.pipeline.cutting import CutLabels, blocks_told, folds_told, labels_before_features
    from barmill.pipeline.development import Development
    from barmill.pipeline.inputs import gather_inputs

    read = read_recipe(recipe, overrides, profiles)
    inputs = gather_inputs(read, bars, symbol, recipe.parent)
    cut = CutLabels.of(labels_before_features(inputs), read, inputs.bars.timeframe)
    told = [map_of_blocks(Splits.model_validate(blocks_told(cut, inputs.bars)))]
    if read.cross_validation is not None:
        development = Development.of(cut.labels, cut.positions, read, inputs.bars)
        folds = folds_told(development, read.cross_validation.method, inputs.bars)
        told.append(map_of_folds(CrossValidation.model_validate(folds)))
    return tuple(one for one in told if one is not None)


__all__ = ["maps_of_recipe", "maps_of_run"]

"""Run kernels as plain Python (NUMBA_DISABLE_JIT=1) on what `test_every_feature` saved, and compare with what it found."""

import sys
from pathlib import Path

import numpy as np

from barmill.features import FEATURES
from barmill.features.kernels.kernel import BAR_ROWS

failed = 0
for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    spec, saved = FEATURES[path.stem], np.load(path)
    columns = {name.removeprefix("column "): saved[name] for name in saved.files if name.startswith("column ")}
    base = {name: values for name, values in columns.items() if name in BAR_ROWS}
    rows = [columns[name] for name in spec.further_inputs] + [saved[name] for name in saved.files if name.startswith("arg ")]
    try:
        with np.errstate(all="ignore"):
            out = spec.kernel.run(tuple(saved["numbers"].tolist()), *rows, **base)[spec.kernel.outputs.index(spec.output)]
        np.testing.assert_allclose(out, saved["said"], rtol=1e-9, atol=1e-12)
    except (IndexError, ValueError, ZeroDivisionError, AssertionError) as error:
        failed += 1
        print(f"{spec.name}: {type(error).__name__} {error}")
sys.exit(failed > 0)

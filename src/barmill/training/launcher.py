"""Starts the processes of one fit with torch's launcher and watches them: `python -m barmill.training.launcher FOLDER N`.

They meet through files in the fit's own folder, so no port is opened to find one another. If one ends, torch's agent ends the others.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from barmill.training.telling import end_with_input, tell

LOST = 3  # exit code of a process that ended because another one had


def launch(folder: Path, n: int) -> None:
    """Run `n` processes on the task in `folder`; exit code 1 after telling which of them failed first."""
    threading.Thread(target=end_with_input, args=(folder,), daemon=True).start()
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=n,
        run_id="fit",
        rdzv_backend="c10d",
        rdzv_endpoint=str(folder / "rendezvous"),
        rdzv_configs={"store_type": "file"},
        max_restarts=0,
        local_addr="127.0.0.1",
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "logs")),
    )
    try:
        elastic_launch(config, sys.executable)("-m", "barmill.training.rank", str(folder))
    except ChildFailedError as error:
        failures = error.failures
        # Those that the agent ended, or that lost touch, did so because of the one that is looked for.
        followed = (LOST, -signal.SIGTERM)
        rank = min(failures, key=lambda one: (failures[one].exitcode in followed, failures[one].timestamp, one))
        tell(event="ended", rank=rank, code=failures[rank].exitcode)
        sys.exit(1)


if __name__ == "__main__":
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    launch(Path(sys.argv[1]), int(sys.argv[2]))

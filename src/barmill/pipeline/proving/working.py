"""Worker: markets of a proof, one after another. `python -m barmill.pipeline.proving.working JOB`."""

import time
from typing import Any

from barmill.artefacts import readable_json, without_nan, write_new
from barmill.pipeline.dataset import load_bars
from barmill.pipeline.events import Listener
from barmill.pipeline.proving.job import ProofJob
from barmill.pipeline.proving.market_proof import prove_market
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Workspace


def prove_markets(raw: dict[str, Any], teller: Teller) -> None:
    """Do what is not done yet of the markets that the job names."""
    do_markets(ProofJob.model_validate(raw), teller)


def do_markets(job: ProofJob, listener: Listener) -> None:
    """As `prove_markets`, in this process. A market that is done is kept, whatever becomes of the next."""
    workspace = Workspace(job.root)
    like = load_bars(workspace.path(job.like.stage))
    began = time.perf_counter()
    for number, (task, ref) in enumerate(job.markets):
        listener.progressed(job.label, number, len(job.markets), task.name)
        if workspace.record(ref.stage) is None:
            found = prove_market(task, job.pipeline, like)
            with workspace.writing(ref.stage) as folder:
                write_new(folder / "market.json", readable_json(without_nan(found)))
    listener.progressed(job.label, len(job.markets), len(job.markets), "")
    listener.finished(job.label, time.perf_counter() - began)


if __name__ == "__main__":
    work(prove_markets)

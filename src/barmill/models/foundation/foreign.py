"""Other people's loaders, kept quiet and off the network."""

import contextlib
import logging
import os
import warnings
from collections.abc import Generator


@contextlib.contextmanager
def quiet_offline() -> Generator[None]:
    """Read from this machine alone, without progress bars and without talk that a user can do nothing about."""
    import transformers.utils.logging as talk

    before = os.environ.get("HF_HUB_OFFLINE")
    bars, verbosity = talk.is_progress_bar_enabled(), talk.get_verbosity()
    os.environ["HF_HUB_OFFLINE"] = "1"
    talk.disable_progress_bar()
    talk.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        talk.set_verbosity(verbosity)
        if bars:
            talk.enable_progress_bar()
        if before is None:
            os.environ.pop("HF_HUB_OFFLINE", None)
        else:
            os.environ["HF_HUB_OFFLINE"] = before

"""Where the weights of a foundation model lie on this machine. Nothing is fetched: who wants to, is told how."""

import importlib.util
from pathlib import Path

from barmill.artefacts import sha256
from barmill.errors import SetupError
from barmill.models.contract import ModelSpec
from barmill.models.foundation.params import FoundationParams

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def find_weights(model: str, model_id: str) -> Path:
    """The folder that holds `config.json` and `model.safetensors` of `model_id`: a folder itself, or a name in the hub's cache.

    Raises SetupError saying what to fetch, and how; no network is used.
    """
    place = f"model '{model}', model_id"
    folder = Path(model_id)
    if folder.is_dir():
        missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
        if missing:
            mend = "Give the folder into which `save_pretrained` wrote, or `hf download`."
            raise SetupError(place, f"{folder} lacks {' and '.join(missing)}", mend=mend)
        return folder
    if model_id.count("/") != 1 or folder.is_absolute() or model_id.startswith("."):
        raise SetupError(
            place, f"there is no folder {model_id}", mend="Give a folder, or a name on the hub such as amazon/chronos-bolt-small."
        )
    found = _in_the_hubs_cache(model_id)
    if found is None:
        mend = f"Fetch them once with `hf download {model_id} {CONFIG} {WEIGHTS}`, or give a folder that has them as config.model_id."
        raise SetupError(place, f"the weights of {model_id} are not on this machine", mend=mend)
    return found


def require_weights(spec: ModelSpec, params: FoundationParams) -> None:
    """Raise as `find_weights` does if the weights are not here."""
    find_weights(spec.name, params.weights_id)


def _in_the_hubs_cache(model_id: str) -> Path | None:
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    places = [try_to_load_from_cache(model_id, name) for name in (CONFIG, WEIGHTS)]
    paths = [Path(place) for place in places if isinstance(place, str)]
    return paths[0].parent if len(paths) == len(places) else None


def weights_digest(folder: Path) -> str:
    """One digest of the configuration and the weights: what a forecast depends on."""
    return sha256(b"".join(sha256((folder / name).read_bytes()).encode() for name in (CONFIG, WEIGHTS)))

"""Triton's clients, unchanged, against a server: `python triton_client.py HTTP_ADDRESS GRPC_ADDRESS CASES.npz` prints what each was told.

A program of its own: Triton's messages and ours have the same names, which one process cannot hold twice.
"""

import sys

import numpy as np
import orjson
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException


def told(kind: str, module, client, cases) -> dict:
    """What a client is told, for the same requests as each protocol makes them."""
    metadata = client.get_model_metadata("logistic", **({"as_json": True} if kind == "grpc" else {}))
    found = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready("logistic"),
        "other_ready": client.is_model_ready("other"),
        "server": client.get_server_metadata(**({"as_json": True} if kind == "grpc" else {}))["name"],
        "inputs": [[one["name"], one["datatype"], [int(size) for size in one["shape"]]] for one in metadata["inputs"]],
        "outputs": [one["name"] for one in metadata["outputs"]],
        "index": [[one["name"], one["version"], one["state"]] for one in _index(kind, client)],
    }
    ways = [("binary", {"binary_data": True}), ("json", {"binary_data": False})] if kind == "http" else [("raw", {})]
    for way, how in ways:
        found[way] = {}
        for parameters, names in (
            ({}, ["features"]),
            ({"last": 3}, ["bars", "open_time"]),
            ({"stream": f"{kind}-{way}"}, ["bars", "open_time"]),
        ):
            inputs = [_input(module, name, cases[name], how) for name in names]
            outputs = [module.InferRequestedOutput(name, **how) for name in cases["columns"].tolist()]
            result = client.infer("logistic", inputs, request_id="id-7", outputs=outputs, parameters=parameters)
            answer = result.get_response() if kind == "http" else {"id": result.get_response().id}
            assert answer["id"] == "id-7"
            key = next(iter(parameters), "features")
            found[way][key] = {name: result.as_numpy(name).tobytes().hex() for name in cases["columns"].tolist()}
    found["all"] = client.infer("logistic", [_input(module, "features", cases["features"], {})]).as_numpy("q50").tobytes().hex()
    try:
        client.infer("logistic", [_input(module, "features", cases["features"][:, :3].copy(), {})])
    except InferenceServerException as error:
        found["refused"] = str(error)
    return found


def _index(kind: str, client) -> list:
    index = client.get_model_repository_index(**({"as_json": True} if kind == "grpc" else {}))
    return index["models"] if kind == "grpc" else index


def _input(module, name: str, data: np.ndarray, how: dict):
    tensor = module.InferInput(name, list(data.shape), "INT64" if data.dtype == np.int64 else "FP64")
    tensor.set_data_from_numpy(data, **how)
    return tensor


if __name__ == "__main__":
    cases = np.load(sys.argv[3])
    with tritonclient.http.InferenceServerClient(sys.argv[1]) as over_http:
        http = told("http", tritonclient.http, over_http, cases)
    with tritonclient.grpc.InferenceServerClient(sys.argv[2]) as over_grpc:
        grpc = told("grpc", tritonclient.grpc, over_grpc, cases)
    sys.stdout.write(orjson.dumps({"http": http, "grpc": grpc}).decode())

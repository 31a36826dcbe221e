"""What our server is timed beside: one logistic graph behind a bare FastAPI service, MLServer and BentoML, written as their users would.

Each writes its files to a folder and says how it is begun, at which path it answers, and to which body. MLServer and BentoML are run by
an interpreter of their own, which has them and ONNX Runtime.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

GRAPH = "logistic.onnx"

SESSION = f"""
import sys
import numpy as np, onnxruntime as ort
def begin():
    options = ort.SessionOptions(); options.intra_op_num_threads = 1
    return ort.InferenceSession("{GRAPH}", options, providers=["CPUExecutionProvider"])
def forecast(session, rows):
    return session.run(None, {{"x": np.asarray(rows, dtype=np.float32)}})[0].ravel().tolist()
"""

FASTAPI = """
import sys
from fastapi import FastAPI
from pydantic import BaseModel
import session
opened = session.begin()
class Body(BaseModel):
    features: list[list[float]]
app = FastAPI()
@app.post("/forecast")
async def forecast(body: Body):
    return {"p_up": session.forecast(opened, body.features)}
import uvicorn
http, loop = ("httptools", "uvloop") if sys.argv[1] == "fast" else ("h11", "asyncio")
uvicorn.run(app, port=int(sys.argv[2]), http=http, loop=loop, log_level="error", access_log=False)
"""

BENTOML = """
import bentoml
import session
@bentoml.service(workers=1)
class Bare:
    def __init__(self) -> None:
        self.opened = session.begin()
    @bentoml.api
    async def forecast(self, features: list[list[float]]) -> dict[str, list[float]]:
        return {"p_up": session.forecast(self.opened, features)}
"""

MLSERVER = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
import numpy as np
import session
class Bare(MLModel):
    async def load(self) -> bool:
        self.opened = session.begin()
        return True
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        told = np.array(session.forecast(self.opened, NumpyCodec.decode_input(payload.inputs[0])))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("p_up", told)])
"""


class Peer(NamedTuple):
    """A server to begin and to ask. folder : that it is begun in"""

    command: list[str]
    folder: Path
    port: int
    path: str
    body: bytes


def write_session(folder: Path, n_features: int) -> None:
    """A logistic regression as an ONNX graph, and what all peers run it with."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.linspace(-0.1, 0.1, n_features, dtype=np.float32).reshape(n_features, 1)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", n_features])
    told = helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 1])
    graph = helper.make_graph(nodes, "logistic", [given], [told], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / GRAPH)
    (folder / "session.py").write_text(SESSION)


def fastapi(folder: Path, kind: str, port: int, row: list[float]) -> Peer:
    """FastAPI under uvicorn, of this interpreter. kind : "fast" with httptools on uvloop, "plain" as uvicorn comes by itself"""
    (folder / "bare.py").write_text(FASTAPI)
    return Peer([sys.executable, "bare.py", kind, str(port)], folder, port, "/forecast", json.dumps({"features": [row]}).encode())


def bentoml(folder: Path, python: str, port: int, row: list[float]) -> Peer:
    """BentoML, of the interpreter `python`."""
    (folder / "bare_bento.py").write_text(BENTOML)
    command = [str(Path(python).with_name("bentoml")), "serve", "bare_bento:Bare", "--host", "127.0.0.1", "--port", str(port)]
    return Peer(command, folder, port, "/forecast", json.dumps({"features": [row]}).encode())


def mlserver(folder: Path, python: str, ports: tuple[int, int, int], row: list[float]) -> Peer:
    """MLServer, of the interpreter `python`, in one process. ports : of HTTP, gRPC and its metrics"""
    (folder / "bare_mlserver.py").write_text(MLSERVER)
    http, grpc, metrics = ports
    told = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics, "parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(told))
    (folder / "model-settings.json").write_text(json.dumps({"name": "bare", "implementation": "bare_mlserver.Bare"}))
    given = {"name": "x", "shape": [1, len(row)], "datatype": "FP32", "data": row}
    command = [str(Path(python).with_name("mlserver")), "start", str(folder)]
    return Peer(command, folder, http, "/v2/models/bare/infer", json.dumps({"inputs": [given]}).encode())

"""The one way in which a graph of ours is run: on the CPU, on the calling thread alone."""

import onnxruntime as ort


def open_session(graph: bytes) -> ort.InferenceSession:
    """A session of the ONNX model `graph`; threads are the caller's affair, and what it complains of is told by our own checks."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

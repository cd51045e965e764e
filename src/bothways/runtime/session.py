"""Open a graph with onnxruntime."""

from typing import Any

from bothways.errors import MissingExtraError


def open_session(path: str, *, threads: int = 0) -> Any:
    """Give a session on the CPU, whose operations each use so many threads; 0 leaves it to onnxruntime.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("Predicting needs onnxruntime. Run: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

"""Open a graph with onnxruntime."""

from typing import Any

from bothways.errors import MissingExtraError


def open_session(path: str) -> Any:
    """Give a session on the CPU.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("Predicting needs onnxruntime. Run: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

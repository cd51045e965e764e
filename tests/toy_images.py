"""Small images in MNIST's format: what they show is which row is bright."""

import gzip
import struct
from pathlib import Path

import numpy as np

from bothways.data.idx import FILES


def idx_bytes(numbers: np.ndarray) -> bytes:
    """Write unsigned bytes as the format's description says."""
    return bytes([0, 0, 8, numbers.ndim]) + struct.pack(f">{numbers.ndim}I", *numbers.shape) + numbers.tobytes()


def write_images(
    folder: Path, *, train: int, test: int, size: tuple[int, int] = (4, 5), seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Write the four files; give the pixels and labels of each part."""
    folder.mkdir(exist_ok=True)
    chance = np.random.default_rng(seed)
    written = {}
    for part, count in (("train", train), ("test", test)):
        labels = chance.integers(0, size[0], size=count).astype(np.uint8)
        pixels = chance.integers(0, 60, size=(count, *size)).astype(np.uint8)
        pixels[np.arange(count), labels] += 150
        written[part] = (pixels, labels)
        for name, numbers in zip(FILES[part], written[part], strict=True):
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(numbers)))
    return written

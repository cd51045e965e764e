"""Images and their labels from idx files, the format that MNIST comes in.

An idx file is two zero bytes, a byte for the type of its numbers (8: unsigned bytes), a byte for the count of its axes,
the length of each axis as four bytes, the highest first, and the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bothways.data.files import opened
from bothways.errors import DataError, MissingFileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

FILES = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
         "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}  # fmt: skip
_UNSIGNED_BYTES = 8


@dataclass(frozen=True)
class Images:
    """Images of one size and what they show."""

    pixels: Bytes  # (N,height,width)
    labels: Bytes  # (N,)


def read_images(folder: Path) -> dict[str, Images]:
    """Read the parts "train" and "test" of a folder that holds MNIST's four files, packed (.gz) or not.

    Raises:
        MissingFileError: the folder, or one of the files, is not there.
        DataError: a file is no idx file, is cut, or does not fit the others.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is not a folder. Name the one that holds {FILES['train'][0]}.gz.")
    found = {}
    for part, (pixels, labels) in FILES.items():
        images, answers = (_find(folder, name) for name in (pixels, labels))
        one = Images(read_idx(images, axes=3), read_idx(answers, axes=1))
        if len(one.pixels) != len(one.labels):
            raise DataError(
                f"{images} holds {len(one.pixels)} images, but {answers} {len(one.labels)} labels. "
                "Both must come from the same data set."
            )
        if not one.pixels.size:
            raise DataError(f"{images} holds no images. At least one is needed.")
        found[part] = one
    sizes = [found[part].pixels.shape[1:] for part in FILES]
    if sizes[0] != sizes[1]:
        height, width = ("x".join(map(str, size)) for size in sizes)
        raise DataError(f"{folder} holds images of {height} to train on, but of {width} to test on. Use one data set.")
    return found


def read_idx(path: Path, *, axes: int) -> Bytes:
    """Read a file of unsigned bytes.

    Args:
        path: ending in .gz if packed.
        axes: how many the numbers must have.

    Raises:
        DataError: another format, another count of axes, or fewer or more numbers than the file says.
    """
    with opened(path) as file:
        content = file.read()
    start = 4 + 4 * axes
    if len(content) < start or content[:4] != bytes([0, 0, _UNSIGNED_BYTES, axes]):
        raise DataError(
            f"{path} begins with {content[:4].hex(' ') or 'nothing'}, but an idx file of bytes with {axes} "
            f"{'axis' if axes == 1 else 'axes'} begins with 00 00 08 0{axes}. Check that it is the right file."
        )
    shape = tuple(int(length) for length in np.frombuffer(content[4:start], ">u4"))
    wanted = int(np.prod(shape, dtype=object))
    if len(content) - start != wanted:
        raise DataError(
            f"{path} should hold {wanted} numbers ({' x '.join(map(str, shape))}), but it holds "
            f"{len(content) - start}. Copy or download it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise MissingFileError(f"{folder} has no {name}.gz. It must hold the four files of MNIST in idx format.")

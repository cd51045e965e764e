"""Images from idx files: what is read is what was written, and what is refused."""

import gzip
import struct

import numpy as np
import pytest

from bothways.data.idx import FILES, read_idx, read_images
from bothways.errors import DataError, MissingFileError
from toy_images import idx_bytes, write_images

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_what_is_read_is_what_was_written(tmp_path, shape):
    numbers = RANDOM.integers(0, 256, size=shape).astype(np.uint8)
    plain, packed = tmp_path / "numbers", tmp_path / "numbers.gz"
    plain.write_bytes(idx_bytes(numbers))
    packed.write_bytes(gzip.compress(idx_bytes(numbers)))
    for path in (plain, packed):
        np.testing.assert_array_equal(read_idx(path, axes=len(shape)), numbers)


def test_lengths_are_read_with_the_highest_byte_first(tmp_path):
    path = tmp_path / "long"
    path.write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 258) + bytes(258))
    assert read_idx(path, axes=1).shape == (258,)


def test_both_parts_are_read_packed_or_not(tmp_path):
    written = write_images(tmp_path, train=7, test=3)
    for name in FILES["test"]:
        (tmp_path / name).write_bytes(gzip.decompress((tmp_path / f"{name}.gz").read_bytes()))
        (tmp_path / f"{name}.gz").unlink()
    read = read_images(tmp_path)
    for part, (pixels, labels) in written.items():
        np.testing.assert_array_equal(read[part].pixels, pixels)
        np.testing.assert_array_equal(read[part].labels, labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing, but an idx file of bytes with 1 axis begins with 00 00 08 01"),
        (b"PK\x03\x04 and more", "begins with 50 4b 03 04, but an idx file"),
        (idx_bytes(np.zeros((2, 3), np.uint8)), "begins with 00 00 08 02, but"),
        (
            idx_bytes(np.zeros(9, np.uint8))[:-2],
            "should hold 9 numbers (9), but it holds 7. Copy or download it again.",
        ),
        (idx_bytes(np.zeros(9, np.uint8)) + b"x", "should hold 9 numbers (9), but it holds 10."),
    ],
)
def test_another_format_and_a_cut_file_are_refused(tmp_path, content, message):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError) as caught:
        read_idx(path, axes=1)
    assert str(caught.value).startswith(f"{path} ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_gz_is_refused(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(idx_bytes(RANDOM.integers(0, 256, 500).astype(np.uint8)))[:-30])
    with pytest.raises(DataError, match="is a cut or damaged .gz file"):
        read_idx(path, axes=1)


def test_a_folder_that_is_not_there_or_lacks_a_file_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="is not a folder. Name the one that holds train-images-idx3-ubyte.gz"):
        read_images(tmp_path / "nowhere")
    write_images(tmp_path, train=4, test=2)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(MissingFileError, match="has no t10k-labels-idx1-ubyte.gz. It must hold the four files"):
        read_images(tmp_path)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    write_images(tmp_path, train=4, test=2)
    other = tmp_path / "other"
    write_images(other, train=5, test=2, size=(3, 2))
    labels, pixels = (f"{name}.gz" for name in reversed(FILES["train"]))
    kept = (tmp_path / labels).read_bytes()
    (tmp_path / labels).write_bytes((other / labels).read_bytes())
    with pytest.raises(DataError, match="holds 4 images, but .* 5 labels. Both must come from the same data set."):
        read_images(tmp_path)
    (tmp_path / labels).write_bytes(kept)
    (tmp_path / pixels).write_bytes(gzip.compress(idx_bytes(np.zeros((4, 3, 2), np.uint8))))
    with pytest.raises(DataError, match="holds images of 3x2 to train on, but of 4x5 to test on. Use one data set."):
        read_images(tmp_path)
    (tmp_path / pixels).write_bytes(gzip.compress(idx_bytes(np.zeros((0, 4, 5), np.uint8))))
    (tmp_path / labels).write_bytes(gzip.compress(idx_bytes(np.zeros(0, np.uint8))))
    with pytest.raises(DataError, match="holds no images. At least one is needed."):
        read_images(tmp_path)

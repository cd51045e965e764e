"""Find out how a text file is encoded, by reading all of it once, as a stream.

A byte-order mark decides. Without one, valid UTF-8 is UTF-8. What is not valid UTF-8 is refused when much of it is (a
damaged UTF-8 file) or when it does not look like Western European text (there, bytes above 127 seldom stand together,
while in Cyrillic, Chinese or binary data they do); else it is latin-1, or cp1252 if a character is used that latin-1
lacks. Nothing is guessed between encodings that such rules cannot tell apart: the user is asked.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bothways.data.files import opened
from bothways.errors import DataError, SettingsError, counted

_BLOCK = 1 << 20
# UTF-32's mark begins with UTF-16's, so it is asked for first.
_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_ORDERS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip or Excel file: unpack it, or save the sheet as CSV",
    b"\x1f\x8b": "a gzip file: its name should end in .gz",
    b"PAR1": "a Parquet file: its name should end in .parquet",
}
_NUL_SHARE = 0.25  # ASCII in UTF-16 has one half
_CONTROL_SHARE = 0.1
_VALID_SHARE = 0.2
_NEIGHBOUR_SHARE = 0.3
_CONTROLS = [byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b"]


@dataclass(frozen=True)
class _Decoding:
    """What one reading of a file under one encoding found; `fault` says the first broken byte and its line."""

    characters: int
    nuls: int
    fault: str | None


def find_encoding(path: Path, encoding: str = "auto") -> tuple[str, list[str]]:
    """Return the codec that reads the whole file, and what the user should be told about it.

    Args:
        path: a text file, or .gz of one.
        encoding: "auto", or the name of the encoding, which is then obeyed.

    Raises:
        SettingsError: no encoding has that name.
        DataError: a byte cannot be read under the encoding, or none can be chosen; names the byte and its line.
    """
    codec, notes = _known(path, encoding)
    decoding = _decode(path, codec)
    if decoding.fault and encoding == "auto" and codec == "utf-8":
        codec = _western(path, decoding.fault)
        notes = [f"{path.name} is read as {codec}."]
        decoding = _decode(path, codec)
    if decoding.fault:
        advice = "Choose another with --encoding, or save the file as UTF-8."
        raise DataError(f"{path.name} cannot be read as {codec}: {decoding.fault} is broken. {advice}")
    if encoding == "auto" and decoding.nuls > _NUL_SHARE * decoding.characters:
        advice = "Name its encoding, for example --encoding utf-16-le, or save it as UTF-8."
        raise DataError(f"{path.name} holds {decoding.nuls:,} NUL characters: it is not plain text. {advice}")
    if decoding.nuls:
        notes.append(f"{path.name} holds {counted(decoding.nuls, 'NUL character')}, kept as found.")
    return codec, notes


def _known(path: Path, encoding: str) -> tuple[str, list[str]]:
    """Return the codec that was asked for, or the one that the file's first bytes tell (UTF-8 if they tell none)."""
    if encoding != "auto":
        try:
            codecs.getincrementaldecoder(encoding)
            "x".encode(encoding)  # refuses codecs that are no text encoding
        except (LookupError, ValueError):
            known = "auto, utf-8, utf-16, cp1252, latin-1, or another name that Python knows"
            raise SettingsError(f"encoding is {encoding!r}, but it must be one of: {known}.") from None
        name = codecs.lookup(encoding).name
        if name == "utf-8":
            return "utf-8-sig", []
        with opened(path) as file:
            start = file.read(4)
        if name in ("utf-16", "utf-32"):
            if start and not start.startswith(_ORDERS[name]):
                raise DataError(
                    f"{path.name} cannot be read as {encoding}: it has no byte order mark. Choose {name}-le or "
                    f"{name}-be with --encoding, or save the file as UTF-8."
                )
        elif start.startswith(_ORDERS.get(name[:6], ())) and name[6:] in ("-le", "-be"):
            return name[:6], []  # which takes the mark off
        return encoding, []
    with opened(path) as file:
        start = file.read(4)
    for magic, meaning in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise DataError(f"{path.name} is {meaning}.")
    for mark, codec in _MARKS:
        if start.startswith(mark):
            return codec, [] if codec == "utf-8-sig" else [f"{path.name} is read as {codec}."]
    return "utf-8", []


def _blocks(path: Path) -> Iterator[bytes]:
    with opened(path) as file:
        while block := file.read(_BLOCK):
            yield block
    yield b""


def _decode(path: Path, codec: str) -> _Decoding:
    """Read the whole file under one encoding, up to its first broken byte."""
    decoder = codecs.getincrementaldecoder(codec)()
    characters = nuls = lines = 0
    for block in _blocks(path):
        try:
            text = decoder.decode(block, not block)
        except UnicodeDecodeError as error:
            line = lines + error.object[: error.start].decode(codec, "ignore").count("\n") + 1
            return _Decoding(characters, nuls, f"byte 0x{error.object[error.start]:02X} in line {line:,}")
        characters += len(text)
        nuls += text.count("\0")
        lines += text.count("\n")
    return _Decoding(characters, nuls, None)


def _western(path: Path, fault: str) -> str:
    """Choose between latin-1 and cp1252 for a file that is not UTF-8, or refuse it."""
    import numpy as np  # here, because its import takes longer than reading most files

    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    counts = np.zeros(256, np.int64)
    valid = neighbours = 0
    for block in _blocks(path):
        values = np.frombuffer(block, np.uint8)
        counts += np.bincount(values, minlength=256)
        high = values >= 0x80
        neighbours += int(np.count_nonzero(high[1:] & high[:-1]))
        text = decoder.decode(block, not block)
        valid += len(text.encode()) - len(text)  # bytes of UTF-8 past each character's first
    high_bytes = int(counts[0x80:].sum())
    if counts[_CONTROLS].sum() > _CONTROL_SHARE * counts.sum():
        raise DataError(f"{path.name} is not text: {fault} is not UTF-8, and control characters stand all over it.")
    if valid > _VALID_SHARE * high_bytes:
        advice = "Repair that place, or read it otherwise, for example with --encoding cp1252."
        raise DataError(f"{path.name} is UTF-8, but {fault} is broken. {advice}")
    undefined = sum(int(counts[byte]) for byte in b"\x81\x8d\x8f\x90\x9d")
    if undefined or neighbours > _NEIGHBOUR_SHARE * high_bytes:
        advice = "Name its encoding, for example --encoding gb18030, shift_jis or cp1251, or save it as UTF-8."
        raise DataError(f"{path.name} is neither UTF-8 ({fault} is broken) nor Western European text. {advice}")
    return "cp1252" if counts[0x80:0xA0].any() else "latin-1"

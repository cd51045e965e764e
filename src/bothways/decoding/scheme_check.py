"""Check the tags of a file against a scheme, declared or detected; faults are named by file and line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bothways.decoding import schemes
from bothways.decoding.schemes import NAMES, SCHEMES, Detected, Fault, Scheme
from bothways.errors import DataError, check_choice

if TYPE_CHECKING:
    from bothways.data.tagged_sentences import TaggedSentences


def check_scheme(
    sentences: TaggedSentences, scheme: Scheme | Literal["auto"] = "auto", *, repair: bool = False
) -> tuple[TaggedSentences, Scheme]:
    """Return sentences whose tags are legal, with notes of what was detected and repaired, and their scheme.

    Args:
        sentences: as read; they are not changed.
        scheme: "auto" to detect it, or the scheme, which is then obeyed.
        repair: read a misplaced tag as `schemes.repair` does, where it is an error otherwise.

    Raises:
        SettingsError: no scheme has that name.
        DataError: a tag is misplaced and `repair` is not asked for; a tag is not of the scheme; the tags look like
            another scheme than the one declared. Names the file and the line.
    """
    check_choice("scheme", scheme, ("auto", *SCHEMES))
    detected = schemes.detect(sentences.tags)
    notes = list(sentences.notes)
    if scheme == "auto":
        scheme = detected.scheme
        notes.append(f"{sentences.name}: {detected.note}")
    fault = schemes.first_fault(sentences.tags, scheme)
    if fault is None:
        return replace(sentences, notes=notes), scheme
    place = sentences.where(fault.sentence, fault.position)
    if fault.repaired is None or _contradicts(scheme, detected):
        raise DataError(f"{place}: {fault.why}. {_advice(fault, scheme, detected)}")
    if not repair:
        raise DataError(
            f"{place}: {fault.why}, which {NAMES[scheme]} forbids. Correct it, or train with --repair to read it as "
            f"{fault.repaired}."
        )
    tags, count = schemes.repair(sentences.tags, scheme)
    plural = "s" if count > 1 else ""
    notes.append(
        f"{sentences.name}: {count:,} misplaced tag{plural} repaired, the first in {place}: {fault.why} is read as "
        f"{fault.repaired}."
    )
    return replace(sentences, tags=tags, notes=notes), scheme


def _contradicts(scheme: Scheme, detected: Detected) -> bool:
    """Say whether the tags are of a scheme that could be repaired into the one declared, but was not meant.

    Every BIO tag is one of BIOES too. IO declared as BIO is let through: it may be IOB1, which repair is for.
    """
    return scheme == "bioes" and detected.scheme != "bioes"


def _advice(fault: Fault, scheme: Scheme, detected: Detected) -> str:
    if scheme == detected.scheme:
        return "Correct it, or read all tags as plain ones with --scheme none."
    return (
        f"The tags look like {NAMES[detected.scheme]}, but {NAMES[scheme]} is declared. Give --scheme "
        f"{detected.scheme}, or correct the tags."
    )

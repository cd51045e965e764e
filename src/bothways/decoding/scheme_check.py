"""Check the tags of a file against a scheme, declared or detected; faults are named by file and line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bothways.decoding import schemes
from bothways.decoding.schemes import NAMES, SCHEMES, Detected, Fault, Scheme
from bothways.errors import DataError, check_choice, counted

if TYPE_CHECKING:
    from bothways.data.tagged_sentences import TaggedSentences


def check_scheme(
    sentences: TaggedSentences,
    scheme: Scheme | Literal["auto"] = "auto",
    *,
    repair: bool = False,
    of_model: bool = False,
) -> tuple[TaggedSentences, Scheme]:
    """Return sentences whose tags are legal, with notes of what was detected and repaired, and their scheme.

    Args:
        sentences: as read; they are not changed.
        scheme: "auto" to detect it, or the scheme, which is then obeyed.
        repair: read a misplaced tag as `schemes.repair` does, where it is an error otherwise.
        of_model: the scheme is that of a model, not one that the user can choose here.

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
        raise DataError(f"{place}: {fault.why}. {_advice(fault, scheme, detected, of_model)}")
    if not repair:
        raise DataError(
            f"{place}: {fault.why}, which {NAMES[scheme]} forbids. Correct it, or read it as {fault.repaired} with "
            "--repair."
        )
    tags, count = schemes.repair(sentences.tags, scheme)
    notes.append(
        f"{sentences.name}: {counted(count, 'misplaced tag')} repaired, the first in {place}: {fault.why} is read as "
        f"{fault.repaired}."
    )
    return replace(sentences, tags=tags, notes=notes), scheme


def check_like(sentences: TaggedSentences, scheme: Scheme, *, repair: bool = False) -> TaggedSentences:
    """Return sentences whose tags are legal in the scheme of a model, with notes.

    Tags of BIO are turned into BIOES and those of BIOES into BIO where the model has the other, which loses nothing.
    Arguments and errors are those of `check_scheme`.
    """
    found = schemes.detect(sentences.tags).scheme
    if {found, scheme} == {"bio", "bioes"} and schemes.first_fault(sentences.tags, scheme) is not None:
        sentences, _ = check_scheme(sentences, found, repair=repair, of_model=True)
        tags = schemes.convert(sentences.tags, found, scheme)
        note = f"{sentences.name}: the tags are {NAMES[found]} and are read as {NAMES[scheme]}, which the model has."
        return replace(sentences, tags=tags, notes=[*sentences.notes, note])
    return check_scheme(sentences, scheme, repair=repair, of_model=True)[0]


def _contradicts(scheme: Scheme, detected: Detected) -> bool:
    """Say whether the tags are of a scheme that could be repaired into the one declared, but was not meant.

    Every BIO tag is one of BIOES too. IO declared as BIO is let through: it may be IOB1, which repair is for.
    """
    return scheme == "bioes" and detected.scheme != "bioes"


def _advice(fault: Fault, scheme: Scheme, detected: Detected, of_model: bool) -> str:
    if of_model:
        return f"The model's tags are {NAMES[scheme]}. Correct these, or train a model on such tags."
    if scheme == detected.scheme:
        return "Correct it, or read all tags as plain ones with --scheme none."
    return (
        f"The tags look like {NAMES[detected.scheme]}, but {NAMES[scheme]} is declared. Give --scheme "
        f"{detected.scheme}, or correct the tags."
    )

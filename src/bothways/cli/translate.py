"""What the commands that serve every task print of a translator."""

import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from bothways.bundle import literal
from bothways.cli.output import print_json
from bothways.errors import SettingsError

if TYPE_CHECKING:
    from bothways.decoding.translation import Translation
    from bothways.settings import TooLong


def show_translations(
    model: Path,
    texts: list[str] | None,
    *,
    beam_size: int | None,
    n_best: int,
    copy_unknown: bool,
    too_long: "TooLong | None",
    attention: Path | None,
    as_json: bool,
) -> None:
    """Translate texts, or the lines of standard input: a line out for each line in, in the same order."""
    from bothways.decoding.translation import Tally
    from bothways.runtime import load
    from bothways.runtime.translator import TranslatorRuntime, whole_lines

    runner: TranslatorRuntime = load(model)
    if attention is not None:
        _check_picture(runner.has_attention)
    tally = Tally()
    named = "text" if texts else "line"
    number = 0
    first: Translation | None = None
    for lines in [texts] if texts else whole_lines([] if sys.stdin is None else sys.stdin.buffer):
        found = runner.translate(
            lines,
            beam_size=beam_size,
            n_best=n_best,
            copy_unknown=copy_unknown,
            too_long=too_long,
            tally=tally,
            where=lambda row: f"{named} {row + 1:,}",
        )
        for line, some in zip(lines, found, strict=True):
            number += 1
            if first is None and line.strip():
                first = some[0]
            _show(number, line, some, n_best=n_best, as_json=as_json)
    for note in tally.notes(lambda row: f"{named} {row + 1:,}", runner.max_length):
        print(literal(note), file=sys.stderr)
    if attention is not None and first is not None:
        from bothways.training.pictures import draw_attention

        draw_attention(first, attention)


def _show(number: int, line: str, some: "list[Translation]", *, n_best: int, as_json: bool) -> None:
    """Print the translations of one text: the best on a line; or the best few, with the text's number and scores."""
    if as_json:
        print_json({"source": line, "translations": [one.to_dict() for one in some]})
    elif n_best == 1:
        print(_printed(some[0].text))
    else:
        for one in some:
            text = _printed(one.text).replace("\t", " ")
            print(f"{number}\t{one.score:.4f}\t{text}")


def _printed(text: str) -> str:
    """A translation as a file would hold it, and no harm to a terminal: control characters are made visible."""
    from bothways.runtime.translator import as_line

    return "".join(
        char if char == "\t" or unicodedata.category(char) != "Cc" else literal(char) for char in as_line(text)
    )


def _check_picture(has_attention: bool) -> None:
    if not has_attention:
        raise SettingsError("--attention draws what the model looks at, but it was trained without. Leave it out.")


def translate_whole_file(
    model: Path,
    data: Path,
    out: Path,
    *,
    source: str | None,
    encoding: str,
    beam_size: int | None,
    copy_unknown: bool,
    too_long: "TooLong | None",
    force: bool,
) -> None:
    """Write the translations of a file."""
    from bothways.runtime import load
    from bothways.runtime.translator import translate_file

    notes = translate_file(
        load(model),
        data,
        out,
        source=source,
        encoding=encoding,
        beam_size=beam_size,
        copy_unknown=copy_unknown,
        too_long=too_long,
        force=force,
    )
    for note in notes:
        print(literal(note), file=sys.stderr)


def show_evaluation(
    model: Path,
    data: Path,
    targets: Path | None,
    *,
    source: str | None,
    target: str | None,
    encoding: str,
    beam_size: int | None,
    too_long: "TooLong | None",
    as_json: bool,
) -> None:
    """Score a translator and print it."""
    from bothways.training.translation_evaluation import evaluate_translator

    found = evaluate_translator(
        model, data, targets, source=source, target=target, encoding=encoding, beam_size=beam_size, too_long=too_long
    )
    for note in found.notes:
        print(literal(note), file=sys.stderr)
    if as_json:
        print_json({"model": str(model), "data": str(data), **found.to_dict()})
        return
    scores = found.scores
    low, high = scores.bleu_interval
    print(f"{scores.sentences:,} sources, beam {found.beam_size}. In brackets: 95% bootstrap interval.")
    print(f"BLEU   {scores.bleu:.2f}  ({low:.2f} to {high:.2f})  {scores.bleu_signature}")
    print(f"chrF   {scores.chrf:.2f}  {scores.chrf_signature}")
    print(f"exact  {scores.exact:.4f}")
    print(f"length {scores.length_ratio:.3f} of the references'")
    for name, score in found.baselines.items():
        print(
            f"  {name + ' baseline:':<16}BLEU {score['bleu']:.2f}  chrF {score['chrf']:.2f}  exact {score['exact']:.4f}"
        )
    print(f"{found.seconds:.1f} s, {scores.sentences / max(1e-9, found.seconds):,.0f} sources a second")

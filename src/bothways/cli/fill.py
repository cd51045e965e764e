"""bothways fill: the missing words of texts, and what the commands that serve every task print of such a model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bothways.bundle import literal
from bothways.cli.output import print_json


def fill(
    model: Annotated[Path, typer.Argument(help="folder written by 'bothways train fill'")],
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="texts with ___ where a word is missing; lines of standard input if there are none"),
    ] = None,
    *,
    k: Annotated[int, typer.Option("--k", help="most words to propose for a gap")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line, with all words proposed")] = False,
) -> None:
    """Fill the gaps of texts with the likeliest words.

    Prints each text with its best words, and below it the words for every gap. Several gaps of one text are filled one
    after another, the surest first.

    Example: bothways fill gaps "I am ___ hungry"
    """
    from bothways.bundle import open_folder
    from bothways.cli.texts import lines, refuse_half_characters
    from bothways.errors import DataError, ModelFolderError
    from bothways.runtime.infiller import InfillerRuntime

    refuse_half_characters(texts or [])
    folder = open_folder(model)
    if folder.task != "fill":
        writes = folder.task == "language" and not folder.description["settings"]["two_way"]
        better = "bothways generate" if writes else "bothways predict"
        raise ModelFolderError(
            f"{model} was trained to {folder.task!r}, which fills no gaps. "
            f"Train a model with 'bothways train fill', or use '{better}'."
        )
    runner = InfillerRuntime(folder)
    given = texts or lines()
    for number, text in enumerate(given, start=1):
        try:
            runner.check(text)
        except DataError as error:
            if len(given) == 1:
                raise
            raise DataError(f"{'Text' if texts else 'Line'} {number:,}: {error}") from error
    for text in given:
        filling = runner.fill(text, k)
        unknown = runner.unknown_words(text)
        if unknown:
            named = ", ".join(repr(word) for word in unknown[:5])
            print(literal(f"The model never saw {named}, and reads <unk> there."), file=sys.stderr)
        if as_json:
            gaps = [[[word, round(probability, 6)] for word, probability in gap] for gap in filling.gaps]
            print_json({"text": text, "filled": filling.text, "gaps": gaps})
            continue
        print(literal(filling.text))
        for number, gap in enumerate(filling.gaps, start=1):
            if len(filling.gaps) > 1:
                print(f"  gap {number}")
            for word, probability in gap:
                print(f"  {probability:.3f}\t{literal(word)}")


def show_evaluation(model: Path, data: Path, *, text: str | None, encoding: str, as_json: bool) -> None:
    """Score a model of missing words and print it."""
    from bothways.training.infilling_evaluation import evaluate_infiller

    found = evaluate_infiller(model, data, text=text, encoding=encoding)
    for note in found.notes:
        print(literal(note), file=sys.stderr)
    if as_json:
        print_json({"model": str(model), "data": str(data), **found.to_dict()})
        return
    scores = found.scores
    print(f"{scores.words:,} words, each predicted from all others. In brackets: 95% bootstrap interval.")
    low, high = scores.accuracy_interval
    print(f"accuracy            {scores.accuracy:.4f}  ({low:.4f} to {high:.4f})")
    low, high = scores.interval
    print(f"pseudo-perplexity   {scores.perplexity:.2f}  ({low:.2f} to {high:.2f})")
    for name, score in found.baselines.items():
        print(f"  {name + ' baseline:':<18}accuracy {score['accuracy']:.4f}  perplexity {score['perplexity']:.2f}")

"""bothways generate: continue a text with a language model."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from bothways.bundle import literal
from bothways.cli.options import with_settings
from bothways.cli.output import print_json
from bothways.settings import GenerationSettings


@with_settings(GenerationSettings)
def generate(
    model: Annotated[Path, typer.Argument(help="folder written by 'bothways train language'")],
    *,
    prompt: Annotated[str, typer.Option("--prompt", help="what the text begins with")] = "",
    condition: Annotated[
        str | None,
        typer.Option("--condition", help="label or number to write on; several numbers with commas between: 1999,3.5"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the texts as one JSON object")] = False,
    settings: GenerationSettings,
) -> None:
    """Write a text, token by token as it is made.

    Examples: bothways generate novel --prompt "I enjoy" --temperature 0.8 --top-k 40 --seed 7
              bothways generate writer --condition positive
    """
    from bothways.bundle import open_folder
    from bothways.cli.texts import refuse_half_characters
    from bothways.errors import ModelFolderError
    from bothways.runtime.language_model import LanguageModelRuntime

    folder = open_folder(model)
    if folder.task != "language":
        better = "fill" if folder.task == "fill" else "predict"
        raise ModelFolderError(
            f"{model} was trained to {folder.task!r}, which writes no text. "
            f"Train a model with 'bothways train language', or use 'bothways {better}'."
        )
    refuse_half_characters([prompt])
    runner = LanguageModelRuntime(folder)
    pieces = runner.pieces(prompt, settings, condition)  # which may refuse, and then nothing was printed
    unknown = runner.unknown_words(prompt)
    if unknown:
        named = ", ".join(repr(word) for word in unknown[:5])
        print(literal(f"The model never saw {named} of the prompt, and reads <unk> there."), file=sys.stderr)
    if settings.samples == 1 and not as_json:
        print(_safe(prompt), end="")
        for _, piece in pieces:
            print(_safe(piece), end="", flush=True)
        print()
        return
    texts = [prompt] * settings.samples
    for number, piece in pieces:
        texts[number] += piece
    if as_json:
        print_json({"prompt": prompt, **({} if condition is None else {"condition": condition}), "texts": texts})
        return
    for number, text in enumerate(texts, start=1):
        print(f"--- {number}")
        print(_safe(text))


def _safe(text: str) -> str:
    """Text to print: line ends and tabs stay, other control characters become visible."""
    return re.sub(r"[^\n\t]+", lambda part: literal(part[0]), text)

"""bothways explain: what each word adds to a prediction, read forwards and read backwards."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways import require_training
from bothways.bundle import literal, open_folder
from bothways.cli.output import print_json
from bothways.cli.texts import refuse_half_characters
from bothways.errors import ModelFolderError, SettingsError, counted

if TYPE_CHECKING:
    from bothways.lab.encoder_inputs import EncoderInput
    from bothways.lab.explaining import Explanation

_WIDEST_BAR = 24


def explain(
    model: Annotated[Path, typer.Argument(help="folder of a classifier, a tagger, or a model of intents")],
    text: Annotated[str, typer.Argument(help="the text")],
    *,
    label: Annotated[
        str | None, typer.Option("--label", help="the answer to explain: a label, tag or intent; else the likeliest")
    ] = None,
    word: Annotated[
        int | None, typer.Option("--word", help="of a tagger: the number of the word whose tag is explained, from 1")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="draw the contributions in this PNG")] = None,
    gates: Annotated[
        Path | None, typer.Option("--gates", help="draw in this PNG how far the top layer's gates open at each word")
    ] = None,
    states: Annotated[
        Path | None, typer.Option("--states", help="draw in this PNG how each word moves the states, either way")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as one JSON object")] = False,
) -> None:
    """Show what each word adds to the log odds of an answer, by integrated gradients.

    Contributions are split into what was read from the left (forwards) and from the right (backwards), and add up to
    the log odds of the text less those of nothing, where the vector of every word is zero.

    Examples: bothways explain reviews-model "Well made, but I was bored."
              bothways explain names "Teddy Roosevelt was a great president" --word 1 --plot why.png
              bothways explain reviews-model "Well made, but I was bored." --gates gates.png --states states.png
    """
    refuse_half_characters([text])
    folder = open_folder(model)
    if folder.task not in ("classify", "tag", "intent"):
        raise ModelFolderError(
            f"{model} was trained to {folder.task!r}, which is not explained. Use a classifier, a tagger or intents."
        )
    if folder.task == "classify" and word is not None:
        raise SettingsError("--word is for taggers, but the model gives one label to the whole text. Leave it out.")
    if folder.task == "tag" and word is None:
        raise SettingsError("A tagger has an answer for each word: name one by its number, such as --word 1.")
    require_training()
    from bothways.lab.gate_pictures import draw_gates, draw_states
    from bothways.lab.gates import gates_of_all_ways
    from bothways.lab.states import states_of

    found, given = _explained(model, folder.task, text, label, word)
    if given.cut:
        steps = counted(len(given.words), "step")
        print(f"1 text cut after {steps}; what follows is neither read nor explained.", file=sys.stderr)
    opened = None if gates is None else gates_of_all_ways(given.encoder, given.steps)
    if as_json:
        print_json(_as_json(found))
    else:
        _show(found)
    if plot is not None:
        from bothways.training.pictures import draw_contributions

        draw_contributions(found.words, found.forward, found.backward, found.label, found.probability, plot)
    if gates is not None and opened is not None:
        draw_gates(opened, given.words, gates)
    if states is not None:
        draw_states(states_of(given.encoder, given.steps), given.words, states)


def _explained(
    model: Path, task: str, text: str, label: str | None, word: int | None
) -> tuple["Explanation", "EncoderInput"]:
    """Explain an answer, and give what the model's reader was given."""
    from bothways.lab.encoder_inputs import input_of_text, input_of_words
    from bothways.lab.explaining import explain_intent, explain_text, explain_word

    if task == "classify":
        from bothways.training.saving import load_classifier

        classifier = load_classifier(model)
        return explain_text(classifier, text, label=label), input_of_text(classifier, text)
    from bothways.decoding.tagging import words_of
    from bothways.training.saving_tagger import load_tagger

    trained, ((spans,), (words,)) = load_tagger(model, task=task), words_of([text])
    if word is None:
        found = explain_intent(trained, words, intent=label, spans=spans)
    else:
        found = explain_word(trained, words, word - 1, tag=label, spans=spans)
    return found, input_of_words(trained, words, spans)


def _show(found: "Explanation") -> None:
    print(
        f"{literal(found.label)}\t{found.probability:.3f}\tlog odds {found.score:+.2f}, of nothing (every vector zero) "
        f"{found.empty:+.2f}"
    )
    print("    sum  forwards  backwards")
    largest = max(float(abs(found.contributions).max()), 1e-9)
    for word, total, left, right in zip(found.words, found.contributions, found.forward, found.backward, strict=True):
        bar = ("+" if total > 0 else "-") * round(_WIDEST_BAR * abs(total) / largest)
        print(f"{total:+7.2f}  {left:+8.2f}  {right:+9.2f}  {literal(word)}  {bar}".rstrip())
    print(f"{found.contributions.sum():+7.2f}  {found.forward.sum():+8.2f}  {found.backward.sum():+9.2f}  all words")


def _as_json(found: "Explanation") -> dict[str, object]:
    return {
        "label": found.label,
        "probability": round(found.probability, 6),
        "log_odds": round(found.score, 6),
        "log_odds_of_nothing": round(found.empty, 6),
        "words": [
            {
                "text": word,
                "start": start,
                "end": end,
                "forward": round(float(left), 6),
                "backward": round(float(right), 6),
            }
            for word, (start, end), left, right in zip(
                found.words, found.spans, found.forward, found.backward, strict=True
            )
        ],
    }

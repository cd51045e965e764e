"""What the commands that serve every task print of a tagger."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bothways.bundle import literal
from bothways.cli.output import print_json
from bothways.errors import counted

if TYPE_CHECKING:
    from bothways.decoding.tagging import IntentRunner, TagRunner


def show_evaluation(
    model: Path,
    data: Path,
    *,
    columns: str | None,
    encoding: str,
    repair: bool,
    predicted: Path | None,
    as_json: bool,
) -> None:
    """Score a tagger and print it."""
    from bothways.training.tagging_evaluation import evaluate_tagger

    found = evaluate_tagger(model, data, columns=columns, encoding=encoding, repair=repair, predicted=predicted)
    for note in found.notes:
        print(literal(note), file=sys.stderr)
    if as_json:
        print_json({"model": str(model), "data": str(data), **found.to_dict()})
        return
    scores = found.scores
    counts = f"{counted(scores.sentences, 'sentence')}, {counted(scores.words, 'word')}"
    print(f"{counts}. In brackets: 95% bootstrap interval.")
    if scores.intent_accuracy is not None and scores.intent_interval is not None:
        low, high = scores.intent_interval
        print(f"intents           {scores.intent_accuracy:.4f}  ({low:.4f} to {high:.4f})")
        for name, score in found.intent_baselines.items():
            print(f"  {name + ' baseline:':<20}accuracy {score['accuracy']:.4f}")
    if scores.f1 is not None and scores.f1_interval is not None:
        low, high = scores.f1_interval
        print(f"F1 of entities    {scores.f1:.4f}  ({low:.4f} to {high:.4f})")
        print(f"precision, recall {scores.precision:.4f}  {scores.recall:.4f}")
    low, high = scores.accuracy_interval
    print(f"accuracy          {scores.accuracy:.4f}  ({low:.4f} to {high:.4f})")
    if scores.unknown_accuracy is not None:
        print(f"  {scores.unknown:,} words that training never had: {scores.unknown_accuracy:.4f}")
    print(f"whole sentences   {scores.sentence_accuracy:.4f}")
    for name, score in found.baselines.items():
        print(f"  {name + ' baseline:':<20}{_main(score)}")
    if found.verdict is not None:
        print(found.verdict)
    title = "tag" if scores.f1 is None else "entity"
    width = max([len(title), *map(len, map(literal, scores.by_name))])
    print(f"{title:<{width}}  precision  recall      F1  in truth")
    for name, share in scores.by_name.items():
        print(
            f"{literal(name):<{width}}  {share.precision:9.4f}  {share.recall:.4f}  {share.f1:.4f}  {share.support:8,}"
        )
    if scores.confused:
        print("most confused (right, given): " + ", ".join(
            f"{literal(one)} {literal(other)} {count:,}" for one, other, count in scores.confused[:6]
        ))  # fmt: skip


def _main(score: dict[str, Any]) -> str:
    if score["f1"] is None:
        return f"accuracy {score['accuracy']:.4f}"
    return f"F1 {score['f1']:.4f}  accuracy {score['accuracy']:.4f}"


def show_predictions(model: Path, texts: list[str], *, as_json: bool) -> None:
    """Print each text's words with their tags."""
    from bothways.runtime import load

    runner: TagRunner = load(model)
    for tagged in runner.tag_texts(texts):
        if as_json:
            print_json(tagged.to_dict())
        else:
            pairs = zip(tagged.words, tagged.tags, strict=True)
            print("  ".join(f"{literal(word)}/{literal(tag)}" for word, tag in pairs))


def show_intents(model: Path, texts: list[str], *, as_json: bool) -> None:
    """Print what each text asks for, and its words with their tags."""
    from bothways.runtime import load

    runner: IntentRunner = load(model)
    for parsed in runner.parse(texts):
        if as_json:
            print_json(parsed.to_dict())
            continue
        tagged = zip(parsed.tagged.words, parsed.tagged.tags, strict=True)
        pairs = "  ".join(f"{literal(word)}/{literal(tag)}" for word, tag in tagged)
        print(f"{literal(parsed.intent)}\t{parsed.intents[parsed.intent]:.3f}\t{pairs}")


def tag_whole_file(model: Path, data: Path, out: Path, *, columns: str | None, encoding: str, force: bool) -> None:
    """Write the words of a file with their tags."""
    from bothways.runtime import load
    from bothways.runtime.tagger import tag_file

    for note in tag_file(load(model), data, out, columns=columns, encoding=encoding, force=force):
        print(literal(note), file=sys.stderr)

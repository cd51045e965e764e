"""What the commands that serve every task print of a language model."""

import sys
from pathlib import Path

from bothways.bundle import literal
from bothways.cli.output import print_json


def show_evaluation(
    model: Path, data: Path, *, text: str | None, condition: str | None, encoding: str, as_json: bool
) -> None:
    """Score a language model and print it."""
    from bothways.training.language_evaluation import evaluate_language_model

    found = evaluate_language_model(model, data, text=text, condition=condition, encoding=encoding)
    for note in found.notes:
        print(literal(note), file=sys.stderr)
    if as_json:
        print_json({"model": str(model), "data": str(data), **found.to_dict()})
        return
    scores = found.scores
    low, high = scores.interval
    print(f"{scores.tokens:,} tokens, {scores.characters:,} characters. In brackets: 95% bootstrap interval.")
    print(f"perplexity          {scores.perplexity:.2f}  ({low:.2f} to {high:.2f})")
    print(f"nats per token      {scores.nats:.4f}")
    print(f"bits per character  {scores.bits_per_character:.4f}")
    if found.cache is not None:
        low, high = found.cache.interval
        print(
            f"  with its cache:   perplexity {found.cache.perplexity:.2f}  ({low:.2f} to {high:.2f})  "
            f"bits per character {found.cache.bits_per_character:.4f}"
        )
    for name, score in found.baselines.items():
        print(
            f"  {name + ' baseline:':<18}perplexity {score['perplexity']:.2f}  "
            f"bits per character {score['bits_per_character']:.4f}"
        )
    if found.verdict is not None:
        print(found.verdict)


def show_predictions(model: Path, texts: list[str], *, condition: str | None, as_json: bool) -> None:
    """Print each text's log probability, word by word."""
    from bothways.runtime import load

    runner = load(model)
    for text in texts:
        words = runner.score_words(text, **({} if condition is None else {"condition": condition}))
        total = sum(word.log_probability for word in words)
        if as_json:
            scored = [[word.token, round(word.log_probability, 6)] for word in words]
            print_json({"log_probability": round(total, 6), "tokens": scored, "text": text})
            continue
        print(f"{total:.3f}\t{literal(text)}")
        for word in words:
            print(f"  {word.log_probability:8.3f}\t{literal(repr(word.token)[1:-1])}")

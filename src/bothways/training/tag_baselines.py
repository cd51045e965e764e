"""What the score of a tagger stands beside: each word's commonest tag, and the hidden Markov model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bothways.decoding.tagging import HmmTagger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bothways.decoding.hmm import HiddenMarkovModel
    from bothways.decoding.schemes import Scheme
    from bothways.training.tag_scores import TagScores

BASELINES = {"hmm": "hidden Markov model", "commonest": "commonest tag of each word"}


def score_baselines(
    counted: HiddenMarkovModel,
    sentences: Sequence[Sequence[str]],
    scheme: Scheme,
    score: Callable[[list[list[str]]], TagScores],
    *,
    beside_itself: bool,
) -> dict[str, dict[str, Any]]:
    """Score the baselines by the rules of the tagger's own score.

    Args:
        counted: what was counted in the training sentences.
        sentences: words.
        scheme: how tags mark entities.
        score: gives the score of predicted tags.
        beside_itself: the tagger is the hidden Markov model itself, which is then no baseline.
    """
    predicted = {"commonest": commonest_tags(counted, sentences)}
    if not beside_itself:
        predicted["hmm"] = HmmTagger(counted, scheme).predict(sentences)
    return {name: score(tags).to_dict() for name, tags in predicted.items()}


def commonest_tags(counted: HiddenMarkovModel, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
    """Give every word the tag that it had most often in training, and a word never seen the commonest of all."""
    best = counted.written.numbers.argmax(axis=1)
    tag_of = {word: counted.labels[best[row]] for word, row in counted.written.names.items()}
    usual = counted.labels[int(counted.shares.argmax())]
    return [[tag_of.get(word, usual) for word in words] for words in sentences]


def verdict(scores: dict[str, Any] | None, baselines: dict[str, Any]) -> str | None:
    """Say whether a tagger beats its best baseline on the same sentences; a loss is said as one."""
    if scores is None or not baselines:
        return None
    name = "accuracy" if scores["f1"] is None else "f1"
    best = max(baselines, key=lambda baseline: baselines[baseline][name])
    we, they = f"The {'network' if 'hmm' in baselines else BASELINES['hmm']}", f"the {BASELINES[best]}"
    ours, theirs = scores[name], baselines[best][name]
    figures = f"{'F1' if name == 'f1' else name} {ours:.4f} against {theirs:.4f} on the same sentences"
    if theirs > ours:
        return f"T{they[1:]} wins: {figures}. For this data it is the better and cheaper model."
    if theirs == ours:
        return f"{we} and {they} are level: {figures}."
    return f"{we} beats {they}: {figures}."

"""How a text is cut into tokens, and how their vocabulary is learned: pipelines of the `tokenizers` library.

Byte pairs are those of Sennrich et al. (2016), on bytes as in Radford et al. (2019).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

from bothways.data.segmenters import segmenter
from bothways.data.spacing import UNSPACED
from bothways.settings import Unit

PAD, UNK = "<pad>", "<unk>"
BYTES = 256

# Oniguruma's syntax. Everything but whitespace is matched, so no token is ever lost.
_LETTER = rf"[\w&&[^{UNSPACED}]]"
_WORDS = "|".join(
    [
        rf"{_LETTER}+(?:['’\x{{200C}}\x{{200D}}]{_LETTER}+)*",  # don't; joiners stand inside words of Persian and Hindi
        rf"<(?!{PAD[1:]})[^<>\s]{{1,12}}\s?/?>",  # an HTML tag; a text must not be able to say "padding"
        rf"[{UNSPACED}]\p{{M}}*",  # scripts that put no spaces between words: each character
        r"[🇦-🇿]{2}",  # a flag
        r"[^\w\s](?:\p{M}|[🏻-🏿]|\x{200D}[^\w\s])*",  # a punctuation mark or a symbol, emoji with what modifies them
    ]
)
# Between spaces every token stays as it is written, but none may say "padding".
_PADDING = rf"(?<!\S){PAD}(?!\S)"


def learn(
    texts: Iterable[str], unit: Unit, lowercase: bool, size: int, min_count: int, language: str
) -> models.Model | None:
    """Count tokens and return a model whose ids are final, or None if no token is frequent enough.

    Memory holds the counts of distinct tokens; ties are in the order of their characters.
    """
    rules = pipeline(unit, lowercase, models.BPE() if unit == "bpe" else models.WordLevel())
    if unit == "bpe":
        return _learn_pairs(rules, texts, size, min_count)
    if unit in ("word", "space"):
        trainer = trainers.WordLevelTrainer(vocab_size=size, min_frequency=min_count, show_progress=False)
        rules.train_from_iterator(iter(texts), trainer)
        ids = rules.get_vocab()
        words = sorted(ids, key=ids.__getitem__)
    else:
        counts: Counter[str] = Counter()
        segment = None if unit == "character" else segmenter(unit, language)
        for text in texts:
            counts.update(normal(rules, text) if segment is None else [text[start:end] for start, end in segment(text)])
        words = _frequent(counts if segment is None else _merged(rules, counts), min_count)
    words = [word for word in words if word not in (PAD, UNK)][: size - 2]
    if not words:
        return None
    ids = {word: index for index, word in enumerate([PAD, UNK, *words])}
    # Without a single merge, BPE cuts a text into its characters.
    return models.BPE(ids, [], unk_token=UNK) if unit == "character" else models.WordLevel(ids, UNK)


def _learn_pairs(rules: tokenizers.Tokenizer, texts: Iterable[str], size: int, min_count: int) -> models.Model:
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_count,
        special_tokens=[PAD, UNK],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rules.train_from_iterator(iter(texts), trainer)
    # The model alone: the rules around it would find a special token in a text that spells it out.
    model: models.Model = rules.model
    return model


def pipeline(unit: Unit, lowercase: bool, model: models.Model) -> tokenizers.Tokenizer:
    """Return the rules of a unit around a model of the library."""
    rules = tokenizers.Tokenizer(model)
    steps: list[normalizers.Normalizer] = [] if unit in ("character", "bpe") else [normalizers.NFC()]
    if lowercase:
        steps.append(normalizers.Lowercase())
    if unit == "space":
        steps.append(normalizers.Replace(Regex(_PADDING), UNK))
    rules.normalizer = normalizers.Sequence(steps)
    if unit == "word":
        rules.pre_tokenizer = pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)
    if unit == "space":
        rules.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if unit == "bpe":
        rules.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return rules


def normal(rules: tokenizers.Tokenizer, text: str) -> str:
    """Return the text as tokens are looked up: NFC for words, small letters if so trained."""
    normalised: str = rules.normalizer.normalize_str(text)
    return normalised


def split_words(rules: tokenizers.Tokenizer, text: str) -> list[str]:
    """Return the words of a text that `normal` gave."""
    return [word for word, _ in rules.pre_tokenizer.pre_tokenize_str(text)]


def places(rules: tokenizers.Tokenizer, text: str) -> list[tuple[int, int]]:
    """Return where the words of a text stand: (start, end) in characters."""
    return [place for _, place in rules.pre_tokenizer.pre_tokenize_str(text)]


def _merged(rules: tokenizers.Tokenizer, counts: Counter[str]) -> Counter[str]:
    """Add up the counts of words that are the same when normalised."""
    merged: Counter[str] = Counter()
    for word, count in counts.items():
        merged[normal(rules, word)] += count
    return merged


def _frequent(counts: Counter[str], min_count: int) -> list[str]:
    kept = [word for word, count in counts.items() if count >= min_count]
    return sorted(kept, key=lambda word: (-counts[word], word))


def _byte_letters() -> dict[str, int]:
    """Map the library's letter for each byte (Radford et al., 2019) to the byte."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(BYTES) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(BYTES + place): byte for place, byte in enumerate(hidden)}


_BYTE_OF = _byte_letters()


def as_bytes(piece: str) -> bytes:
    """Return the bytes that a piece of unit "bpe" stands for."""
    return piece.encode() if piece in (PAD, UNK) else bytes(_BYTE_OF[letter] for letter in piece)


def shown(piece: str) -> str:
    r"""Return a piece of unit "bpe" for a person to read; bytes that are no whole character as `\xe2`."""
    return as_bytes(piece).decode(errors="backslashreplace")

"""What several tasks have in common: text, recurrent readers, training."""

from dataclasses import dataclass
from typing import Annotated, Literal

from bothways.declaring import Settings, at_least, in_share

Unit = Literal["word", "space", "character", "bpe", "spacy", "jieba"]
CellType = Literal["rnn", "lstm", "gru", "mingru", "minlstm", "sru"]
Direction = Literal["forward", "backward", "both"]
OneWay = Literal["forward", "backward"]
Stack = Literal["joined", "apart"]
InitialVectors = Literal["cooccurrence", "random"]
EmbeddingMoment = Literal["own", "shared"]
Schedule = Literal["constant", "linear", "cosine"]
Precision = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda"]

EXACT_CELLS = ("rnn", "lstm", "gru")
WORD_UNITS = ("word", "space", "spacy", "jieba")
# What a comparison of networks chooses itself, and leaves no one to set.
COMPARED = ("cell_type", "bidirectional", "one_way", "seeds", "refit", "minutes", "length")
# Settings of every training that networks without token vectors have no use for.
OF_TOKENS = ("embedding_lr", "embedding_moment")
LEAST_MINUTES = 0.01  # of a training
HIGHEST_RATE = 1e9  # weights are no numbers after few steps of a tenth of it


@dataclass(kw_only=True, eq=False)
class TextSettings(Settings):
    """How a text becomes token ids."""

    section = "text"

    unit: Annotated[
        Unit,
        "what one step is: a word, whatever stands between spaces, a character, or a piece found by BPE, spaCy's "
        "rules or jieba",
    ] = "word"
    language: Annotated[str, "two-letter code for spaCy's rules"] = "en"
    lowercase: Annotated[bool, "read capital letters as small ones"] = True
    vocabulary_size: Annotated[int, "most token types to know"] = 30_000
    min_count: Annotated[int, "times a token must occur in training to be known"] = 2

    def _problems(self) -> list[str]:
        return [
            *super()._problems(),
            *at_least(self, 3, "vocabulary_size"),
            *at_least(self, 1, "min_count"),
        ]


@dataclass(kw_only=True, eq=False)
class CutTextSettings(TextSettings):
    """How a text becomes token ids, where one text is one sequence."""

    max_length: Annotated[int, "most steps read of one sequence; the rest is cut, and said"] = 1024

    def _problems(self) -> list[str]:
        return [*super()._problems(), *at_least(self, 1, "max_length")]


@dataclass(kw_only=True, eq=False)
class CellSettings(Settings):
    """The recurrent layers of every task."""

    section = "encoder"

    cell_type: Annotated[
        CellType, "the recurrent cell; mingru, minlstm and sru train faster, as their gates see the inputs alone"
    ] = "lstm"
    hidden_size: Annotated[int, "width of one direction's state"] = 128
    num_layers: Annotated[int, "recurrent layers, one on the other"] = 1
    recompute: Annotated[
        int | None,
        "steps after which training keeps the state; what lies between is computed again: the same numbers in less "
        "memory and up to half as much time again; none: all is kept",
    ] = None
    dropout: Annotated[
        float,
        "probability, on what the reader gives (of a classifier, what is pooled) and between layers; 0 turns it off",
    ] = 0.5

    def _problems(self) -> list[str]:
        return [
            *super()._problems(),
            *at_least(self, 1, "hidden_size", "num_layers", "recompute"),
            *in_share(self, "dropout"),
        ]


@dataclass(kw_only=True, eq=False)
class ReaderSettings(CellSettings):
    """The recurrent reader of tokens."""

    embedding_dim: Annotated[int, "width of a token's vector"] = 100
    embedding_dropout: Annotated[float, "probability, on token vectors, one mask for all steps of a sequence"] = 0.2

    def _problems(self) -> list[str]:
        return [
            *super()._problems(),
            *at_least(self, 1, "embedding_dim"),
            *in_share(self, "embedding_dropout"),
        ]


@dataclass(kw_only=True, eq=False)
class DirectionSettings(CellSettings):
    """Recurrent layers that may read either way, or both ways."""

    bidirectional: Annotated[bool, "read both ways"] = True
    one_way: Annotated[OneWay, "which way to read when not both"] = "forward"

    @property
    def direction(self) -> Direction:
        """Which way the layers read."""
        return "both" if self.bidirectional else self.one_way


@dataclass(kw_only=True, eq=False)
class ContextReaderSettings(DirectionSettings, ReaderSettings):
    """A reader that may read both ways, and what its words start from."""

    stack: Annotated[Stack, "joined: a layer reads both directions of the one below; apart: two one-way stacks"] = (
        "joined"
    )
    word_dropout: Annotated[float, "share of a text's tokens hidden from a training step, each by itself"] = 0.0
    vectors: Annotated[str | None, "file of pretrained vectors: GloVe, word2vec or fastText text format, also .gz"] = (
        None
    )
    freeze_vectors: Annotated[bool, "keep pretrained vectors as they are"] = False

    def _problems(self) -> list[str]:
        problems = [*super()._problems(), *in_share(self, "word_dropout")]
        if self.freeze_vectors and self.vectors is None:
            problems.append("freeze_vectors is True, but there are no vectors to freeze: name a file with vectors.")
        return problems


@dataclass(kw_only=True, eq=False)
class TrainingSettings(Settings):
    """How weights are found, whatever the task."""

    section = "training"

    epochs: Annotated[int, "most times that the training data is read"] = 10
    minutes: Annotated[
        float | None,
        "most minutes of training, by which the rate falls to zero; another run then ends in other weights; none: no "
        "limit",
    ] = None
    lr: Annotated[float, "highest learning rate of AdamW"] = 2e-3
    embedding_lr: Annotated[float | None, "highest learning rate of token vectors; none: lr"] = None
    embedding_moment: Annotated[
        EmbeddingMoment,
        "own: AdamW's step for every token vector; shared: a rare token moves less, on its little evidence",
    ] = "own"
    weight_decay: Annotated[float, "AdamW's decay of weights towards zero"] = 0.01
    warmup: Annotated[float, "share of the training in which the rate rises to lr"] = 0.1
    schedule: Annotated[Schedule, "how the rate falls from lr to zero after the warm-up"] = "cosine"
    max_grad_norm: Annotated[float, "longest gradient of one step; a longer one is shortened"] = 1.0
    averaging: Annotated[
        float, "decay of the running mean of weights that is used in place of the last; 0 turns it off"
    ] = 0.0
    patience: Annotated[int, "epochs without improvement before training stops"] = 3
    validation_size: Annotated[
        float, "share of rows held out to choose the best epoch, when no validation data is given"
    ] = 0.2
    seed: Annotated[int, "start of all random numbers"] = 0
    precision: Annotated[Precision, "of training; auto takes bfloat16 where the processor computes in it"] = "auto"
    device: Annotated[Device, "auto takes a CUDA device if there is one"] = "auto"

    def _problems(self) -> list[str]:
        problems = [
            *super()._problems(),
            *at_least(self, 1, "epochs", "patience"),
            *at_least(self, LEAST_MINUTES, "minutes"),
            *at_least(self, 0, "weight_decay", "seed"),
            *in_share(self, "warmup", "averaging", "validation_size"),
        ]
        rates = {"lr": self.lr, "embedding_lr": self.embedding_lr, "max_grad_norm": self.max_grad_norm}
        problems += [
            f"{name} is {rate}, but it must be above 0."
            for name, rate in rates.items()
            if rate is not None and not rate > 0
        ]
        problems += [
            f"{name} is {rate}, but it must be below {HIGHEST_RATE:g}."
            for name, rate in rates.items()
            if rate is not None and float(rate) >= HIGHEST_RATE and name != "max_grad_norm"
        ]
        if self.seed >= 2**63:
            problems.append(f"seed is {self.seed}, but it must be below 2**63.")
        return problems


def of_tokens(settings: TrainingSettings, what: str) -> list[str]:
    """Say which settings of token vectors were chosen where there are none."""
    defaults = {setting.name: setting.default for setting in settings.declared()}
    chosen = {name: getattr(settings, name) for name in OF_TOKENS}
    return [
        f"{name} is {value!r}, but {what} have no tokens and no token vectors. Leave it out."
        for name, value in chosen.items()
        if value != defaults[name]
    ]

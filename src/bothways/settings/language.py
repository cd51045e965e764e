"""The settings of models of texts without labels: `language`, `fill`, and how a language model writes."""

from dataclasses import dataclass
from typing import Annotated

from bothways.declaring import Settings, at_least, in_share
from bothways.settings.shared import (
    EXACT_CELLS,
    WORD_UNITS,
    InitialVectors,
    ReaderSettings,
    TextSettings,
    TrainingSettings,
)


@dataclass(kw_only=True, eq=False)
class CorpusTrainingSettings(TrainingSettings):
    """How weights are found on texts without labels."""

    batch_size: Annotated[int, "texts, or places of one long text, that are read side by side"] = 32
    window: Annotated[
        int,
        "most steps of a text that are read between two moves of the weights; where one way is read the state goes on "
        "to the next window and its gradient stops, where both are each window is a text of its own",
    ] = 64
    negatives: Annotated[
        int | None,
        "tokens that the right one is compared with in training, drawn for each window; scores always compare with "
        "the whole vocabulary; none: 4096 where the vocabulary is more than four times that, else all",
    ] = None

    def _problems(self) -> list[str]:
        return [*super()._problems(), *at_least(self, 1, "batch_size", "window", "negatives")]


@dataclass(kw_only=True, eq=False)
class TokenReaderSettings(ReaderSettings):
    """The reader of what predicts the tokens of texts."""

    weight_dropout: Annotated[float, "probability, on the recurrent weights; exact cells only"] = 0.0
    type_dropout: Annotated[float, "share of the vocabulary whose vectors are zero in a training step"] = 0.0
    initial_vectors: Annotated[
        InitialVectors | None,
        "what token vectors start from: their company in the training texts, or random numbers; none: random for "
        "characters, company for all others",
    ] = None
    tied: Annotated[bool, "one matrix for the vectors of tokens that are read and of tokens that are predicted"] = True

    def _problems(self) -> list[str]:
        problems = [*super()._problems(), *in_share(self, "weight_dropout", "type_dropout")]
        if self.weight_dropout and self.cell_type not in EXACT_CELLS:
            problems.append(
                f"weight_dropout is {self.weight_dropout}, but {self.cell_type} has no recurrent weights. Set it to 0."
            )
        return problems


@dataclass(kw_only=True, eq=False)
class LanguageReaderSettings(TokenReaderSettings):
    """The reader of a language model."""

    two_way: Annotated[
        bool, "a forward and a backward model that never mix, to pre-train readers of both sides; it writes no text"
    ] = False
    cache: Annotated[
        int,
        "past tokens of a text that 'evaluate' looks back on in a second score: what stood there in a like place "
        "counts more; how much is chosen on validation data; 0: none",
    ] = 0
    bidirectional: Annotated[bool, "refused: such a network has read the word that it is asked for"] = False

    def _problems(self) -> list[str]:
        problems = [*super()._problems(), *at_least(self, 0, "cache")]
        if self.cache and self.two_way:
            problems.append("cache is for scores of a one-way model, but two_way is True. Set one of them only.")
        if self.bidirectional:
            problems.append(
                "bidirectional is True, but a network that reads both ways has read the answer when it predicts the "
                "next word: its perplexity would be near 1 and its text nonsense (docs/both-ways.md). Use two_way for "
                "two models that never mix, or 'bothways train fill' for words from both their sides."
            )
        return problems


@dataclass(kw_only=True, eq=False)
class LanguageSettings(CorpusTrainingSettings, LanguageReaderSettings, TextSettings):
    """All settings of `language`: the next token of a text."""

    lowercase: bool = False
    embedding_dim: int = 256
    hidden_size: int = 256
    num_layers: int = 2
    dropout: float = 0.2
    embedding_dropout: float = 0.1
    validation_size: float = 0.1


@dataclass(kw_only=True, eq=False)
class FillTrainingSettings(CorpusTrainingSettings):
    """How a model of missing words is found, and what it is compared with."""

    one_way_baseline: Annotated[
        bool, "also train a one-way model of the same size, to show what the right context is worth; twice the time"
    ] = True


@dataclass(kw_only=True, eq=False)
class FillSettings(FillTrainingSettings, TokenReaderSettings, TextSettings):
    """All settings of `fill`: the missing word of a text."""

    embedding_dim: int = 256
    hidden_size: int = 256
    dropout: float = 0.2
    embedding_dropout: float = 0.1
    window: int = 128
    validation_size: float = 0.1

    def _problems(self) -> list[str]:
        problems = [*super()._problems(), *at_least(self, 3, "window")]
        if self.unit not in WORD_UNITS:
            problems.append(
                f"unit is {self.unit!r}, but a gap is filled by a whole word. Use one of: {', '.join(WORD_UNITS)}."
            )
        return problems


@dataclass(kw_only=True, eq=False)
class GenerationSettings(Settings):
    """How a language model writes."""

    section = "writing"

    temperature: Annotated[float, "above 1 bolder, below 1 more careful; 0: always the likeliest token"] = 1.0
    top_k: Annotated[int | None, "choose among so many likeliest tokens; none: all"] = None
    top_p: Annotated[float, "choose among the likeliest tokens that have this probability together"] = 1.0
    repetition_penalty: Annotated[float, "what a token that was there before is held back by; 1: nothing"] = 1.0
    max_length: Annotated[int, "most tokens to write"] = 100
    samples: Annotated[int, "texts to write"] = 1
    stop: Annotated[str | None, "text at which writing ends; it is left out"] = None
    seed: Annotated[int, "start of all random numbers"] = 0

    def _problems(self) -> list[str]:
        problems = [
            *super()._problems(),
            *at_least(self, 0, "temperature", "seed"),
            *at_least(self, 1, "top_k", "max_length", "samples", "repetition_penalty"),
        ]
        if not 0 < self.top_p <= 1:
            problems.append(f"top_p is {self.top_p}, but it must be in (0, 1].")
        if self.stop == "":
            problems.append("stop is an empty text, which is everywhere. Leave it out, or give some characters.")
        return problems

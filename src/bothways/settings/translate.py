"""The settings of `translate`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from bothways.declaring import Settings, at_least, in_share
from bothways.settings.shared import EXACT_CELLS, CellType, CutTextSettings, ReaderSettings, TrainingSettings, Unit

AttentionChoice = Literal["general", "dot", "additive", "scaled", "none"]
TooLong = Literal["cut", "refuse"]
TranslationMonitor = Literal["loss", "bleu", "chrf", "exact"]


@dataclass(kw_only=True, eq=False)
class PairTextSettings(CutTextSettings):
    """How two sides of a pair become token ids."""

    target_unit: Annotated[Unit | None, "what one step of the target is; none: as unit"] = None
    shared_vocabulary: Annotated[
        bool, "one vocabulary, and one vector a token, for both sides; each side has its own where the units differ"
    ] = True
    too_long: Annotated[
        TooLong, "what becomes of a source of more than max_length steps: cut, and said; or refused"
    ] = "cut"

    @property
    def unit_of_target(self) -> Unit:
        """What one step of the target is."""
        return self.target_unit or self.unit

    @property
    def shares_vocabulary(self) -> bool:
        """Whether both sides have the same tokens."""
        return self.shared_vocabulary and self.unit_of_target == self.unit


@dataclass(kw_only=True, eq=False)
class TranslatorReaderSettings(ReaderSettings):
    """What reads a source, and what writes its target."""

    attention: Annotated[
        AttentionChoice, "how a step of the target looks at the source; none: all goes through one state"
    ] = "additive"
    heads: Annotated[int, "of scaled attention; they part twice hidden_size evenly"] = 1
    input_feeding: Annotated[
        bool, "each step of the target also reads what the one before predicted from; without it training is faster"
    ] = True
    tied: Annotated[bool, "one matrix for the vectors of tokens that are read and of tokens that are predicted"] = True

    @property
    def decoder_cell(self) -> CellType:
        """The cell that writes: parallel cells gain nothing there, as each token waits for the one before."""
        return self.cell_type if self.cell_type in EXACT_CELLS else "gru"

    def _problems(self) -> list[str]:
        problems = [*super()._problems(), *at_least(self, 1, "heads")]
        if self.heads > 1 and self.attention != "scaled":
            problems.append(f"heads is {self.heads}, but only scaled attention has several. Use 1.")
        elif self.heads > 0 and 2 * self.hidden_size % self.heads:
            problems.append(f"heads is {self.heads}, but it must part {2 * self.hidden_size}, twice hidden_size.")
        return problems


@dataclass(kw_only=True, eq=False)
class PairTrainingSettings(TrainingSettings):
    """How the weights of a translator are found."""

    batch_size: Annotated[int, "pairs of average length in a batch; longer ones come in smaller batches"] = 64
    label_smoothing: Annotated[float, "probability spread over all tokens when the loss is taken"] = 0.1
    scheduled_sampling: Annotated[
        float, "share of steps in training that read the network's own last token in place of the right one"
    ] = 0.0
    monitor: Annotated[
        TranslationMonitor,
        "what decides on the best epoch, of greedy translations: bleu, chrf, exact (the share that is all right); or "
        "the loss",
    ] = "bleu"

    def _problems(self) -> list[str]:
        return [
            *super()._problems(),
            *at_least(self, 1, "batch_size"),
            *in_share(self, "label_smoothing", "scheduled_sampling"),
        ]


@dataclass(kw_only=True, eq=False)
class SearchSettings(Settings):
    """How a translation is searched for."""

    section = "writing"

    beam_size: Annotated[int, "beginnings of a translation that are kept at each step; 1 is greedy search"] = 5
    length_penalty: Annotated[
        float, "power of the length that log probabilities are divided by; above 0 longer translations win more often"
    ] = 1.0
    coverage_penalty: Annotated[float, "weight of source words that nothing looked at; 0: none"] = 0.0

    def _problems(self) -> list[str]:
        return [
            *super()._problems(),
            *at_least(self, 1, "beam_size"),
            *at_least(self, 0, "length_penalty", "coverage_penalty"),
        ]


@dataclass(kw_only=True, eq=False)
class TranslatorSettings(SearchSettings, PairTrainingSettings, TranslatorReaderSettings, PairTextSettings):
    """All settings of `translate`: one sequence into another."""

    unit: Unit = "bpe"
    lowercase: bool = False
    vocabulary_size: int = 6000
    max_length: Annotated[
        int, "most tokens of a side; longer pairs are left out of training, longer sources cut or refused, by too_long"
    ] = 256
    cell_type: CellType = "gru"
    embedding_dim: int = 256
    hidden_size: int = 256
    dropout: float = 0.3
    embedding_dropout: float = 0.2
    averaging: float = 0.999
    patience: int = 5
    validation_size: float = 0.1

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if self.coverage_penalty and self.attention == "none":
            problems.append(
                f"coverage_penalty is {self.coverage_penalty}, but without attention nothing is looked at. Use 0."
            )
        return problems

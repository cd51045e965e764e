"""The settings of the memory problems: networks trained on sequences whose answer stands far from its end."""

from dataclasses import dataclass
from typing import Annotated, Literal

from bothways.declaring import Settings, at_least
from bothways.errors import SettingsError
from bothways.settings.shared import EXACT_CELLS, CellType, DirectionSettings, Precision, TrainingSettings, of_tokens

ProblemChoice = Literal["first-token", "adding", "copy", "rows", "pixels"]
Start = Literal["torch", "chrono", "orthogonal", "identity"]

IMAGE_PROBLEMS = ("rows", "pixels")  # read from files; the others are drawn


@dataclass(kw_only=True, eq=False)
class ProblemDataSettings(Settings):
    """Which sequences, and how many."""

    section = "problem"

    problem: Annotated[
        ProblemChoice,
        "what is to be remembered: the first token, two marked numbers (adding), ten symbols (copy), or a digit that "
        "is read by rows or by pixels",
    ] = "first-token"
    length: Annotated[int, "steps of a sequence; of copy the blanks between; not for rows and pixels"] = 100
    batches_per_epoch: Annotated[
        int, "batches of an epoch, each drawn anew; of rows and pixels an epoch reads the training part once"
    ] = 50
    held_out: Annotated[int, "sequences drawn for validation, and as many for the test; not for rows and pixels"] = 1000

    @property
    def is_drawn(self) -> bool:
        """Whether the sequences are drawn, rather than read from files."""
        return self.problem not in IMAGE_PROBLEMS

    def _problems(self) -> list[str]:
        return [
            *super()._problems(),
            *at_least(self, 2, "length"),
            *at_least(self, 1, "batches_per_epoch", "held_out"),
        ]


@dataclass(kw_only=True, eq=False)
class ProblemReaderSettings(DirectionSettings):
    """The network that is to remember."""

    cell_type: CellType = "gru"
    hidden_size: int = 64
    dropout: float = 0.0
    bidirectional: bool = False
    convolution: Annotated[int, "steps, the last ones, that the gates of mingru, minlstm and sru see"] = 1
    start: Annotated[
        Start | None,
        "what weights start from: torch, as torch.nn draws them; chrono, gates that keep for as long as a sequence; "
        "orthogonal, recurrent matrices that keep lengths; identity, an rnn with relu that copies its state; none: "
        "chrono for cells with gates if the sequences are drawn, else torch",
    ] = None

    def _problems(self) -> list[str]:
        problems, cell = [*super()._problems(), *at_least(self, 1, "convolution")], self.cell_type
        if self.convolution > 1 and cell in EXACT_CELLS:
            problems.append(
                f"convolution is {self.convolution}, but the gates of cell_type {cell!r} see its state. Use 1, or "
                "'mingru', 'minlstm' or 'sru'."
            )
        if self.start == "chrono" and cell == "rnn":
            problems.append("start is 'chrono', but an rnn has no gates. Use 'torch', 'orthogonal' or 'identity'.")
        if self.start == "orthogonal" and cell not in EXACT_CELLS:
            problems.append(
                f"start is 'orthogonal', but cell_type {cell!r} has no recurrent matrix. Use 'torch' or 'chrono'."
            )
        if self.start == "identity" and cell != "rnn":
            problems.append(
                f"start is 'identity', but cell_type is {cell!r}. It is for an rnn; use 'torch' or 'chrono'."
            )
        return problems


@dataclass(kw_only=True, eq=False)
class ProblemTrainingSettings(TrainingSettings):
    """How the weights of a network that is to remember are found."""

    epochs: int = 50
    patience: int = 50
    weight_decay: float = 0.0
    validation_size: float = 0.1
    precision: Precision = "float32"
    batch_size: Annotated[int, "sequences in a batch"] = 32
    target: Annotated[
        float | None,
        "validation score at which the problem is solved and training stops: accuracy, or of adding the mean squared "
        "error; none: 0.999, of adding 0.002, of rows and pixels 1",
    ] = None

    def _problems(self) -> list[str]:
        return [*super()._problems(), *at_least(self, 1, "batch_size"), *at_least(self, 0, "target")]


@dataclass(kw_only=True, eq=False)
class ProblemSettings(ProblemTrainingSettings, ProblemReaderSettings, ProblemDataSettings):
    """All settings of a memory problem."""

    def refuse_unused(self) -> None:
        """Refuse settings that a training would not use.

        Raises:
            SettingsError: a setting of token vectors.
        """
        if problems := of_tokens(self, "memory problems"):
            raise SettingsError(" ".join(problems))

    @property
    def start_chosen(self) -> Start:
        """What weights start from."""
        return self.start or ("chrono" if self.cell_type != "rnn" and self.is_drawn else "torch")

    @property
    def target_chosen(self) -> float:
        """The validation score at which training stops."""
        if self.target is not None:
            return self.target
        return {"adding": 0.002, "rows": 1.0, "pixels": 1.0}.get(self.problem, 0.999)

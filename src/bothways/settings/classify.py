"""The settings of `classify`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from bothways.declaring import at_least, in_share
from bothways.errors import SettingsError, check_choice
from bothways.settings.shared import ContextReaderSettings, CutTextSettings, InitialVectors, TrainingSettings

Monitor = Literal["loss", "accuracy", "macro_f1"]
ClassWeight = Literal["balanced"]

POOLINGS = ("last", "mean", "max", "attention")


@dataclass(kw_only=True, eq=False)
class EncoderSettings(ContextReaderSettings):
    """What is needed to rebuild the encoder of whole sequences; saved as JSON beside its weights."""

    pooling: Annotated[str, "from states to one vector: last, mean, max, attention, or several joined by +"] = "max"
    type_dropout: Annotated[float, "share of a text's word types hidden from a training step, wherever they stand"] = (
        0.0
    )
    initial_vectors: Annotated[
        InitialVectors, "what token vectors start from: their company in the training texts, or random numbers"
    ] = "cooccurrence"
    pretrained: Annotated[
        str | None,
        "folder of a language model to start from: it decides on tokens, sizes and directions; two-way for both",
    ] = None

    @property
    def poolings(self) -> tuple[str, ...]:
        """The kinds of pooling, in order."""
        return tuple(part.strip() for part in self.pooling.split("+"))

    def _problems(self) -> list[str]:
        problems = [*super()._problems(), *in_share(self, "type_dropout")]
        for kind in self.poolings:
            try:
                check_choice("pooling", kind, POOLINGS)
            except SettingsError as error:
                problems.append(str(error))
        return problems


@dataclass(kw_only=True, eq=False)
class SupervisedSettings(TrainingSettings):
    """How weights are found where every sequence has an answer, and what decides which are kept."""

    batch_size: Annotated[int, "sequences of average length in a batch; longer ones come in smaller batches"] = 32
    crop: Annotated[int | None, "steps of a sequence that an epoch reads, from a random place; none: all"] = None
    adversarial: Annotated[
        float,
        "length of a nudge that raises the loss, as a share of what the network reads (0.005, say), under which it "
        "must give the same answer; twice the time; 0 turns it off",
    ] = 0.0
    label_smoothing: Annotated[float, "probability spread over all classes when the loss is taken"] = 0.0
    class_weight: Annotated[
        ClassWeight | None, "balanced: rare classes count as much as frequent ones; none: by rows"
    ] = None
    monitor: Annotated[Monitor, "what decides on the best epoch"] = "macro_f1"
    gradual_unfreezing: Annotated[
        bool, "with pretrained: train the new parts alone at first, then one more part with each epoch"
    ] = True
    layer_decay: Annotated[
        float, "with pretrained: rate of a pretrained part as a share of that of the part above it"
    ] = 0.4
    refit: Annotated[bool, "at the end, train once more on all rows for the epochs that were chosen"] = False
    seeds: Annotated[int, "train this many times from seed on; report mean and deviation and keep the best"] = 1

    def _problems(self) -> list[str]:
        return [
            *super()._problems(),
            *at_least(self, 1, "batch_size", "crop", "seeds"),
            *at_least(self, 0, "adversarial"),
            *in_share(self, "label_smoothing"),
            *([] if 0 < self.layer_decay <= 1 else [f"layer_decay is {self.layer_decay}, but it must be in (0, 1]."]),
        ]


@dataclass(kw_only=True, eq=False)
class ClassifierSettings(SupervisedSettings, EncoderSettings, CutTextSettings):
    """All settings of `classify`: one label for a whole sequence."""

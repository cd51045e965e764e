"""The settings of `tag` and `intent`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from bothways.declaring import Settings, at_least
from bothways.errors import SettingsError
from bothways.settings.shared import ContextReaderSettings, TrainingSettings

TagScheme = Literal["auto", "none", "io", "bio", "bioes"]
TagMonitor = Literal["loss", "accuracy", "f1", "sentence"]
TagDecoder = Literal["crf", "softmax"]
TagModel = Literal["network", "hmm"]


@dataclass(kw_only=True, eq=False)
class TagDataSettings(Settings):
    """How tagged sentences are read."""

    section = "sentences"

    scheme: Annotated[
        TagScheme, "how tags mark entities; none: tags are plain, as parts of speech are; auto finds out and says so"
    ] = "auto"
    repair: Annotated[bool, "read tags that the scheme does not allow, such as I- after another type, as a begin"] = (
        False
    )
    lowercase: Annotated[bool, "one vector for a word however it is written; the spelling is still read as it is"] = (
        True
    )
    min_count: Annotated[int, "times a word must occur in training to have a vector"] = 2

    def _problems(self) -> list[str]:
        return [*super()._problems(), *at_least(self, 1, "min_count")]


@dataclass(kw_only=True, eq=False)
class TagReaderSettings(ContextReaderSettings):
    """The reader of a tagger: words by their vectors and by their letters."""

    model: Annotated[
        TagModel,
        "network; or hmm, a hidden Markov model: counts, in seconds; of the other settings scheme, repair, "
        "validation_size and seed matter to it",
    ] = "network"
    spelling_size: Annotated[
        int, "width of one direction of the reader of a word's letters, for unknown words, case and digits; 0: none"
    ] = 50
    spelling_dim: Annotated[int, "width of a letter's vector"] = 32
    pretrained: Annotated[
        str | None,
        "folder of a language model whose states join each word's vector as they are; two-way for both sides",
    ] = None
    decoder: Annotated[
        TagDecoder, "crf: the best sequence of tags, by scores of neighbours; softmax: the best tag of each word alone"
    ] = "crf"

    def _problems(self) -> list[str]:
        return [
            *super()._problems(),
            *at_least(self, 0, "spelling_size"),
            *at_least(self, 1, "spelling_dim"),
        ]


@dataclass(kw_only=True, eq=False)
class TagTrainingSettings(TrainingSettings):
    """How the weights of a tagger are found."""

    batch_size: Annotated[int, "sentences of average length in a batch; longer ones come in smaller batches"] = 32
    monitor: Annotated[
        TagMonitor,
        "what decides on the best epoch; f1 is accuracy where tags are plain; sentence: the share of sentences that "
        "are all right",
    ] = "f1"
    seeds: Annotated[int, "train this many times from seed on; report mean and deviation and keep the best"] = 1

    def _problems(self) -> list[str]:
        return [*super()._problems(), *at_least(self, 1, "batch_size", "seeds")]


@dataclass(kw_only=True, eq=False)
class TaggerSettings(TagTrainingSettings, TagReaderSettings, TagDataSettings):
    """All settings of `tag`: a tag for every word of a sentence."""

    validation_size: float = 0.1

    def refuse_unused(self) -> None:
        """Refuse settings that a new training would not use; old model folders may hold them.

        Raises:
            SettingsError: `model` is "hmm" beside settings of a network.
        """
        chosen = {
            "pretrained": self.pretrained is not None,
            "vectors": self.vectors is not None,
            "freeze_vectors": self.freeze_vectors,
            "seeds": self.seeds > 1,
        }
        if self.model == "hmm" and any(chosen.values()):
            useless = ", ".join(name for name, used in chosen.items() if used)
            raise SettingsError(
                "model is 'hmm', which counts words and tags, to the same result each time, but these are set: "
                f"{useless}. Leave them out, or use 'network'."
            )


@dataclass(kw_only=True, eq=False)
class IntentSettings(TaggerSettings):
    """All settings of `intent`: what a sentence asks for, and the slots of what it names."""

    monitor: TagMonitor = "sentence"

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if self.model != "network":
            problems.append(f"model is {self.model!r}, which knows no intents. Use 'network', or train a tagger alone.")
        return problems

"""Start a classifier from a language model: its tokenizer, its vectors, its readers, and how they are trained on.

The new parts train alone at first; with each epoch one more part joins, from the top layer down to the vectors, and a
part's rate is a share of that of the part above it (Howard and Ruder, 2018, "Universal language model fine-tuning").
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from bothways.data.tokenizer import Tokenizer
from bothways.errors import SettingsError
from bothways.training.optimizer import Pace
from bothways.training.saving_language import load_language_model

if TYPE_CHECKING:
    from torch import Tensor

    from bothways.models.classifier import Classifier
    from bothways.settings import ClassifierSettings, LanguageSettings
    from bothways.training.language import TrainedLanguageModel

# What the language model decides; a setting of another value that is not the default contradicts it.
TAKEN_OVER = (
    "unit",
    "language",
    "lowercase",
    "vocabulary_size",
    "min_count",
    "cell_type",
    "embedding_dim",
    "hidden_size",
    "num_layers",
)


@dataclass(frozen=True)
class Pretrained:
    """A language model that others start from."""

    path: str
    settings: LanguageSettings
    tokenizer: Tokenizer
    weights: dict[str, Tensor]  # of the vectors and the reader, by name
    on_condition: bool  # it read every text on a condition

    @property
    def note(self) -> str:
        """Say what starts from it."""
        taken = {name: getattr(self.settings, name) for name in ("unit", "embedding_dim", "hidden_size", "num_layers")}
        decided = ", ".join(f"{name} {value}" for name, value in taken.items())
        begun = f"Vectors and reader start from {self.path}, which decides on tokens and sizes: {decided}"
        if not self.on_condition:
            return f"{begun}."
        return (
            f"{begun}. It read texts on a condition, which a classifier has not; one that had none is a better start."
        )

    @property
    def fingerprint(self) -> bytes:
        """What changes when a weight does."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.weights.items()):
            digest.update(name.encode())
            digest.update(tensor.numpy().tobytes())
        return digest.digest()

    def adapt(self, settings: ClassifierSettings) -> ClassifierSettings:
        """Give the settings with what the language model decides: its tokens, its sizes, its directions.

        Raises:
            SettingsError: settings that contradict it.
        """
        decided = {name: getattr(self.settings, name) for name in TAKEN_OVER}
        both = self.settings.two_way
        decided |= {"bidirectional": both, "one_way": "forward", "stack": "apart" if both else "joined"}
        defaults = {field.name: field.default for field in fields(settings)}
        for name, value in decided.items():
            asked = getattr(settings, name)
            if asked not in (value, defaults[name]):
                raise SettingsError(
                    f"{name} is {asked!r}, but {self.path} was trained with {value!r}. "
                    f"Leave it out, or pre-train with {name} {asked!r}."
                )
        if settings.vectors is not None:
            raise SettingsError(
                f"vectors is {settings.vectors!r}, but the vectors come from {self.path}. Leave one of the two out."
            )
        return replace(settings, **decided)

    def load_into(self, model: Classifier) -> None:
        """Put vectors and reader into a classifier."""
        assert model.embedding is not None
        own = model.state_dict()
        weights = {name: self.weights[name] for name in own if name in self.weights}
        # The language model has one more vector, that of <eos>.
        weights["embedding.weight"] = weights["embedding.weight"][: len(own["embedding.weight"])]
        model.load_state_dict({**own, **weights})


def read_pretrained(settings: ClassifierSettings) -> Pretrained | None:
    """Read the folder that `settings.pretrained` names, if it names one.

    Raises:
        ModelFolderError: it is missing or damaged, or holds no language model.
    """
    if settings.pretrained is None:
        return None
    trained, weights = read_reader(settings.pretrained)
    return Pretrained(
        str(settings.pretrained),
        trained.settings,
        trained.tokens.tokenizer,
        weights,
        on_condition=trained.condition is not None,
    )


def read_reader(folder: str) -> tuple[TrainedLanguageModel, dict[str, Tensor]]:
    """Read a language model to start from, and the weights of its vectors and its reader, by name.

    Raises:
        ModelFolderError: it is missing or damaged, or holds no language model.
    """
    trained = load_language_model(folder)
    weights = {
        name: tensor.detach().clone()
        for name, tensor in trained.model.state_dict().items()
        if name.startswith(("embedding.", "encoder."))
    }
    return trained, weights


def paces(model: Classifier, settings: ClassifierSettings) -> list[Pace]:
    """How fast the pretrained parts learn, and from which epoch on: the top layer first, the vectors last."""
    assert model.embedding is not None
    parts = [
        [weight for name, weight in model.encoder.named_parameters() if _layer(name) == layer]
        for layer in reversed(range(settings.num_layers))
    ]
    parts.append([model.embedding.weight])
    return [
        Pace(tuple(part), settings.layer_decay**depth, depth + 1 if settings.gradual_unfreezing else 1)
        for depth, part in enumerate(parts, start=1)
    ]


def _layer(name: str) -> int:
    """The layer of a reader's parameter: 1 of `weight_ih_l1_reverse`."""
    return int(name.removesuffix("_reverse").rsplit("_l", 1)[1])

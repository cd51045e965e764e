"""The settings of `forecast`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from bothways.declaring import Settings, at_least, in_share
from bothways.errors import SettingsError
from bothways.settings.shared import CellSettings, CellType, TrainingSettings, of_tokens

Centring = Literal["last", "mean", "standard", "none"]
Channels = Literal["together", "apart"]
ForecastDecoder = Literal["direct", "steps"]
PointLoss = Literal["squared", "absolute"]


@dataclass(kw_only=True, eq=False)
class SeriesSettings(Settings):
    """How series of numbers become windows and what is predicted after them."""

    section = "series"

    window: Annotated[int, "times that are read before those that are predicted"] = 96
    horizon: Annotated[int, "times that are predicted"] = 24
    quantiles: Annotated[str, "levels that are predicted beside the mean, between 0 and 1; empty: none"] = "0.1,0.5,0.9"
    centring: Annotated[
        Centring,
        "what is taken from a window before it is read, and given back: its last value, its mean, or its mean and its "
        "deviation (standard)",
    ] = "last"
    channels: Annotated[
        Channels, "together: the columns are read and predicted side by side; apart: one by one, with the same weights"
    ] = "together"
    season: Annotated[
        int | None, "times after which a series repeats itself, for the seasonal baseline; none: from the times"
    ] = None
    test_size: Annotated[
        float, "share of the times, the last ones, that training never sees; 'bothways evaluate' scores them"
    ] = 0.2

    @property
    def levels(self) -> list[float]:
        """The quantiles' levels, rising."""
        return sorted(float(part) for part in self.quantiles.split(",") if part.strip())

    def _problems(self) -> list[str]:
        problems = [
            *super()._problems(),
            *at_least(self, 2, "window"),
            *at_least(self, 1, "horizon", "season"),
            *in_share(self, "test_size"),
        ]
        try:
            good = all(0 < level < 1 for level in self.levels) and len(set(self.levels)) == len(self.levels)
        except ValueError:
            good = False
        if not good:
            problems.append(
                f"quantiles is {self.quantiles!r}, but it must be different numbers between 0 and 1 with commas "
                "between: 0.1,0.5,0.9."
            )
        return problems


@dataclass(kw_only=True, eq=False)
class ForecastReaderSettings(CellSettings):
    """The network that predicts series."""

    cell_type: CellType = "gru"
    hidden_size: int = 64
    dropout: float = 0.1
    bidirectional: Annotated[bool, "read the window both ways; all of it is past"] = False
    decoder: Annotated[
        ForecastDecoder,
        "direct: all times of the horizon at once; steps: one after another, each read before the next is predicted",
    ] = "direct"
    linear: Annotated[bool, "add a linear map of the window to what the network says (direct only)"] = True

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if self.decoder == "steps" and self.bidirectional:
            problems.append("bidirectional is True, but decoder 'steps' goes forward only. Use 'direct', or one way.")
        return problems


@dataclass(kw_only=True, eq=False)
class ForecastTrainingSettings(TrainingSettings):
    """How the weights of a forecaster are found."""

    batch_size: Annotated[int, "windows in a batch"] = 32
    loss: Annotated[PointLoss, "what the point forecast is for: squared, the mean; absolute, the middle"] = "squared"

    def _problems(self) -> list[str]:
        return [*super()._problems(), *at_least(self, 1, "batch_size")]


@dataclass(kw_only=True, eq=False)
class ForecasterSettings(ForecastTrainingSettings, ForecastReaderSettings, SeriesSettings):
    """All settings of `forecast`: the next values of series."""

    lr: float = 1e-3
    epochs: int = 20

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if self.test_size + self.validation_size >= 1:
            problems.append(
                f"test_size is {self.test_size} and validation_size {self.validation_size}, which leaves nothing to "
                "train on. Together they must be below 1."
            )
        return problems

    def refuse_unused(self) -> None:
        """Refuse settings that a new training would not use; old model folders may hold them.

        Raises:
            SettingsError: a setting of token vectors.
        """
        if problems := of_tokens(self, "series"):
            raise SettingsError(" ".join(problems))

"""Every setting of every task, declared once: name, type, default and help.

The estimators' parameters, the command line's options, the model folder and the reference page
are all made from these classes. Values are plain, `None` means "off" or "decide for me" as the help
says, and `check` refuses bad values in milliseconds, all of them at once.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from bothways.declaring import Settings, at_least, in_share
from bothways.errors import SettingsError, check_choice

Unit = Literal["word", "space", "character", "bpe", "spacy", "jieba"]
CellType = Literal["rnn", "lstm", "gru", "mingru", "minlstm", "sru"]
Direction = Literal["forward", "backward", "both"]
OneWay = Literal["forward", "backward"]
Stack = Literal["joined", "apart"]
InitialVectors = Literal["cooccurrence", "random"]
EmbeddingMoment = Literal["own", "shared"]
Monitor = Literal["loss", "accuracy", "macro_f1"]
Schedule = Literal["constant", "linear", "cosine"]
ClassWeight = Literal["balanced"]
Precision = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda"]
TagScheme = Literal["auto", "none", "io", "bio", "bioes"]
TagMonitor = Literal["loss", "accuracy", "f1", "sentence"]
TagDecoder = Literal["crf", "softmax"]
TagModel = Literal["network", "hmm"]
Centring = Literal["last", "mean", "standard", "none"]
Channels = Literal["together", "apart"]
ForecastDecoder = Literal["direct", "steps"]
PointLoss = Literal["squared", "absolute"]
AttentionChoice = Literal["general", "dot", "additive", "scaled", "none"]
TooLong = Literal["cut", "refuse"]
TranslationMonitor = Literal["loss", "bleu", "chrf", "exact"]

EXACT_CELLS = ("rnn", "lstm", "gru")
WORD_UNITS = ("word", "space", "spacy", "jieba")
POOLINGS = ("last", "mean", "max", "attention")


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
        "steps after which training keeps the state; what lies between is computed again: less memory, a third more "
        "time, the same numbers; none: all is kept",
    ] = None
    dropout: Annotated[float, "probability, on what is pooled and between layers; 0 turns it off"] = 0.5

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
class ContextReaderSettings(ReaderSettings):
    """A reader that may read both ways, and what its words start from."""

    bidirectional: Annotated[bool, "read both ways"] = True
    one_way: Annotated[OneWay, "which way to read when not both"] = "forward"
    stack: Annotated[Stack, "joined: a layer reads both directions of the one below; apart: two one-way stacks"] = (
        "joined"
    )
    word_dropout: Annotated[float, "share of a text's tokens hidden from a training step, each by itself"] = 0.0
    vectors: Annotated[str | None, "file of pretrained vectors: GloVe, word2vec or fastText text format, also .gz"] = (
        None
    )
    freeze_vectors: Annotated[bool, "keep pretrained vectors as they are"] = False

    @property
    def direction(self) -> Direction:
        """Which way the encoder reads."""
        return "both" if self.bidirectional else self.one_way

    def _problems(self) -> list[str]:
        problems = [*super()._problems(), *in_share(self, "word_dropout")]
        if self.freeze_vectors and self.vectors is None:
            problems.append("freeze_vectors is True, but there are no vectors to freeze: name a file with vectors.")
        return problems


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
class TrainingSettings(Settings):
    """How weights are found, whatever the task."""

    section = "training"

    epochs: Annotated[int, "most times that the training data is read"] = 10
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
            *at_least(self, 0, "weight_decay", "seed"),
            *in_share(self, "warmup", "averaging", "validation_size"),
        ]
        rates = {"lr": self.lr, "embedding_lr": self.embedding_lr, "max_grad_norm": self.max_grad_norm}
        problems += [
            f"{name} is {rate}, but it must be above 0."
            for name, rate in rates.items()
            if rate is not None and not rate > 0
        ]
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
        "past tokens of a text that scores look back on: what stood there in a like place counts more; how much is "
        "chosen on validation data; 0: none",
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


@dataclass(kw_only=True, eq=False)
class IntentSettings(TaggerSettings):
    """All settings of `intent`: what a sentence asks for, and the slots of what it names."""

    monitor: TagMonitor = "sentence"

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if self.model != "network":
            problems.append(f"model is {self.model!r}, which knows no intents. Use 'network', or train a tagger alone.")
        return problems


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
    heads: Annotated[int, "of scaled attention; they part hidden_size evenly"] = 1
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
    max_length: int = 256
    cell_type: CellType = "gru"
    embedding_dim: int = 256
    hidden_size: int = 256
    dropout: float = 0.3
    embedding_dropout: float = 0.2
    averaging: float = 0.999
    patience: int = 5
    validation_size: float = 0.1


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

"""How good translations are: BLEU and chrF as sacreBLEU counts them, with its signatures, and the share that is exact.

The interval is a bootstrap over sentences: BLEU is a ratio of counts, so that each draw adds up the counts of the
sentences drawn.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bothways.data.spacing import UNSPACED
from bothways.errors import DataError, missing_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COPY = "copy"  # names the baseline: the source as it stands
DRAWS = 1000
RUN = 4  # tokens of the longest runs that BLEU counts
_UNSPACED = re.compile(f"[{UNSPACED}]")
_NOT_HAN = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")


@dataclass(frozen=True)
class TranslationScores:
    """How near some translations are to their references."""

    sentences: int
    bleu: float  # 0 to 100, as is chrf
    bleu_interval: tuple[float, float]  # 95%
    chrf: float
    exact: float  # share of translations that are their references
    length_ratio: float  # tokens of the translations, as BLEU counts them, for each of the references
    bleu_signature: str
    chrf_signature: str

    def to_dict(self) -> dict[str, Any]:
        """Give everything for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild from what `to_dict` gave."""
        return cls(**{**values, "bleu_interval": tuple(values["bleu_interval"])})


def quick_scores(translations: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Give bleu, chrf and exact, without intervals."""
    from sacrebleu.metrics.chrf import CHRF

    bleu = _bleu(references).corpus_score(list(translations), [list(references)])
    chrf = CHRF().corpus_score(list(translations), [list(references)])
    return {"bleu": bleu.score, "chrf": chrf.score, "exact": _exact(translations, references)}


def score_translations(translations: Sequence[str], references: Sequence[str], *, seed: int = 0) -> TranslationScores:
    """Compare translations with references, one each.

    Raises:
        DataError: there is nothing to compare, or not as many of each.
        MissingExtraError: sacrebleu is not installed.
    """
    if not references:
        raise DataError("There are no references to compare with. Give their file, too.")
    if len(translations) != len(references):
        raise DataError(f"There are {len(translations):,} translations, but {len(references):,} references.")
    check_scorer()
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    metric, chrf = _bleu(references), CHRF()
    found = metric.corpus_score(list(translations), [list(references)])
    letters = chrf.corpus_score(list(translations), [list(references)])
    # Of one sentence the counts alone are wanted; `effective_order` keeps its score from a warning.
    one = BLEU(tokenize=metric.tokenizer.signature(), effective_order=True)
    counted = [one.sentence_score(line, [right]) for line, right in zip(translations, references, strict=True)]
    counts = np.array([[*some.counts, *some.totals, some.sys_len, some.ref_len] for some in counted], dtype=np.int64)
    return TranslationScores(
        len(references),
        found.score,
        _interval(metric, counts, seed),
        letters.score,
        _exact(translations, references),
        found.sys_len / max(1, found.ref_len),
        str(metric.get_signature()),
        str(chrf.get_signature()),
    )


def note_on_short(references: Sequence[str]) -> str | None:
    """Say where BLEU is 0 whatever is right: it counts runs of four tokens, and no reference has as many."""
    cut = _bleu(references).tokenizer
    if any(len(cut(line).split()) >= RUN for line in references):
        return None
    return (
        f"BLEU counts runs of {RUN} tokens, but no reference has as many, so that BLEU is 0 whatever is right. "
        "Go by exact and chrF; train with --monitor exact."
    )


def check_scorer() -> None:
    """Refuse to go on without sacrebleu.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import sacrebleu  # noqa: F401  only to know whether it is there
    except ImportError as error:
        raise missing_extra("sacrebleu", "train", "Scoring translations") from error


def _bleu(references: Sequence[str]) -> Any:
    """BLEU, by characters where most references are of a script without spaces.

    "zh" parts Chinese characters alone, and leaves words of Latin script beside them whole; where most hold kana, Thai
    and the like, all characters are parted.
    """
    from sacrebleu.metrics.bleu import BLEU

    def most(pattern: re.Pattern[str]) -> bool:
        return 2 * sum(bool(pattern.search(line)) for line in references) > len(references)

    return BLEU(tokenize="char" if most(_NOT_HAN) else "zh" if most(_UNSPACED) else "13a")


def _interval(metric: Any, counts: NDArray[np.int64], seed: int) -> tuple[float, float]:
    """The 95% interval of BLEU by bootstrap, from the counts of sentences (N,10)."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        total = counts[random.integers(0, len(counts), len(counts))].sum(axis=0)
        drawn.append(bleu_of_counts(metric, total))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def bleu_of_counts(metric: Any, total: NDArray[np.int64]) -> float:
    """BLEU of right n-grams (4), all n-grams (4), and the lengths of translations and references, added up."""
    orders = (len(total) - 2) // 2
    score = metric.compute_bleu(
        total[:orders].tolist(),
        total[orders : 2 * orders].tolist(),
        sys_len=int(total[-2]),
        ref_len=int(total[-1]),
        smooth_method=metric.smooth_method,
    )
    return float(score.score)


def _exact(translations: Sequence[str], references: Sequence[str]) -> float:
    return float(np.mean([one == other for one, other in zip(translations, references, strict=True)]))

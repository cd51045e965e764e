"""Attention: a weighted mean of values, the weights from how well each one's key fits a query.

    kind       score of query q and key k                                                            source
    additive   v · tanh(Wq q + Wk k)                                                 Bahdanau et al., 2015
    general    q · W k                                                                     Luong et al., 2015
    dot        q · k                                                                       Luong et al., 2015
    scaled     per head: (Wq q) · (Wk k) / sqrt(width of a head), values mapped, too     Vaswani et al., 2017

weights = softmax of the scores over the real keys; context = sum of weights · values. Keys are mapped once for a source
(`keys`), and given back at every step: nothing is kept between calls.

Shapes: B sequences, Q queries, S keys, E width of a query, F width of a key, A width of the mapped space, N heads.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from bothways.errors import DataError, SettingsError, check_choice
from bothways.nn.pooling import is_real
from bothways.nn.reader import check_at_least
from bothways.nn.stepwise import StepwiseProduct

AttentionKind = Literal["additive", "general", "dot", "scaled"]


class Keys(NamedTuple):
    """A source that is ready to be attended to."""

    mapped: Tensor  # float (B,S,A)
    values: Tensor  # float (B,S,F), mapped where the kind maps values
    real: Tensor  # bool (B,S)


class Attention(nn.Module):
    """Attend to a source, the same alone as beside longer ones: padding has no weight."""

    def __init__(
        self,
        kind: AttentionKind,
        query_size: int,
        key_size: int,
        *,
        width: int | None = None,
        heads: int = 1,
    ) -> None:
        """Make the weights.

        Args:
            kind: see the module's text.
            query_size: E.
            key_size: F, of keys and of values.
            width: A, of "additive" and "scaled"; None takes F.
            heads: N, of "scaled"; they part A evenly.

        Raises:
            SettingsError: an unknown kind, or sizes that do not fit.
        """
        super().__init__()
        check_choice("kind", kind, get_args(AttentionKind))
        for name, size in (("query_size", query_size), ("key_size", key_size), ("heads", heads)):
            check_at_least(name, size, 1)
        width = key_size if width is None else width
        check_at_least("width", width, 1)
        if kind == "dot" and query_size != key_size:
            raise SettingsError(
                f"query_size is {query_size} and key_size {key_size}, but 'dot' needs them equal. Use 'general'."
            )
        if heads > 1 and kind != "scaled":
            raise SettingsError(f"heads is {heads}, but only 'scaled' has several. Use 1.")
        if width % heads:
            raise SettingsError(f"width is {width}, but {heads} heads must part it evenly.")
        self.kind, self.heads = kind, heads
        self.output_size = width if kind == "scaled" else key_size
        if kind == "additive":
            self.map_query = nn.Linear(query_size, width)
            self.map_key = nn.Linear(key_size, width, bias=False)
            self.score = nn.Linear(width, 1, bias=False)
        elif kind == "general":
            self.map_key = nn.Linear(key_size, query_size, bias=False)
        elif kind == "scaled":
            self.map_query = nn.Linear(query_size, width)
            self.map_key = nn.Linear(key_size, width)
            self.map_value = nn.Linear(key_size, width)

    def keys(self, source: Tensor, lengths: Tensor) -> Keys:
        """Map a source once, for any number of queries.

        Args:
            source: float (B,S,F), keys and values.
            lengths: int64 (B,), from 1 to S.

        Raises:
            DataError: lengths of another number of sequences.
        """
        if lengths.shape != (len(source),):
            raise DataError(f"lengths has shape {tuple(lengths.shape)}, but the source has {len(source)} sequences.")
        real = is_real(lengths.to(source.device), source.shape[1])
        source = source.masked_fill(~real[..., None], 0.0)  # NaN on padding would pass through a weight of 0
        mapped = source if self.kind == "dot" else self.map_key(source)
        return Keys(mapped, self.map_value(source) if self.kind == "scaled" else source, real)

    def forward(self, queries: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            queries: float (B,Q,E).
            keys: what `keys` gave.

        Returns:
            contexts float (B,Q,output_size), and weights (B,Q,S), of several heads (B,N,Q,S); they sum to 1 over S.
        """
        if self.kind == "scaled":
            return self._with_heads(queries, keys)
        weights = self._scores(queries, keys.mapped).masked_fill(~keys.real[:, None], -torch.inf).softmax(dim=-1)
        return weights @ keys.values, weights

    def extra_repr(self) -> str:
        """Say what was chosen."""
        return f"{self.kind}, heads={self.heads}"

    def _scores(self, queries: Tensor, mapped: Tensor) -> Tensor:
        """How well keys fit queries, (B,Q,S)."""
        if self.kind == "additive":
            together = torch.tanh(self.map_query(queries)[:, :, None] + mapped[:, None])
            return self.score(together)[..., 0]  # type: ignore[no-any-return]
        return queries @ mapped.transpose(1, 2)

    def _with_heads(self, queries: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
        asked, mapped, values = (self._parted(part) for part in (self.map_query(queries), keys.mapped, keys.values))
        scores = asked @ mapped.transpose(2, 3) * asked.shape[-1] ** -0.5  # (B,N,Q,S)
        weights = scores.masked_fill(~keys.real[:, None, None], -torch.inf).softmax(dim=-1)
        contexts = (weights @ values).transpose(1, 2).flatten(2)
        return contexts, weights[:, 0] if self.heads == 1 else weights

    def _parted(self, steps: Tensor) -> Tensor:
        """(B,T,A) -> (B,N,T,A/N)."""
        size, count, width = steps.shape
        return steps.reshape(size, count, self.heads, width // self.heads).transpose(1, 2)


class StepwiseAttention:
    """Attention in a loop of T steps, each with one query of every sequence: what it gives for all queries at once."""

    def __init__(self, attention: Attention, keys: Keys, steps: int) -> None:
        """Prepare the loop."""
        self._attention, self._keys = attention, keys
        self._products: tuple[StepwiseProduct, StepwiseProduct] | None = None
        if attention.kind in ("general", "dot"):
            size, places = keys.real.shape
            none = keys.values.new_zeros(1).expand
            self._never = ~keys.real
            self._products = (
                StepwiseProduct(keys.mapped.transpose(1, 2), none(steps, size, places)),
                StepwiseProduct(keys.values, none(steps, size, keys.values.shape[2])),
            )

    def __call__(self, step: int, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Attend with queries (B,E): contexts (B,output_size), and weights (B,S), the mean over the heads."""
        if self._products is None:
            contexts, weights = self._attention(queries.unsqueeze(1), self._keys)
            return contexts.squeeze(1), weights.flatten(1, -2).mean(dim=1)
        scores, contexts = self._products
        weights = scores(step, queries).masked_fill(self._never, -torch.inf).softmax(dim=-1)
        return contexts(step, weights), weights


class ConcatenatedAttention(nn.Module):
    """The tutorials' form: weights from a linear map of query and key side by side, then query and context mapped.

    weights = softmax(U [q; k] + c), one number for each of S values; context = weights · values; the result is
    V [q; context] + d. The map gives a weight to each place, so that S is fixed.
    """

    def __init__(self, query_size: int, key_size: int, value_size: int, places: int, output_size: int) -> None:
        """Make the weights: widths of a query, a key, a value and the result, and `places`, S."""
        super().__init__()
        for name, size in (
            ("query_size", query_size),
            ("key_size", key_size),
            ("value_size", value_size),
            ("places", places),
            ("output_size", output_size),
        ):
            check_at_least(name, size, 1)
        self.places = places
        self.weigh = nn.Linear(query_size + key_size, places)
        self.combine = nn.Linear(query_size + value_size, output_size)

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            queries: float (B,Q,E).
            keys: float (B,Q,F), one beside each query.
            values: float (B,S,G), S being `places`.
            lengths: int64 (B,), real values of each; None: all.

        Returns:
            results float (B,Q,output_size), and weights (B,Q,S), which sum to 1 over the real values.

        Raises:
            DataError: another number of values than `places`, or of keys than of queries.
        """
        if values.shape[1] != self.places:
            raise DataError(f"values has {values.shape[1]} places, but the attention was made for {self.places}.")
        if keys.shape[:2] != queries.shape[:2]:
            raise DataError(f"keys has shape {tuple(keys.shape)}, but there is one for each of the queries, "
                            f"{tuple(queries.shape)}.")  # fmt: skip
        scores = self.weigh(torch.cat([queries, keys], dim=-1))
        if lengths is not None:
            real = is_real(lengths.to(values.device), self.places)
            scores = scores.masked_fill(~real[:, None], -torch.inf)
            values = values.masked_fill(~real[..., None], 0.0)
        weights = scores.softmax(dim=-1)
        return self.combine(torch.cat([queries, weights @ values], dim=-1)), weights

"""Attention against a plain loop over its formula, and its laws."""

import math

import pytest
import torch
from torch.nn import functional

from bothways.errors import DataError, SettingsError
from bothways.nn.attention import Attention, ConcatenatedAttention

B, Q, S, E, F, A = 3, 2, 5, 6, 4, 8
LENGTHS = torch.tensor([5, 1, 3])
KINDS = [("additive", 1), ("general", 1), ("dot", 1), ("scaled", 1), ("scaled", 4)]


def make(kind, heads, *, poison=float("nan")):
    torch.manual_seed(1)
    width = F if kind == "dot" else E
    attention = Attention(kind, width, F, width=A, heads=heads).double()
    source = torch.randn(B, S, F, dtype=torch.float64)
    for row, length in enumerate(LENGTHS):
        source[row, length:] = poison
    return attention, torch.randn(B, Q, width, dtype=torch.float64), source


def score(attention, query, key, head):
    """One number, by the table of the module's text."""
    if attention.kind == "additive":
        hidden = torch.tanh(attention.map_query(query) + attention.map_key.weight @ key)
        return attention.score.weight[0] @ hidden
    if attention.kind == "general":
        return query @ (attention.map_key.weight @ key)
    if attention.kind == "dot":
        return query @ key
    size = A // attention.heads
    part = slice(head * size, (head + 1) * size)
    return attention.map_query(query)[part] @ attention.map_key(key)[part] / math.sqrt(size)


@pytest.mark.parametrize(("kind", "heads"), KINDS)
@torch.no_grad()
def test_contexts_and_weights_are_those_of_a_plain_loop(kind, heads):
    attention, queries, source = make(kind, heads)
    contexts, weights = attention(queries, attention.keys(source, LENGTHS))
    for row, length in enumerate(LENGTHS.tolist()):
        for place in range(Q):
            parts = []
            for head in range(heads):
                scores = torch.stack([score(attention, queries[row, place], key, head) for key in source[row, :length]])
                shares = functional.softmax(scores, dim=0)
                found = weights[row, head, place] if heads > 1 else weights[row, place]
                torch.testing.assert_close(found[:length], shares)
                assert not found[length:].any()
                values = source[row, :length]
                if kind == "scaled":
                    size = A // heads
                    values = attention.map_value(values)[:, head * size : (head + 1) * size]
                parts.append((shares[:, None] * values).sum(dim=0))
            torch.testing.assert_close(contexts[row, place], torch.cat(parts))


@pytest.mark.parametrize(("kind", "heads"), KINDS)
def test_padding_has_no_say_also_in_gradients(kind, heads):
    found = []
    for poison in (float("nan"), 0.0):
        attention, queries, source = make(kind, heads, poison=poison)
        source.requires_grad_()
        attention(queries, attention.keys(source, LENGTHS))[0].sum().backward()
        grads = [weight.grad for weight in attention.parameters()]
        found.append([torch.nan_to_num(source.grad, nan=7.0), *grads])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
    assert not found[0][0][1, 1:].any()


@pytest.mark.parametrize(("kind", "heads"), KINDS)
@torch.no_grad()
def test_a_query_has_the_same_context_alone_as_in_company(kind, heads):
    attention, queries, source = make(kind, heads)
    together, _ = attention(queries, attention.keys(source, LENGTHS))
    for row, length in enumerate(LENGTHS.tolist()):
        keys = attention.keys(source[row : row + 1, :length], LENGTHS[row : row + 1])
        for place in range(Q):
            alone, _ = attention(queries[row : row + 1, place : place + 1], keys)
            torch.testing.assert_close(alone[0, 0], together[row, place], rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_self_attention_is_torchs():
    """The case that queries, keys and values are one: torch's own function on the same maps."""
    torch.manual_seed(0)
    attention = Attention("scaled", F, F, width=A, heads=2).double()
    source = torch.randn(B, S, F, dtype=torch.float64)
    found, _ = attention(source, attention.keys(source, LENGTHS))
    asked, mapped, values = (
        linear(source).unflatten(2, (2, A // 2)).transpose(1, 2)
        for linear in (attention.map_query, attention.map_key, attention.map_value)
    )
    real = (torch.arange(S) < LENGTHS[:, None])[:, None, None]
    wanted = functional.scaled_dot_product_attention(asked, mapped, values, attn_mask=real)
    torch.testing.assert_close(found, wanted.transpose(1, 2).flatten(2))


@torch.no_grad()
def test_the_tutorials_form_is_that_of_a_plain_loop():
    torch.manual_seed(0)
    attention = ConcatenatedAttention(E, F, 3, S, 7).double()
    queries, keys, values = (torch.randn(B, Q, E), torch.randn(B, Q, F), torch.randn(B, S, 3))
    queries, keys, values = queries.double(), keys.double(), values.double()
    for row, length in enumerate(LENGTHS):
        values[row, length:] = float("nan")
    results, weights = attention(queries, keys, values, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        for place in range(Q):
            query = queries[row, place]
            scores = attention.weigh.weight @ torch.cat([query, keys[row, place]]) + attention.weigh.bias
            shares = torch.zeros(S, dtype=torch.float64)
            shares[:length] = functional.softmax(scores[:length], dim=0)
            context = sum(shares[at] * values[row, at] for at in range(length))
            wanted = attention.combine.weight @ torch.cat([query, context]) + attention.combine.bias
            torch.testing.assert_close(weights[row, place], shares)
            torch.testing.assert_close(results[row, place], wanted)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dots", 4, 4), "kind is 'dots'"),
        (("dot", 4, 5), "'dot' needs them equal. Use 'general'"),
        (("general", 4, 5, {"heads": 2}), "only 'scaled' has several"),
        (("scaled", 4, 5, {"width": 6, "heads": 4}), "width is 6, but 4 heads must part it evenly"),
        (("scaled", 0, 5), "query_size is 0"),
    ],
)
def test_attention_that_cannot_be_is_refused(arguments, said):
    given = arguments[-1] if isinstance(arguments[-1], dict) else {}
    with pytest.raises(SettingsError, match=said):
        Attention(*arguments[:3], **given)


def test_input_that_does_not_fit_is_refused():
    attention, _, source = make("general", 1)
    with pytest.raises(DataError, match="lengths has shape"):
        attention.keys(source, LENGTHS[:2])
    fixed = ConcatenatedAttention(E, F, 3, S, 7)
    with pytest.raises(DataError, match="values has 4 places, but the attention was made for 5"):
        fixed(torch.randn(B, Q, E), torch.randn(B, Q, F), torch.randn(B, 4, 3))
    with pytest.raises(DataError, match="there is one for each of the queries"):
        fixed(torch.randn(B, Q, E), torch.randn(B, 1, F), torch.randn(B, S, 3))

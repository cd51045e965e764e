"""A translator as two ONNX graphs: one reads the source, one writes one token more; a search runs between them.

    encoder   sources int64 (B,S), lengths int64 (B,)
              -> state_0, ... (B,1,L,H), keys and values
    decoder   tokens int64 (B,W), state_0, ... (B,W,L,H), feed (B,W,F), keys, values, real bool (B,S), count int64 (1,)
              -> log_probabilities and likeliest (B,W,C), of the `count` likeliest tokens, end (B,W), after_0, ...,
                 features (B,W,F), attention (B,W,S)

The first feed is zeros. Without attention there are no keys, values, real and attention; without input feeding no feed
and no features. Keys and values lie as the decoder multiplies them; each source is mapped once, however many beginnings
look at it.

Shapes: B sources, W beginnings of each, S steps, T steps of either, L layers, P parts of a state, H hidden width, F
width of features, A width of keys, N heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bothways.models.graph import add_embedding, add_linear, add_recurrent
from bothways.models.graph_builder import GraphBuilder

if TYPE_CHECKING:
    from torch import Tensor

    from bothways.models.translator import Translator
    from bothways.nn.attention import Attention


def encoder_graph(model: Translator) -> Any:
    """Write what reads sources."""
    graph = GraphBuilder("bothways_encoder")
    sources, lengths = graph.input("sources", "int64", ["B", "S"]), graph.input("lengths", "int64", ["B"])
    reading = add_recurrent(graph, model.encoder, add_embedding(graph, model.source_embedding, sources), lengths)
    decoder = model.decoder
    ways = [part for way in reading.final_state if way is not None for part in way]  # (L,B,H) each
    together = graph.add("Transpose", [graph.add("Concat", ways, axis=0)], perm=[1, 0, 2])
    known = graph.add("Flatten", [together], axis=1)
    shape = graph.integers(0, 1, len(decoder.reader.parts), decoder.reader.num_layers, decoder.reader.hidden_size)
    start = graph.add("Reshape", [graph.add("Tanh", [add_linear(graph, model.bridge, known)]), shape])  # (B,1,P,L,H)
    outputs = {
        f"state_{part}": graph.add("Gather", [start, graph.constant(np.array(part))], axis=2)
        for part in range(len(decoder.reader.parts))
    }
    if decoder.attention is not None:
        outputs |= _add_keys(graph, decoder.attention, reading.outputs)
    return graph.build(outputs)


def decoder_graph(model: Translator) -> Any:
    """Write what writes one token more."""
    decoder = model.decoder
    size, layers, width = decoder.reader.hidden_size, decoder.reader.num_layers, decoder.feature_size
    graph = GraphBuilder("bothways_decoder")
    vectors = graph.constant(model.target_embedding.weight)
    below = graph.add("Gather", [vectors, graph.input("tokens", "int64", ["B", "W"])])
    if decoder.input_feeding:
        below = graph.add("Concat", [below, graph.input("feed", "float32", ["B", "W", width])], axis=-1)
    parts = range(len(decoder.reader.parts))
    before = [graph.input(f"state_{part}", "float32", ["B", "W", layers, size]) for part in parts]
    after: list[tuple[str, ...]] = []
    for layer in range(layers):
        state = [graph.add("Gather", [part, graph.constant(np.array(layer))], axis=2) for part in before]
        after.append(_add_cell(graph, model, layer, below, state))
        below = after[-1][0]
    outputs = {}
    for part in parts:
        own = [graph.add("Unsqueeze", [states[part], graph.integers(2)]) for states in after]
        outputs[f"after_{part}"] = graph.add("Concat", own, axis=2)
    if decoder.attention is not None:
        context, outputs["attention"] = _add_attention(graph, decoder.attention, below)
        below = graph.add("Concat", [below, context], axis=-1)
    features = graph.add("Tanh", [add_linear(graph, decoder.join, below)])
    if decoder.input_feeding:
        outputs["features"] = features
    tied = model.softmax.weight is model.target_embedding.weight
    # onnxruntime turns the matrix round when it loads.
    weight = graph.add("Transpose", [vectors if tied else graph.constant(model.softmax.weight)], perm=[1, 0])
    logits = graph.add("Add", [graph.add("MatMul", [features, weight]), graph.constant(model.softmax.bias)])
    said = graph.add("LogSoftmax", [logits], axis=-1)
    best, which = graph.add_many("TopK", [said, graph.input("count", "int64", [1])], 2, axis=-1)
    eos = graph.constant(np.array(len(model.softmax.bias) - 1))
    outputs |= {"log_probabilities": best, "likeliest": which, "end": graph.add("Gather", [said, eos], axis=2)}
    return graph.build(outputs)


def _add_cell(graph: GraphBuilder, model: Translator, layer: int, below: str, state: list[str]) -> tuple[str, ...]:
    """One step of a layer: what is read (B,W,·) and the state's parts (B,W,H) -> the parts after."""
    reader = model.decoder.reader
    weight, hidden, bias, hidden_bias = reader.weights(layer, "forward")
    size = reader.hidden_size

    def product(inputs: str, matrix: Tensor, added: Tensor) -> str:
        return graph.add("Add", [graph.add("MatMul", [inputs, graph.constant(matrix.T)]), graph.constant(added)])

    given, own = product(below, weight, bias), product(state[0], hidden, hidden_bias)
    cell = reader.cell
    if cell == "gru":
        parted = graph.integers(2 * size, size)
        given_gates, given_new = graph.add_many("Split", [given, parted], 2, axis=-1)
        own_gates, own_new = graph.add_many("Split", [own, parted], 2, axis=-1)
        gates = graph.add("Sigmoid", [graph.add("Add", [given_gates, own_gates])])
        reset, keep = graph.add_many("Split", [gates, graph.integers(size, size)], 2, axis=-1)
        new = graph.add("Tanh", [graph.add("Add", [given_new, graph.add("Mul", [reset, own_new])])])
        change = graph.add("Mul", [keep, graph.add("Sub", [state[0], new])])
        return (graph.add("Add", [new, change]),)
    total = graph.add("Add", [given, own])
    if cell == "lstm":
        enter, forget, new, leave = graph.add_many("Split", [total, graph.integers(*[size] * 4)], 4, axis=-1)
        kept = graph.add("Mul", [graph.add("Sigmoid", [forget]), state[1]])
        added = graph.add("Mul", [graph.add("Sigmoid", [enter]), graph.add("Tanh", [new])])
        inner = graph.add("Add", [kept, added])
        return graph.add("Mul", [graph.add("Sigmoid", [leave]), graph.add("Tanh", [inner])]), inner
    return (graph.add("Tanh" if cell == "rnn_tanh" else "Relu", [total]),)


def _add_keys(graph: GraphBuilder, attention: Attention, outputs: str) -> dict[str, str]:
    """Map a source (B,S,F) once: keys and values as `_add_attention` reads them."""
    mapped = outputs if attention.kind == "dot" else add_linear(graph, attention.map_key, outputs)
    if attention.kind == "scaled":
        keys = _parted(graph, attention, mapped, perm=[0, 2, 3, 1])  # (B,N,A/N,S)
        return {"keys": keys, "values": _parted(graph, attention, add_linear(graph, attention.map_value, outputs))}
    if attention.kind == "additive":
        return {"keys": graph.add("Unsqueeze", [mapped, graph.integers(1)]), "values": outputs}  # (B,1,S,A)
    return {"keys": graph.add("Transpose", [mapped], perm=[0, 2, 1]), "values": outputs}  # (B,A,S)


def _add_attention(graph: GraphBuilder, attention: Attention, queries: str) -> tuple[str, str]:
    """Attend with queries (B,W,H): contexts (B,W,·), and weights (B,W,S), the mean over the heads."""
    width = attention.output_size
    real = graph.add("Unsqueeze", [graph.input("real", "bool", ["B", "S"]), graph.integers(1)])
    never = graph.constant(np.array(-np.inf))
    if attention.kind == "scaled":
        own = width // attention.heads
        keys = graph.input("keys", "float32", ["B", attention.heads, own, "S"])
        values = graph.input("values", "float32", ["B", attention.heads, "S", own])
        asked = _parted(graph, attention, add_linear(graph, attention.map_query, queries))
        scores = graph.add("Mul", [graph.add("MatMul", [asked, keys]), graph.constant(np.array(own**-0.5))])
        masked = graph.add("Where", [graph.add("Unsqueeze", [real, graph.integers(1)]), scores, never])
        weights = graph.add("Softmax", [masked], axis=-1)  # (B,N,W,S)
        contexts = graph.add("Transpose", [graph.add("MatMul", [weights, values])], perm=[0, 2, 1, 3])
        joined = graph.add("Reshape", [contexts, graph.integers(0, 0, width)])
        return joined, graph.add("ReduceMean", [weights], axes=[1], keepdims=0)
    if attention.kind == "additive":
        keys = graph.input("keys", "float32", ["B", 1, "S", attention.score.in_features])
        asked = graph.add("Unsqueeze", [add_linear(graph, attention.map_query, queries), graph.integers(2)])
        together = graph.add("Tanh", [graph.add("Add", [asked, keys])])
        scores = graph.add("Squeeze", [add_linear(graph, attention.score, together), graph.integers(3)])
    else:
        keys = graph.input("keys", "float32", ["B", "A", "S"])
        scores = graph.add("MatMul", [queries, keys])
    values = graph.input("values", "float32", ["B", "S", width])
    weights = graph.add("Softmax", [graph.add("Where", [real, scores, never])], axis=-1)
    return graph.add("MatMul", [weights, values]), weights


def _parted(graph: GraphBuilder, attention: Attention, steps: str, perm: list[int] | None = None) -> str:
    """Part steps (B,T,A) into heads: (B,N,T,A/N), or as `perm` orders (B,T,N,A/N)."""
    own = attention.output_size // attention.heads
    apart = graph.add("Reshape", [steps, graph.integers(0, 0, attention.heads, own)])
    return graph.add("Transpose", [apart], perm=perm or [0, 2, 1, 3])

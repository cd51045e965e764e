"""ONNX graphs run by onnxruntime against the torch modules that they were written from, at other sizes."""

from itertools import product

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from bothways.errors import SettingsError
from bothways.models.graph import add_embedding, add_linear, add_pooling, add_recurrent, add_standardise
from bothways.models.graph_builder import GraphBuilder, GraphState
from bothways.nn import GRU, LSTM, RNN, SRU, Bidirectional, MinGRU, MinLSTM, Pooling, Recurrent, Stacked, State

E, H = 3, 4
POOLINGS = [["last"], ["mean"], ["max"], ["attention"], ["max", "last", "attention", "mean"]]
# No size of these is in the graph: both B and T are names there.
BATCHES = [(3, 6, [6, 1, 4]), (5, 2, [1, 2, 2, 1, 2]), (1, 1, [1]), (2, 40, [33, 40])]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def run(model, feed):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {key: value.numpy() for key, value in feed.items()}), strict=True))


def states_of(reader, size):
    def draw(layers, width, parts):
        return tuple(torch.randn(layers, size, width) for _ in parts) if width else None

    forward_layers, backward_layers = reader.state_layers
    return State(
        draw(forward_layers, reader.forward_size, reader.forward_parts),
        draw(backward_layers, reader.backward_size, reader.backward_parts),
    )


def named(state):
    """Name each tensor of a state or a graph's state."""
    return {
        f"{way}_{part}": tensor for way, parts in state._asdict().items() for part, tensor in enumerate(parts or ())
    }


def compare(reader, *, stateful):
    """Write a reader and all its poolings as one graph; run it beside torch at every size."""
    reader = reader.eval()
    last_size = reader.forward_size + reader.backward_size
    poolings = [Pooling(kinds, reader.output_size, last_size=last_size) for kinds in POOLINGS]
    builder = GraphBuilder()
    inputs, lengths = builder.input("inputs", "float32", ["B", "T", E]), builder.input("lengths", "int64", ["B"])
    start = None
    if stateful:
        start = GraphState(
            *(
                parts
                and tuple(
                    builder.input(f"{way}_{number}", "float32", [len(part), "B", part.shape[2]])
                    for number, part in enumerate(parts)
                )
                for way, parts in states_of(reader, 1)._asdict().items()
            )
        )
    reading = add_recurrent(builder, reader, inputs, lengths, start)
    outputs = {f"pooled_{n}": add_pooling(builder, pooling, reading, lengths) for n, pooling in enumerate(poolings)}
    model = builder.build(
        {"outputs": reading.outputs}
        | {f"final_{key}": name for key, name in named(reading.final_state).items()}
        | outputs
    )

    for size, steps, row_lengths in BATCHES:
        feed = {"inputs": torch.randn(size, steps, E), "lengths": torch.tensor(row_lengths)}
        state = states_of(reader, size) if stateful else None
        with torch.no_grad():
            expected = reader(feed["inputs"], feed["lengths"], state)
            pooled = {f"pooled_{n}": pooling(expected, feed["lengths"]) for n, pooling in enumerate(poolings)}
        found = run(model, feed | (named(state) if state else {}))
        wanted = {"outputs": expected.outputs} | pooled
        wanted |= {f"final_{key}": tensor for key, tensor in named(expected.final_state).items()}
        assert found.keys() == wanted.keys()
        for name, tensor in wanted.items():
            np.testing.assert_allclose(found[name], tensor.numpy(), rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("cell", "ways", "layers", "stateful"),
    list(
        product(
            ["tanh", "relu", "gru", "lstm", "mingru", "minlstm", "sru"],
            [("forward", "joined"), ("backward", "joined"), ("both", "joined"), ("both", "apart")],
            [1, 3],
            [False, True],
        )
    ),
)
def test_a_graph_reads_and_pools_as_the_module_does(cell, ways, layers, stateful):
    options = {"direction": ways[0], "stack": ways[1]}
    if cell in ("tanh", "relu"):
        reader = RNN(E, H, layers, nonlinearity=cell, **options)
    else:
        cells = {"gru": GRU, "lstm": LSTM, "mingru": MinGRU, "minlstm": MinLSTM, "sru": SRU}
        reader = cells[cell](E, H, layers, **options)
    compare(reader, stateful=stateful)


@pytest.mark.parametrize(
    ("cell", "direction", "stack", "convolution"),
    list(product([MinGRU, MinLSTM, SRU], ["backward", "both"], ["joined", "apart"], [2, 4])),
)
def test_a_graph_looks_back_over_a_window_as_the_module_does(cell, direction, stack, convolution):
    for stateful in (False, True):
        compare(cell(E, H, 2, direction=direction, stack=stack, convolution=convolution), stateful=stateful)


def test_a_graph_passes_by_an_sru_as_the_module_does():
    # As wide as its input, so that the input itself passes by.
    compare(SRU(E, E, 2, direction="both"), stateful=True)


@pytest.mark.parametrize("merge", ["sum", "average", "multiply"])
def test_a_graph_merges_as_the_module_does(merge):
    compare(GRU(E, H, 2, direction="both", merge=merge), stateful=False)


@pytest.mark.parametrize("cell", [RNN, GRU, LSTM, MinGRU, MinLSTM, SRU])
def test_a_graph_does_without_bias(cell):
    compare(cell(E, H, 2, direction="both", bias=False), stateful=False)


@pytest.mark.parametrize("stateful", [False, True])
def test_a_graph_reads_mixed_cells(stateful):
    compare(Bidirectional(LSTM(E, H, 2), GRU(E, 5, direction="backward")), stateful=stateful)
    layers = [Bidirectional(RNN(width, H), LSTM(width, 5, direction="backward")) for width in (E, H + 5)]
    compare(Stacked(layers), stateful=stateful)
    compare(Stacked([GRU(E, H, 2), GRU(H, H)]), stateful=stateful)
    uneven = [Bidirectional(GRU(width, H, 2), GRU(width, 5, direction="backward")) for width in (E, H + 5)]
    compare(Stacked(uneven), stateful=stateful)
    compare(Stacked([MinLSTM(E, H, direction="both"), MinGRU(2 * H, H, direction="both")]), stateful=stateful)


@pytest.mark.parametrize("cell", [LSTM, MinGRU, MinLSTM, SRU])
def test_the_padding_of_a_graph_s_input_does_not_matter(cell):
    reader, pooling = cell(E, H, 2, direction="both"), Pooling(["last", "mean", "max"], 2 * H)
    builder = GraphBuilder()
    inputs, lengths = builder.input("inputs", "float32", ["B", "T", E]), builder.input("lengths", "int64", ["B"])
    reading = add_recurrent(builder, reader, inputs, lengths)
    model = builder.build({"pooled": add_pooling(builder, pooling, reading, lengths)})
    feed = {"inputs": torch.randn(2, 5, E), "lengths": torch.tensor([5, 2])}
    filled = {**feed, "inputs": feed["inputs"].clone()}
    filled["inputs"][1, 2:] = float("nan")

    np.testing.assert_array_equal(run(model, filled)["pooled"], run(model, feed)["pooled"])


def test_ids_become_scores_of_labels():
    embedding, linear, plain = nn.Embedding(7, E), nn.Linear(E, 5), nn.Linear(5, 2, bias=False)
    builder = GraphBuilder("scores")
    ids = builder.input("ids", "int64", ["B", "T"])
    hidden = add_linear(builder, linear, add_embedding(builder, embedding, ids))
    model = builder.build({"scores": add_linear(builder, plain, hidden)})
    values = torch.randint(7, (2, 3))

    found = run(model, {"ids": values})["scores"]

    np.testing.assert_allclose(found, plain(linear(embedding(values))).detach().numpy(), rtol=0, atol=1e-6)
    dimensions = model.graph.output[0].type.tensor_type.shape.dim
    assert [dimension.dim_param or dimension.dim_value for dimension in dimensions] == ["B", "T", 2]


def test_numbers_are_standardised():
    values, mean, deviation = torch.randn(2, 3, 4), torch.randn(4), torch.rand(4) + 0.5
    builder = GraphBuilder()
    inputs = builder.input("inputs", "float32", ["B", "T", 4])
    model = builder.build({"out": add_standardise(builder, inputs, mean, deviation)})

    found = run(model, {"inputs": values})["out"]

    np.testing.assert_allclose(found, ((values - mean) / deviation).numpy(), rtol=0, atol=1e-6)


def test_a_misspelt_attribute_is_refused():
    builder = GraphBuilder()
    inputs = builder.input("inputs", "float32", ["B", 2])
    turned = builder.add("Transpose", [inputs], permutation=[1, 0])
    with pytest.raises(Exception, match="permutation"):
        builder.build({"out": turned})


def test_a_reader_without_a_graph_is_refused():
    class Strange(Recurrent):
        pass

    builder = GraphBuilder()
    reader = Strange(input_size=2, forward_size=3, backward_size=0, num_layers=1)
    with pytest.raises(SettingsError, match=r"^reader is Strange, which has no ONNX graph\. Use one of ours\.$"):
        add_recurrent(builder, reader, "inputs", "lengths")

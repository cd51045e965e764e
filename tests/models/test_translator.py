"""The translator's loss by its definition, alone and in company, and its graphs against torch."""

from itertools import product

import numpy as np
import pytest
import torch

from bothways.models.translator import Translator
from bothways.models.translator_graph import decoder_graph, encoder_graph
from bothways.nn.decoder import Decoder
from bothways.runtime.translator import TranslatorGraphs
from bothways.settings import TranslatorSettings

SOURCES, TARGETS = 11, 9  # vocabularies, with the end
EOS = TARGETS - 1


def translator(**changed):
    torch.manual_seed(0)
    shared = changed.pop("shared", False)
    settings = TranslatorSettings(
        **{"embedding_dim": 5, "hidden_size": 6, "num_layers": 2, "dropout": 0.3, "embedding_dropout": 0.2, **changed}
    )
    settings.check()
    size = TARGETS if shared else SOURCES
    return Translator(settings, source_vocabulary=size, target_vocabulary=TARGETS, shared=shared)


def pairs_of(lengths, *, sources=SOURCES):
    """Random ids: sources with the end behind, targets between two."""
    torch.manual_seed(1)
    read, written = (torch.tensor(some) for some in zip(*lengths, strict=True))
    source = torch.randint(1, sources, (len(lengths), int(read.max())))
    target = torch.randint(1, EOS, (len(lengths), int(written.max())))
    for row in range(len(lengths)):
        source[row, read[row] :] = 0
        target[row, 0] = target[row, written[row] - 1] = EOS
        target[row, written[row] :] = 0
    return source, read, target, written


LENGTHS = [(4, 5), (1, 2), (7, 3), (3, 6)]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"attention": "none"},
        {"attention": "dot", "cell_type": "lstm"},
        {"cell_type": "sru", "input_feeding": False},
    ],
)
def test_a_pair_has_the_same_loss_alone_as_in_company_whatever_fills_the_padding(changed):
    model = translator(**changed).double().eval()
    source, read, target, written = pairs_of(LENGTHS)
    alone = [
        model(
            source[row, None, : read[row]],
            read[row, None],
            target[row, None, : written[row]],
            written[row, None],
        )[1]
        for row in range(len(LENGTHS))
    ]
    together = model(source, read, target, written)[1]
    torch.testing.assert_close(together, torch.stack(alone).sum())
    for row in range(len(LENGTHS)):
        source[row, read[row] :], target[row, written[row] :] = 3, 4
    torch.testing.assert_close(model(source, read, target, written)[1], together)


def test_the_loss_is_that_of_writing_the_target_step_by_step():
    model = translator().double().eval()
    source, read, target, written = pairs_of(LENGTHS)
    total = 0.0
    for row in range(len(LENGTHS)):
        known = model.read(source[row, None, : read[row]], read[row, None])
        state = known.start._replace(
            parts=tuple(part[:, :, None] for part in known.start.parts), feed=known.start.feed[:, None]
        )
        for step in range(int(written[row]) - 1):
            logits, _, state = model.step(target[row, None, None, step], state, known.keys)
            total -= logits.detach().log_softmax(dim=-1)[0, 0, target[row, step + 1]].item()
    assert model(source, read, target, written)[1].item() == pytest.approx(total)


def test_smoothing_spreads_its_share_over_all_tokens(monkeypatch):
    model = translator(dropout=0.0, embedding_dropout=0.0).double().train()
    model.encoder.dropout = model.decoder.reader.dropout = 0.0
    batch = pairs_of(LENGTHS)
    trained, plain = model(*batch, label_smoothing=0.2)
    source = model.read(*batch[:2])
    features = model.decoder(model.target_embedding(batch[2][:, :-1]), source.start, source.keys).features
    said = model.softmax(features).detach().log_softmax(dim=-1)
    expected = 0.0
    for row, length in enumerate(batch[3].tolist()):
        for step in range(length - 1):
            wanted = torch.full((TARGETS,), 0.2 / TARGETS, dtype=torch.float64)
            wanted[batch[2][row, step + 1]] += 0.8
            expected -= float((wanted * said[row, step]).sum())
    assert trained.item() == pytest.approx(expected, rel=1e-5)
    assert not plain.requires_grad
    monkeypatch.setattr("bothways.models.translator.LOGITS_AT_ONCE", 3 * TARGETS)
    torch.testing.assert_close(model(*batch, label_smoothing=0.2)[0], trained, rtol=1e-5, atol=0)
    assert model.eval()(*batch, label_smoothing=0.2)[0].item() == pytest.approx(plain.item(), rel=1e-5)


@pytest.mark.parametrize("feeding", [True, False])
def test_scheduled_sampling_of_every_step_reads_what_the_network_itself_wrote(feeding):
    model = translator(num_layers=1, dropout=0.0, embedding_dropout=0.0, input_feeding=feeding).train()
    source, read, target, written = pairs_of([(4, 6)] * 3)
    known = model.read(source, read)
    vectors = model.target_embedding(target[:, :-1])
    guessed = model.decoder.sampled(vectors, known.start, known.keys, model.chooser(vectors, 1.0)).features
    own = target[:, :1]
    for _ in range(target.shape[1] - 2):
        features = model.decoder(model.target_embedding(own), known.start, known.keys).features
        own = torch.cat([own, model.softmax(features[:, -1]).argmax(dim=-1, keepdim=True)], dim=1)
    expected = model.decoder(model.target_embedding(own), known.start, known.keys).features
    torch.testing.assert_close(guessed, expected)
    right = model.decoder.sampled(vectors, known.start, known.keys, model.chooser(vectors, 0.0)).features
    torch.testing.assert_close(right, model.decoder(vectors, known.start, known.keys).features)
    torch.manual_seed(2)
    some = model(source, read, target, written, scheduled_sampling=0.5)[1]
    assert not torch.isclose(some, model(source, read, target, written)[1])


def test_one_mask_hides_the_same_of_every_token_whoever_wrote_it(monkeypatch):
    read, sampled = [], Decoder.sampled

    def spy(self, vectors, state, keys, choose):
        def chosen(step, features):
            read.append(choose(step, features))
            return read[-1]

        return sampled(self, vectors, state, keys, chosen)

    monkeypatch.setattr(Decoder, "sampled", spy)
    model = translator(num_layers=1, dropout=0.0, embedding_dropout=0.5).train()
    for share in (0.0, 0.5, 1.0):
        read.clear()
        model(*pairs_of([(4, 6)] * 3), scheduled_sampling=share or 1e-9)
        hidden = torch.stack(read) == 0  # (T,B,E)
        assert len(read) >= 4
        assert hidden.any()
        assert not hidden.all()
        assert (hidden == hidden[0]).all()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_states_of_the_decoder_are_not_rounded_under_autocast(cell):
    model = translator(cell_type=cell).train()
    source, read, target, written = pairs_of(LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        known = model.read(source, read)
        after = model.decoder(model.target_embedding(target[:, :-1]), known.start, known.keys).state
        loss = model(source, read, target, written)[0]
    assert {part.dtype for part in (*known.start.parts, *after.parts)} == {torch.float32}
    loss.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


@pytest.mark.parametrize(("shared", "tied"), [*product([True, False], repeat=2)])
def test_vectors_are_one_matrix_where_they_are_to_be(shared, tied):
    model = translator(shared=shared, tied=tied)
    rows = [weight.shape[0] for weight in model.parameters() if weight.shape[-1:] == (5,) and weight.dim() == 2]
    assert sum(rows) >= TARGETS
    assert (model.source_embedding is model.target_embedding) == shared
    assert (model.softmax.weight is model.target_embedding.weight) == tied
    matrices = [name for name in model.state_dict() if name.startswith(("target_emb", "own_source", "softmax._own"))]
    assert len(matrices) == 1 + (not shared) + (not tied)


GRAPHS = [
    {},
    {"attention": "none", "cell_type": "lstm", "shared": True},
    {"attention": "general", "cell_type": "rnn", "input_feeding": False},
    {"attention": "dot", "cell_type": "lstm", "tied": False},
    {"attention": "scaled", "heads": 3, "cell_type": "mingru"},
]


@pytest.mark.parametrize("changed", GRAPHS)
@pytest.mark.parametrize(("size", "beginnings"), [(1, 1), (4, 3)])
def test_the_graphs_say_what_torch_says(changed, size, beginnings, tmp_path):
    model = translator(**changed).eval()
    (tmp_path / "encoder").write_bytes(encoder_graph(model).SerializeToString())
    (tmp_path / "decoder").write_bytes(decoder_graph(model).SerializeToString())
    graphs = TranslatorGraphs(str(tmp_path / "encoder"), str(tmp_path / "decoder"))
    source, read, _, _ = pairs_of(LENGTHS[:size], sources=model.source_embedding.num_embeddings)
    known = model.read(source, read)
    state = graphs.read(source.numpy(), read.numpy())
    inputs, rows = np.arange(size), np.zeros((size, beginnings), dtype=np.int64)
    own = known.start._replace(
        parts=tuple(part[:, :, None].expand(-1, -1, beginnings, -1) for part in known.start.parts),
        feed=known.start.feed[:, None].expand(-1, beginnings, -1),
    )
    random = np.random.default_rng(0)
    for _ in range(3):
        tokens = random.integers(1, TARGETS, size=(size, beginnings))
        said = graphs.step(tokens, graphs.chosen(state, inputs, rows), 4)
        state, rows = said.state, np.tile(np.arange(beginnings), (size, 1))
        logits, looks, own = model.step(torch.from_numpy(tokens), own, known.keys)
        expected = logits.log_softmax(dim=-1).detach()
        best, which = expected.topk(4, dim=-1)
        np.testing.assert_allclose(said.log_probabilities, best, atol=1e-5)
        np.testing.assert_array_equal(said.tokens, which)
        np.testing.assert_allclose(said.end, expected[..., EOS], atol=1e-5)
        assert (said.attention is None) == (looks is None)
        if looks is not None:
            np.testing.assert_allclose(said.attention, looks.detach(), atol=1e-5)

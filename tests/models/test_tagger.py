"""The network of a tagger against plain torch and every sequence of tags; what it may see, and its graph."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch.nn import functional

from bothways.data.lexicon import UNKNOWN, Lexicon
from bothways.decoding.schemes import allowed
from bothways.models.tagger import Tagger, onnx_graph
from bothways.nn.chain import Chain
from bothways.runtime.session import open_session
from bothways.settings import TaggerSettings

SIZES = {"embedding_dim": 5, "hidden_size": 4, "spelling_dim": 3, "spelling_size": 2, "num_layers": 2}
STILL = {"dropout": 0.0, "embedding_dropout": 0.0}
LABELS = ["B-A", "I-A", "O"]
SENTENCES = [["the", "cat", "saw", "the", "dog"], ["a"], ["unseen", "Dogs", "sat"]]
LEXICON = Lexicon.learn([*SENTENCES[:2], ["dogs", "sat", "the", "unknown", "Dog"]], lowercase=True, min_count=1)
WAYS = {
    "joined": {},
    "apart": {"stack": "apart"},
    "forward": {"bidirectional": False},
    "backward": {"bidirectional": False, "one_way": "backward"},
}


def network(*, scheme=None, **changed):
    torch.manual_seed(2)
    possible = Chain(*map(torch.from_numpy, allowed(LABELS, scheme))) if scheme else None
    chosen = TaggerSettings(**{**SIZES, **STILL, **changed})
    sizes = {"labels": 3, "vocabulary": len(LEXICON.words), "letters": len(LEXICON.letters)}
    model = Tagger(chosen, **sizes, allowed=possible).double().eval()
    for weight in [model.embedding.weight, *(model.crf.parameters() if model.crf else [])]:
        torch.nn.init.normal_(weight)
    return model


def tensors(sentences, *, rounded=False):
    return [torch.from_numpy(part) for part in LEXICON.batch(sentences, rounded=rounded)]


def emissions(model, sentences, **options):
    """Of each sentence, without padding."""
    with torch.no_grad():
        found = model(*tensors(sentences, **options))
    return [some[: len(words)] for some, words in zip(found, sentences, strict=True)]


def by_plain_torch(model, words):
    """One sentence, one word after another, by torch's own layers."""
    read = []
    for word in words:
        parts = [model.embedding.weight[int(LEXICON.word_ids([word])[0])]]
        if model.letters is not None:
            ids = [LEXICON.letters.index(letter) if letter in LEXICON.letters else UNKNOWN for letter in word]
            _, (states, _) = model.spelling.to_torch()(model.letters.weight[ids][None])
            parts += [states[0, 0], states[1, 0]]
        read.append(torch.cat(parts))
    states, _ = model.encoder.to_torch()(torch.stack(read)[None])
    return functional.linear(states[0], model.output.weight, model.output.bias)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(
    "changed",
    [{}, {"cell_type": "gru"}, {"cell_type": "rnn", "bidirectional": False}, {"spelling_size": 0}],
    ids=str,
)
def test_the_scores_of_a_batch_are_those_of_plain_torch_word_by_word(changed, rounded):
    model = network(**changed)
    for words, found in zip(SENTENCES, emissions(model, SENTENCES, rounded=rounded), strict=True):
        torch.testing.assert_close(found, by_plain_torch(model, words))


@pytest.mark.parametrize("cell_type", ["rnn", "lstm", "gru", "mingru", "minlstm", "sru"])
@pytest.mark.parametrize("way", WAYS)
def test_a_sentence_has_the_same_scores_alone_as_in_company(cell_type, way):
    model = network(cell_type=cell_type, **WAYS[way])
    for words, found in zip(SENTENCES, emissions(model, SENTENCES), strict=True):
        torch.testing.assert_close(found, emissions(model, [words])[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cell_type", ["rnn", "lstm", "gru", "mingru", "minlstm", "sru"])
def test_a_reader_of_one_way_never_sees_what_lies_the_other_way(cell_type):
    other = [*SENTENCES[0][:3], "unseen", "sat"]
    reverse = {"forward": slice(3), "backward": slice(4, 5)}  # the word after the change, read backwards
    for way, same in reverse.items():
        model = network(cell_type=cell_type, **WAYS[way])
        words, changed = SENTENCES[0], other if way == "forward" else ["sat", "a", "a", "a", "dog"]
        (before,), (after,) = emissions(model, [words]), emissions(model, [changed])
        assert torch.equal(before[same], after[same])
        moved = slice(3, None) if way == "forward" else slice(4)
        assert (before[moved] != after[moved]).any(dim=1).all()
    for way in ("joined", "apart"):
        model = network(cell_type=cell_type, **WAYS[way])
        assert (emissions(model, [SENTENCES[0]])[0] != emissions(model, [other])[0]).any(dim=1).all()


# The loss


TAGS = torch.tensor([[2, 0, 1, 2, 0], [0, 0, 0, 0, 0], [0, 1, 1, 0, 0]])


def test_the_loss_of_a_crf_is_that_of_every_allowed_sequence_one_by_one():
    model = network(scheme="bio")
    batch = tensors(SENTENCES)
    found = model.loss(model(*batch), TAGS, batch[1])
    wanted = 0.0
    may, start, _ = allowed(LABELS, "bio")
    for scores, tags, words in zip(emissions(model, SENTENCES), TAGS.tolist(), SENTENCES, strict=True):
        total = {}
        for path in product(range(3), repeat=len(words)):
            if start[path[0]] and all(may[pair] for pair in pairwise(path)):
                total[path] = model.crf.start[path[0]] + model.crf.end[path[-1]]
                total[path] += sum(scores[place, tag] for place, tag in enumerate(path))
                total[path] += sum(model.crf.transitions[pair] for pair in pairwise(path))
        wanted += torch.logsumexp(torch.stack([*total.values()]), 0) - total[tuple(tags[: len(words)])]
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)  # scores are made float32 for it


def test_the_loss_of_a_softmax_is_the_cross_entropy_of_every_word():
    model = network(decoder="softmax")
    batch = tensors(SENTENCES)
    wanted = sum(
        -torch.log_softmax(scores[place], 0)[tags[place]]
        for scores, tags, words in zip(emissions(model, SENTENCES), TAGS, SENTENCES, strict=True)
        for place in range(len(words))
    )
    assert model.loss(model(*batch), TAGS, batch[1]).item() == pytest.approx(wanted.item(), rel=1e-6)
    assert model.chain() is None


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_what_stands_on_padding_changes_neither_loss_nor_gradient(decoder):
    model = network(decoder=decoder, scheme="bio")
    which, lengths, *rest = tensors(SENTENCES)
    found = []
    for place, tag in ((0, 0), (4, 2)):
        padding = torch.arange(which.shape[1]) >= lengths[:, None]
        loss = model.loss(
            model(which.masked_fill(padding, place), lengths, *rest), TAGS.masked_fill(padding, tag), lengths
        )
        found.append([loss, *torch.autograd.grad(loss, [*model.parameters()])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


# Dropout


def test_a_hidden_word_keeps_its_letters():
    model = network(word_dropout=0.999999).train()
    which, lengths, words, *letters = tensors(SENTENCES)
    hidden = model(which, lengths, words, *letters)
    torch.testing.assert_close(hidden, model.eval()(which, lengths, torch.full_like(words, UNKNOWN), *letters))
    elsewhere = model(which, lengths, words, letters[0].flip(0), letters[1].flip(0))
    assert not torch.allclose(hidden, elsewhere)


def test_words_are_hidden_one_by_one_by_their_share():
    """The same word may be hidden in one place and not in another."""
    model = network(word_dropout=0.3, spelling_size=0).train()
    which, words = torch.zeros(300, 40, dtype=torch.long), torch.tensor([3])
    vectors = model._words(which, words)
    unknown = (vectors == model.embedding.weight[UNKNOWN]).all(dim=2)
    assert unknown.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert 0 < unknown[0].sum() < 40
    assert (vectors[~unknown] == model.embedding.weight[3]).all()
    assert (model.eval()._words(which, words) == model.embedding.weight[3]).all()


@pytest.mark.parametrize("name", ["dropout", "embedding_dropout", "word_dropout"])
def test_dropout_is_for_training_alone(name):
    model = network(**{name: 0.5})
    batch = tensors(SENTENCES)
    plain = network()(*batch)
    torch.testing.assert_close(model(*batch), plain)
    model.train()
    assert not torch.allclose(model(*batch), plain)


def test_what_dropout_leaves_out_of_a_sentence_is_the_same_at_each_word():
    """Of one layer, so that nothing else is dropped: each number is left out at all words, or doubled at all."""
    model, read = network(dropout=0.5, num_layers=1), tensors(SENTENCES[:1] * 20)
    with torch.no_grad():
        whole, some = model.read(*read).outputs, model.train().read(*read).outputs
    shares = some / whole
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))
    torch.testing.assert_close(shares.unique().round(decimals=6).unique(), torch.tensor([0.0, 2.0]).double())
    assert 0.3 < (shares == 0).double().mean() < 0.7


def test_pretrained_vectors_are_used_and_kept_where_frozen():
    for freeze in (False, True):
        model = network()
        matrix = np.random.default_rng(0).normal(size=model.embedding.weight.shape).astype(np.float32)
        model.use_vectors(matrix, freeze=freeze)
        np.testing.assert_array_equal(model.embedding.weight.detach().numpy(), matrix)
        batch = tensors(SENTENCES)
        model.loss(model(*batch), TAGS, batch[1]).backward()
        assert (model.embedding.weight.grad is None) == freeze


# The graph


@pytest.mark.parametrize("cell_type", ["rnn", "lstm", "gru", "mingru", "minlstm", "sru"])
@pytest.mark.parametrize(
    "changed",
    [*WAYS.values(), {"spelling_size": 0}, {"spelling_size": 0, "num_layers": 1, "bidirectional": False}],
    ids=str,
)
def test_the_graph_gives_the_same_scores_at_any_size(tmp_path, cell_type, changed):
    model = network(cell_type=cell_type, **changed).float()
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_graph(model).SerializeToString())
    session = open_session(str(path))
    names = {part.name for part in session.get_inputs()}
    assert ("letters" in names) == (model.letters is not None)
    long = [["the", "cat", "antidisestablishmentarianism" * 3, "?"] * 9]
    for sentences in (SENTENCES, [["a"]], long):
        batch = LEXICON.batch(sentences)
        given = {name: part for name, part in batch._asdict().items() if name in names}
        (found,) = session.run(None, given)
        for some, wanted in zip(found, emissions(model, sentences), strict=True):
            np.testing.assert_allclose(some[: len(wanted)], wanted.numpy(), atol=1e-5)

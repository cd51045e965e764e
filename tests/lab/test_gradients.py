"""Norms of gradients: closed forms of linear recurrences, finite differences, and nothing disturbed."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bothways.data.batches import InMemory
from bothways.data.lexicon import Lexicon
from bothways.errors import DataError
from bothways.lab.gradients import (
    classifier_gradient_norms,
    gradient_norms,
    lost_after,
    network_gradient_norms,
    reach_in_words,
    tagger_gradient_norms,
)
from bothways.models.classifier import CELLS, Classifier
from bothways.models.tagger import Tagger
from bothways.nn import RNN, MinGRU
from bothways.settings import ClassifierSettings, TaggerSettings

SENTENCES = [["a", "b", "c", "b", "a"], ["c"], ["b", "a", "c", "c"], ["a", "b"]]
TAGS = [np.arange(len(words)) % 3 for words in SENTENCES]


def linear(forward: float, backward: float | None = None) -> RNN:
    """An RNN that does h' = a h + x: one unit, whose relu never bends, for its inputs are above 0."""
    reader = RNN(1, 1, nonlinearity="relu", bias=False, direction="forward" if backward is None else "both").double()
    with torch.no_grad():
        for name, weight in reader.named_parameters():
            weight.fill_(1.0 if "_ih" in name else backward if "_reverse" in name and backward else forward)
    return reader


def last(reader: nn.Module, lengths: torch.Tensor):
    """The loss of a sequence is the sum of its last states."""

    def loss(steps):
        return sum(way[0][-1].sum(dim=-1) for way in reader(steps, lengths).final_state if way is not None)

    return loss


def classifier(cell: str = "lstm", direction: str = "both", **changed) -> Classifier:
    torch.manual_seed(1)
    ways = {"bidirectional": direction == "both", "one_way": "backward" if direction == "backward" else "forward"}
    sizes = {"embedding_dim": 3, "hidden_size": 4, "dropout": 0.4, "word_dropout": 0.2}
    settings = ClassifierSettings(cell_type=cell, **ways, **{**sizes, **changed})
    return Classifier(settings, labels=3, vocabulary=9).double()


def rows(*lengths: int) -> tuple[InMemory, np.ndarray]:
    random = np.random.default_rng(0)
    return InMemory([random.integers(1, 9, size=length) for length in lengths]), random.integers(3, size=len(lengths))


def slopes(loss, steps: torch.Tensor) -> np.ndarray:
    """The norm of the gradient at each step (T,E) by central differences."""
    found = np.zeros(steps.shape)
    for place in np.ndindex(*steps.shape):
        ends = []
        for by in (1e-5, -1e-5):
            moved = steps.clone()
            moved[place] += by
            with torch.no_grad():
                ends.append(float(loss(moved[None])))
        found[place] = (ends[0] - ends[1]) / 2e-5
    return np.linalg.norm(found, axis=1)


@pytest.mark.parametrize("keeps", [0.5, 1.0, 1.25])
def test_a_linear_recurrence_has_the_powers_of_what_it_keeps(keeps):
    steps, lengths = torch.rand(3, 30, 1).double() + 0.1, torch.tensor([30, 7, 12])
    norms = gradient_norms(last(linear(keeps), lengths), steps, lengths)
    np.testing.assert_allclose(norms, keeps ** np.arange(30), rtol=1e-12)


def test_norms_far_below_what_float32_can_square_are_told():
    norms = gradient_norms(lambda steps: steps.sum() * 1e-25, torch.ones(1, 3, 4), torch.tensor([3]))
    np.testing.assert_allclose(norms, 2e-25, rtol=1e-6)


def test_a_reader_of_both_ways_has_the_powers_from_both_ends():
    steps, lengths = torch.rand(2, 8, 1).double() + 0.1, torch.tensor([8, 8])
    norms = gradient_norms(last(linear(0.5, 0.7), lengths), steps, lengths)
    np.testing.assert_allclose(norms, 0.5 ** np.arange(8) + 0.7 ** np.arange(7, -1, -1), rtol=1e-12)


def test_a_gate_that_stands_still_is_what_the_state_is_multiplied_by():
    reader = MinGRU(1, 1).double()
    with torch.no_grad():
        reader.weight_l0.copy_(torch.tensor([[0.0], [3.0]]))
        reader.bias_l0.copy_(torch.tensor([-2.0, 0.0]))
    z, lengths = 1 / (1 + math.exp(2.0)), torch.tensor([9])
    norms = gradient_norms(last(reader, lengths), torch.randn(1, 9, 1).double(), lengths)
    np.testing.assert_allclose(norms, 3 * z * (1 - z) ** np.arange(9), rtol=1e-12)


def test_sequences_count_alike_and_only_where_they_have_a_step():
    """One sequence alone has the norms that it has beside others, whatever fills its padding."""
    torch.manual_seed(2)
    reader = CELLS["lstm"](2, 3, direction="both").double()
    steps, sizes = torch.randn(3, 6, 2).double(), [6, 2, 4]
    for row, size in enumerate(sizes):
        steps[row, size:] = float("nan")
    lengths = torch.tensor(sizes)
    alone = [
        gradient_norms(last(reader, lengths[row : row + 1]), steps[row : row + 1, :size], lengths[row : row + 1])
        for row, size in enumerate(sizes)
    ]
    together = gradient_norms(last(reader, lengths), steps, lengths)
    expected = [np.mean([norms[k] for norms in alone if len(norms) > k]) for k in range(6)]
    np.testing.assert_allclose(together, expected, rtol=1e-10)
    assert len(gradient_norms(last(reader, lengths), steps, lengths, share=0.5)) == 4
    assert len(gradient_norms(last(reader, lengths), steps, lengths, share=1)) == 2


def test_exact_zeros_count_as_zeros_and_what_overflows_is_no_number():
    lengths = torch.tensor([3, 3])

    def loss(steps):
        return steps[0, 0].sum() + steps[:, 1].sum() + steps[0, 2].sum() * torch.inf

    np.testing.assert_array_equal(gradient_norms(loss, torch.ones(2, 3, 1), lengths), [np.nan, 1.0, 0.5])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_the_norms_of_a_classifier_are_those_of_finite_differences(cell, direction):
    model = classifier(cell, direction)
    sequences, targets = rows(5, 2, 4)
    found = classifier_gradient_norms(model, sequences, targets)
    model.eval()
    by_row = []
    for ids, target in zip(sequences.take(np.arange(3)), targets, strict=True):
        inputs, lengths = torch.from_numpy(ids)[None], torch.tensor([len(ids)])

        def loss(steps, inputs=inputs, lengths=lengths, target=target):
            return -model(inputs, lengths, steps=steps)[0].log_softmax(dim=0)[target]

        norms = slopes(loss, model.steps(inputs).detach()[0])
        by_row.append(norms if direction == "backward" else norms[::-1])
    expected = [np.mean([norms[k] for norms in by_row if len(norms) > k]) for k in range(5)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rows_are_cut_into_batches_and_chosen_evenly(monkeypatch):
    model = classifier()
    sequences, targets = rows(*range(1, 41))
    whole = classifier_gradient_norms(model, sequences, targets)
    monkeypatch.setattr("bothways.lab.gradients._STEPS_AT_ONCE", 40)
    np.testing.assert_allclose(classifier_gradient_norms(model, sequences, targets), whole, rtol=1e-10)
    five = np.array([0, 10, 20, 29, 39])
    few = InMemory(sequences.take(five)), targets[five]
    chosen = classifier_gradient_norms(model, sequences, targets, most=5)
    np.testing.assert_allclose(chosen, classifier_gradient_norms(model, *few), rtol=1e-10)


def test_nothing_of_a_network_or_of_torch_is_disturbed():
    model = classifier().train()
    model.pooling.eval()
    sequences, targets = rows(5, 3)
    model(torch.ones(1, 2, dtype=torch.int64), torch.tensor([2])).sum().backward()
    modes = [part.training for part in model.modules()]
    gradients = [None if weight.grad is None else weight.grad.clone() for weight in model.parameters()]
    state = torch.get_rng_state()
    with torch.no_grad():
        once, twice = (classifier_gradient_norms(model, sequences, targets) for _ in range(2))
    np.testing.assert_array_equal(once, twice)
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    for weight, before in zip(model.parameters(), gradients, strict=True):
        assert weight.requires_grad
        assert (weight.grad is None) == (before is None)
        assert before is None or torch.equal(weight.grad, before)


def test_a_network_keeps_its_modes_when_its_loss_cannot_be_taken():
    model = classifier().train()
    with pytest.raises((IndexError, RuntimeError)):
        classifier_gradient_norms(model, rows(5, 3)[0], np.array([1, 99]))
    assert all(part.training for part in model.modules())


def tagger(direction: str) -> tuple[Tagger, Lexicon]:
    torch.manual_seed(3)
    lexicon = Lexicon.learn(SENTENCES, lowercase=False, min_count=1)
    ways = {"bidirectional": direction == "both", "one_way": "backward" if direction == "backward" else "forward"}
    settings = TaggerSettings(embedding_dim=3, spelling_size=2, spelling_dim=2, hidden_size=4, **ways)
    model = Tagger(settings, labels=3, vocabulary=len(lexicon.words), letters=len(lexicon.letters))
    return model.double(), lexicon


def test_the_middle_word_of_a_tagger_hears_both_sides_by_their_distance():
    model, lexicon = tagger("both")
    found = tagger_gradient_norms(model, lexicon, SENTENCES, TAGS)
    model.eval()
    past, future = [], []
    for words, tags in zip(SENTENCES, TAGS, strict=True):
        batch = [torch.from_numpy(part) for part in lexicon.batch([words])]
        middle = len(words) // 2

        def loss(steps, batch=batch, middle=middle, tag=tags[middle]):
            scores = model.output(model.encoder(steps, batch[1]).outputs)[0, middle]
            return -scores.log_softmax(dim=0)[tag]

        norms = slopes(loss, model.vectors(*batch).detach()[0])
        past.append(norms[middle::-1])
        future.append(norms[middle:])
    for side, expected in ((found.past, past), (found.future, future)):
        means = [np.mean([norms[k] for norms in expected if len(norms) > k]) for k in range(len(side))]
        np.testing.assert_allclose(side, means, rtol=1e-5)
    assert (len(found.past), len(found.future)) == (3, 3)


def test_a_tagger_that_reads_one_way_hears_one_side():
    forward = tagger_gradient_norms(*tagger("forward"), SENTENCES, TAGS)
    backward = tagger_gradient_norms(*tagger("backward"), SENTENCES, TAGS)
    assert not forward.future[1:].any()
    assert not backward.past[1:].any()
    assert forward.past.all()
    assert backward.future.all()


class Remembering(nn.Module):
    """A network of the kind that memory problems are put to: the last M states, mapped."""

    def __init__(self, answers: int, asked: int | None) -> None:
        super().__init__()
        self.reader, self.output, self.asked = linear(0.8), nn.Linear(1, answers).double(), asked

    def forward(self, inputs, lengths=None):
        reading = self.reader(inputs, lengths)
        states = reading.final_state.forward[0][-1] if self.asked is None else reading.outputs[:, -self.asked :]
        said = self.output(states)
        return said.squeeze(-1) if said.shape[-1] == 1 else said


def test_any_network_of_inputs_and_lengths_has_norms():
    torch.manual_seed(4)
    inputs = torch.rand(2, 6, 1).double() + 0.1
    number = Remembering(1, None)
    wanted, lengths = torch.tensor([0.3, -0.4]).double(), torch.tensor([6, 4])
    with torch.no_grad():
        slope = 2 * (number(inputs, lengths) - wanted).abs() * number.output.weight.abs()[0]
    np.testing.assert_allclose(
        network_gradient_norms(number, inputs, wanted, lengths),
        [float(slope.mean()) * 0.8**k if k < 4 else float(slope[0]) * 0.8**k for k in range(6)],
    )
    symbols, asked = Remembering(3, 2), torch.tensor([[0, 1], [2, 2]])
    with torch.no_grad():
        error = symbols(inputs).softmax(dim=-1) - nn.functional.one_hot(asked, 3)
        early, late = (error @ symbols.output.weight)[:, :, 0].T  # of the last two steps
    far = (0.8 * late + early).abs().mean()
    np.testing.assert_allclose(
        network_gradient_norms(symbols, inputs, asked),
        [float(late.abs().mean()), *(float(far) * 0.8**k for k in range(5))],
    )


def test_a_text_read_backwards_has_the_norms_of_its_mirror_image_read_forwards():
    """Distances are from where reading ends, so that a gradient that vanishes falls, whichever way is read."""
    forward, backward = (classifier("rnn", way, pooling="last") for way in ("forward", "backward"))
    backward.load_state_dict(forward.state_dict())
    sequences, targets = rows(30, 12, 25)
    mirrored = InMemory([ids[::-1].copy() for ids in sequences.take(np.arange(3))])
    found = classifier_gradient_norms(backward, mirrored, targets)
    np.testing.assert_allclose(found, classifier_gradient_norms(forward, sequences, targets), rtol=1e-10)
    assert found[0] > 10 * found[-1]


@pytest.mark.parametrize("keeps", [0.3, 0.9, 0.99])
def test_a_power_is_lost_after_its_logarithm(keeps):
    norms = 5 * keeps ** np.arange(1_000)
    for share in (1 / 2, 1 / 100):
        assert lost_after(norms, share) == math.floor(math.log(share) / math.log(keeps)) + 1


def test_what_is_felt_at_the_far_end_is_not_lost():
    assert lost_after([1, 0.1, 0.1, 0.9], 0.5) is None
    assert lost_after([1.0] * 5, 0.5) is None
    assert lost_after([0.001, 1, 0.2, 0.6, 0.1, 0.1], 0.5) == 4
    assert lost_after([1, None, 0.1], 0.5) == 2
    assert lost_after([1, 0.1, None], 0.5) is None
    assert lost_after([None, None], 0.5) is lost_after([], 0.5) is None
    assert lost_after([0.0, 0.0], 0.5) is None
    assert reach_in_words(0.5 ** np.arange(20)) == "below 1/2 from distance 2, below 1/100 from distance 7 (of 20)"
    assert reach_in_words([1, 0.4, 0.1]) == "below 1/2 from distance 1, never below 1/100 for good in 3 steps"
    assert reach_in_words([1, 1]) == "never below 1/2 for good in 2 steps"


def test_no_rows_have_no_norms():
    with pytest.raises(DataError, match=r"^There is no row to take the gradient of a loss from\. Give at least one\.$"):
        classifier_gradient_norms(classifier(), InMemory([]), np.array([], dtype=np.int64))

"""Contributions of words: they add up to the score, each side is blind to the other, they are the plain integral."""

import json

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from bothways import IntentParser, SequenceTagger, TextClassifier
from bothways.errors import DataError
from bothways.lab import explaining
from bothways.lab.encoder_inputs import input_of_text, input_of_words
from bothways.lab.explaining import _Split, explain_intent, explain_text, explain_word
from bothways.lab.gates import gates_of_all_ways
from bothways.lab.states import states_of
from bothways.models.classifier import CELLS
from terminal import run
from toy_tags import TAGGER, asked, names
from toys import SMALL, toy_csv, toy_texts

TEXTS, LABELS = toy_texts(60)
TEXT = "the joy of a film then gloom here"


def fitted(**changed):
    return TextClassifier(**{**SMALL, "epochs": 8, "pooling": "max+last", **changed}).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def trained(model):
    return model.trained_


@pytest.fixture(scope="module")
def tagger():
    return SequenceTagger(**{**TAGGER, "epochs": 8}).fit(*names(60)).trained_


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("stack", "layers"), [("joined", 1), ("joined", 3), ("apart", 2)])
def test_given_one_text_twice_a_split_reader_reads_as_the_whole_one(cell, stack, layers):
    torch.manual_seed(0)
    encoder = CELLS[cell](
        3, 4, layers, direction="both", stack=stack, merge="average" if layers == 3 else "concatenate"
    )
    inputs, lengths = torch.randn(2, 6, 3), torch.tensor([6, 4])
    whole, split = encoder.eval()(inputs, lengths), _Split(encoder)(inputs, inputs, lengths)
    torch.testing.assert_close(split.outputs, whole.outputs)
    torch.testing.assert_close(split.forward, whole.forward)
    torch.testing.assert_close(split.backward, whole.backward)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"num_layers": 2, "cell_type": "gru", "pooling": "attention"},
        {"num_layers": 2, "stack": "apart", "cell_type": "mingru", "pooling": "mean"},
        {"bidirectional": False},
        {"bidirectional": False, "one_way": "backward"},
    ],
)
def test_contributions_add_up_to_what_the_score_gains(changed):
    trained = fitted(**changed).trained_
    for text in (TEXT, "joy", "gloom joy " * 20):
        found = explain_text(trained, text)
        gained = found.score - found.empty
        assert found.remainder == pytest.approx(gained - found.contributions.sum())
        assert abs(found.remainder) <= 0.011 * max(abs(gained), 0.1)
        assert len(found.words) == len(found.forward) == len(found.backward)
        one_way = {"forward": found.backward, "backward": found.forward}.get(trained.settings.direction)
        assert one_way is None or not one_way.any()


def test_the_score_is_the_log_odds_of_what_is_predicted(model, trained):
    shares = dict(zip(model.classes_, model.predict_proba([TEXT])[0], strict=True))
    for label, share in shares.items():
        found = explain_text(trained, TEXT, label=label)
        assert found.probability == pytest.approx(share, abs=1e-5)
        assert found.score == pytest.approx(np.log(share / (1 - share)), abs=1e-3)
    best = explain_text(trained, TEXT)
    assert best.label == max(shares, key=shares.get)
    both = (
        explain_text(trained, TEXT, label="bad").contributions + explain_text(trained, TEXT, label="good").contributions
    )
    np.testing.assert_allclose(both, 0, atol=1e-4)  # of two answers what speaks for one speaks against the other


def test_contributions_are_the_plain_integral_of_the_gradient(trained):
    """Without a split, in many small steps, from the whole network's own logits."""
    found = explain_text(trained, TEXT, label="good")
    model, ids = trained.model.eval(), torch.from_numpy(trained.tokenizer.encode([TEXT])[0].astype(np.int64))
    place, steps = trained.classes.index("good"), 2_000
    read = model.steps(ids[None]).detach()
    total = torch.zeros_like(read[0])
    for number in range(steps):
        point = ((number + 0.5) / steps * read).requires_grad_()
        logits = model(ids[None], torch.tensor([len(ids)]), steps=point)[0] / trained.temperature
        (gradient,) = torch.autograd.grad(logits[place] - logits[1 - place], point)
        total += gradient[0] / steps
    expected = (total * read[0]).sum(dim=1)
    np.testing.assert_allclose(found.contributions, expected.numpy(), atol=0.02 * np.abs(expected.numpy()).max())


def test_what_a_reader_from_the_left_adds_does_not_hang_on_its_right_at_a_word():
    """The forward reader has not read what stands behind a word, the backward one not what stands before it."""
    words = ["so", "they", "met", "Ada", "Byron", "."]
    plain = SequenceTagger(**{**TAGGER, "decoder": "softmax"}).fit(*names(60)).trained_
    for place in range(len(words)):
        found = explain_word(plain, words, place)
        assert not found.forward[place + 1 :].any()
        assert not found.backward[:place].any()
        assert found.forward[place] != 0


def test_the_probability_of_a_tag_is_that_of_the_chain(tagger):
    words = ["so", "they", "met", "Ada", "Byron", "."]
    (chances,) = tagger.runner().predict_marginals([words])
    for place in range(len(words)):
        for number, tag in enumerate(tagger.labels):
            if place == 0 and tag.startswith("I-"):
                with pytest.raises(DataError, match=f"tag is '{tag}', which the scheme does not allow at word 1"):
                    explain_word(tagger, words, place, tag=tag)
                continue
            found = explain_word(tagger, words, place, tag=tag)
            assert found.probability == pytest.approx(chances[place, number], abs=1e-4)
            assert abs(found.remainder) <= 0.011 * max(abs(found.score - found.empty), 0.1)


def test_how_many_points_are_in_a_batch_changes_nothing_but_the_room_they_take(tagger, monkeypatch):
    words, labels = ["so", "they", "met", "Ada", "Byron", "."], len(tagger.labels)
    each, sizes = labels**2 * len(words), []

    def counting(emissions, *others, really=explaining._scores_at):
        sizes.append(len(emissions))
        return really(emissions, *others)

    monkeypatch.setattr(explaining, "_scores_at", counting)
    whole = explain_word(tagger, words, 3)
    assert max(sizes) == 64
    for room, most in ((5 * each + 1, 5), (each - 1, 1)):
        sizes.clear()
        monkeypatch.setattr(explaining, "_NUMBERS_AT_ONCE", room)
        found = explain_word(tagger, words, 3)
        assert max(sizes) == most
        np.testing.assert_allclose(found.forward, whole.forward, atol=1e-4)
        np.testing.assert_allclose(found.backward, whole.backward, atol=1e-4)


def test_the_way_begins_where_every_vector_is_zero_and_not_at_unknown_words(tmp_path, model, trained):
    reader, ids = trained.model.eval(), torch.from_numpy(trained.tokenizer.encode([TEXT])[0].astype(np.int64))[None]
    with torch.no_grad():
        nothing = torch.zeros_like(reader.steps(ids))
        chances = (reader(ids, torch.tensor([ids.shape[1]]), steps=nothing)[0] / trained.temperature).softmax(dim=0)
    model.save(tmp_path / "model")
    found = json.loads(run("explain", tmp_path / "model", TEXT, "--label", "good", "--json")[0])
    share = float(chances[trained.classes.index("good")])
    assert found["log_odds_of_nothing"] == pytest.approx(np.log(share / (1 - share)), abs=1e-4)
    shown = run("explain", tmp_path / "model", TEXT, "--label", "good")[0]
    assert f"of nothing (every vector zero) {found['log_odds_of_nothing']:+.2f}" in shown


def test_a_text_that_is_longer_than_the_model_reads_is_said_to_be_cut(tmp_path):
    fitted(epochs=1, max_length=3).save(tmp_path / "model")
    shown, said = run("explain", tmp_path / "model", TEXT, "--json")
    assert said == "1 text cut after 3 steps; what follows is neither read nor explained.\n"
    assert len(json.loads(shown)["words"]) == 3
    assert not run("explain", tmp_path / "model", " ".join(TEXT.split()[:3]))[1]


def test_intents_are_explained_by_the_words_that_tell_them():
    words, tags, intents = asked(60)
    trained = IntentParser(**{**TAGGER, "epochs": 20}).fit(words, tags, intents).trained_
    for some, intent in zip(words[:5], intents[:5], strict=True):
        found = explain_intent(trained, some)
        assert found.label == intent
        assert abs(found.remainder) <= 0.011 * max(abs(found.score - found.empty), 0.1)
    with pytest.raises(DataError, match="intent is 'Sing', but the model knows: 'Book', 'Play'"):
        explain_intent(trained, words[0], intent="Sing")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda trained, tagger: explain_text(trained, "  "), "The text holds no word to explain"),
        (lambda trained, tagger: explain_text(trained, TEXT, label="god"), "label is 'god', .* Did you mean 'good'?"),
        (lambda trained, tagger: explain_word(tagger, ["a"], 1), "word is 2, but the sentence has 1"),
        (lambda trained, tagger: explain_word(tagger, [], 0), "The sentence holds no word"),
        (lambda trained, tagger: explain_word(tagger, ["a"], 0, tag="B-PE"), "tag is 'B-PE', .* Did you mean 'B-PER'?"),
        (lambda trained, tagger: explain_intent(tagger, ["a"]), "The model knows no intents"),
    ],
)
def test_what_cannot_be_explained_is_refused(trained, tagger, ask, message):
    with pytest.raises(DataError, match=message):
        ask(trained, tagger)


def test_the_command_prints_and_draws_the_same(tmp_path, model, trained):
    model.save(tmp_path / "model")
    found = json.loads(run("explain", tmp_path / "model", TEXT, "--json", "--plot", tmp_path / "why.png")[0])
    expected = explain_text(trained, TEXT)
    assert found["label"] == expected.label
    assert [TEXT[word["start"] : word["end"]] for word in found["words"]] == expected.words
    np.testing.assert_allclose([word["forward"] for word in found["words"]], expected.forward, atol=1e-5)
    shown = run("explain", tmp_path / "model", TEXT)[0].splitlines()
    assert len(shown) == 2 + len(expected.words) + 1
    assert shown[0].startswith(f"{expected.label}\t{expected.probability:.3f}")
    assert imread(tmp_path / "why.png")[..., :3].std() > 0.05
    assert "--word is for taggers" in run("explain", tmp_path / "model", TEXT, "--word", 1, code=1)[1]


def test_the_command_draws_gates_and_states_of_the_words_that_are_explained(tmp_path, model, tagger, drawn):
    model.save(tmp_path / "model")
    SequenceTagger._of(tagger).save(tmp_path / "tagger")
    pictures = ["--gates", tmp_path / "gates.png", "--states", tmp_path / "states.png"]
    for folder, text, options, words in (
        ("model", TEXT, [], TEXT.split()),
        ("tagger", "so  Li, met", ["--word", 2], ["so", "Li", ",", "met"]),
    ):
        run("explain", tmp_path / folder, text, *options, *pictures)
        gates, states = drawn[-2:]
        for axes in (gates.axes[-1], states.axes[2]):
            assert [text.get_text() for text in axes.get_xticklabels()] == words
        assert [axes.get_title(loc="left").split(":")[0] for axes in gates.axes] == ["forget", "input", "output"]
        given = input_of_text(model.trained_, text) if folder == "model" else input_of_words(tagger, words)
        opened = gates_of_all_ways(given.encoder, given.steps)
        lines = [line.get_ydata() for line in gates.axes[0].get_lines()]
        np.testing.assert_allclose(lines, [one.openings["forget"].mean(axis=1) for one in opened], rtol=1e-6)
        changes = [line.get_ydata() for line in states.axes[0].get_lines()]
        found = states_of(given.encoder, given.steps)
        np.testing.assert_allclose(changes, [found.changes("forward"), found.changes("backward")], rtol=1e-6)


def test_gates_of_a_cell_without_any_are_refused_before_anything_is_shown(tmp_path):
    fitted(cell_type="rnn", epochs=1).save(tmp_path / "model")
    shown, said = run("explain", tmp_path / "model", TEXT, "--gates", tmp_path / "gates.png", code=1)
    assert not shown
    assert said == (
        "bothways: The reader is made of RNN cells, which have no gates. "
        "Use cell_type 'lstm', 'gru', 'mingru', 'minlstm' or 'sru'.\n"
    )
    assert not (tmp_path / "gates.png").exists()
    run("explain", tmp_path / "model", TEXT, "--states", tmp_path / "states.png")
    assert (tmp_path / "states.png").exists()


def test_the_command_explains_a_tag_by_its_number(tmp_path, tagger):
    SequenceTagger._of(tagger).save(tmp_path / "model")
    found = json.loads(run("explain", tmp_path / "model", "so  Li, met", "--word", 2, "--json")[0])
    assert [(word["text"], word["start"]) for word in found["words"]] == [("so", 0), ("Li", 4), (",", 6), ("met", 8)]
    assert "name one by its number" in run("explain", tmp_path / "model", "so Li", code=1)[1]
    options = ["--epochs", 1, "--hidden-size", 4, "--window", 4, "--batch-size", 2]
    run("train", "language", toy_csv(tmp_path / "toy.csv", 30), "--text", "review", "--out", tmp_path / "lm", *options)
    assert "was trained to 'language', which is not explained" in run("explain", tmp_path / "lm", "so", code=1)[1]

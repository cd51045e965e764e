"""Training a translator: what it learns, the same weights after a kill, what is left out, and its scores."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bothways.data.dates import dates
from bothways.data.pairs import pairs_of_python
from bothways.errors import DataError, ModelFolderError, ResumeError
from bothways.models.translator_graph import decoder_graph
from bothways.runtime import load
from bothways.settings import TranslatorSettings
from bothways.training.saving_translator import load_translator, metrics, save_translator, verdict
from bothways.training.translation import mean_loss, train_translator
from bothways.training.translation_preparation import plan_pairs, prepare_pairs
from bothways.training.translation_scores import (
    COPY,
    TranslationScores,
    bleu_of_counts,
    note_on_short,
    quick_scores,
    score_translations,
)
from stopping import StopAt, count_in_a_process, kill_and_resume, one_thread
from toy_pairs import TRANSLATOR, turned


def settings(**changed):
    return TranslatorSettings(**{**TRANSLATOR, **changed})


def prepare(pairs, validation=None, **changed):
    checked = None if validation is None else pairs_of_python(*validation)
    return prepare_pairs(pairs_of_python(*pairs), checked, settings(**changed))


def fit(pairs, validation=None, **changed):
    return train_translator(prepare(pairs, validation, **changed), settings(**changed))


@pytest.fixture(scope="module")
def learned():
    """Turned words, learned."""
    return fit(
        turned(900, longest=4), turned(60, seed=1, longest=4), epochs=5, averaging=0.9, hidden_size=24, monitor="loss"
    )


# Learning


def test_words_are_renamed_and_turned_round(learned):
    sources, targets = turned(100, seed=2, longest=4)
    assert quick_scores(learned.runner().predict(sources), targets)["exact"] > 0.9
    assert learned.scores.bleu > 80 > learned.baseline_scores[COPY]["bleu"]
    assert "The network beats copying the source" in verdict(learned.scores.to_dict(), learned.baseline_scores)


def test_attention_looks_at_the_word_that_is_renamed(learned):
    """Words are turned round: the first word of the target is the last of the source."""
    hits = []
    for (one,) in learned.runner().translate(turned(60, seed=3, longest=4)[0]):
        words = len(one.source_words) - 1
        if len(one.target_words) - 1 == words and words > 1:
            looked = one.attention[:-1].argmax(axis=1)
            # The states beside a word know it, too.
            hits += (np.abs(looked - np.arange(words)[::-1]) <= 1).tolist()
    assert np.mean(hits) > 0.8


def test_dates_are_learned_by_characters():
    chosen = {
        "unit": "character", "hidden_size": 32, "embedding_dim": 32, "epochs": 5, "lr": 0.01, "batch_size": 16,
        "monitor": "loss", "validation_size": 0.05,
    }  # fmt: skip
    plain = [(s, t) for s, t in zip(*dates("train", rows=9000), strict=True) if s[-5:-4] == "." and len(s) == 10]
    trained = fit(tuple(zip(*plain, strict=True)), **chosen)
    test = [(s, t) for s, t in zip(*dates("test", rows=2000), strict=True) if s[-5:-4] == "." and len(s) == 10]
    sources, targets = zip(*test, strict=True)
    assert quick_scores(trained.runner().predict(sources, beam_size=1), targets)["exact"] > 0.9


def test_the_validation_loss_is_the_mean_over_tokens_of_what_each_pair_has_alone(learned):
    part = prepare(turned(900, longest=4), turned(60, seed=1, longest=4)).validation
    model, total, answers = learned.model.eval(), 0.0, 0
    for source, target in zip(part.source_ids.take(np.arange(60)), part.target_ids.take(np.arange(60)), strict=True):
        given = [torch.from_numpy(ids.astype(np.int64))[None] for ids in (source, target)]
        lengths = [torch.tensor([len(ids)]) for ids in (source, target)]
        with torch.no_grad():
            total += model(given[0], lengths[0], given[1], lengths[1])[1].item()
        answers += len(target) - 1
    assert mean_loss(model, part) == pytest.approx(total / answers, rel=1e-5)


@pytest.mark.parametrize(
    "changed", [{}, {"cell_type": "lstm", "attention": "general", "scheduled_sampling": 0.3}, {"attention": "scaled"}]
)
def test_training_in_bfloat16_goes_as_in_float32(changed):
    losses = [
        [row["train_loss"] for row in fit(turned(60), precision=kind, monitor="loss", **changed).history]
        for kind in ("bfloat16", "float32")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=0.01)


# Batches and preparation


def test_batches_hold_every_pair_once_within_the_budget_and_hardly_any_padding():
    chance = np.random.default_rng(0)
    targets = chance.integers(2, 40, 3000)
    sources = np.maximum(1, targets + chance.integers(-3, 4, 3000))
    plan = plan_pairs(sources, targets, budget=600, seed=0, epoch=1)
    assert sorted(np.concatenate(plan).tolist()) == list(range(3000))
    padded = [len(rows) * max(targets[rows].max(), sources[rows].max()) for rows in plan]
    assert max(padded) <= 600
    steps = sum(len(rows) * int(targets[rows].max()) for rows in plan)
    assert steps < 1.03 * targets.sum()
    again = plan_pairs(sources, targets, budget=600, seed=0, epoch=1)
    assert all(np.array_equal(one, other) for one, other in zip(plan, again, strict=True))
    other = plan_pairs(sources, targets, budget=600, seed=0, epoch=2)
    assert [rows.tolist() for rows in plan] != [rows.tolist() for rows in other]
    (alone,) = plan_pairs(np.array([1000]), np.array([3]), budget=600, seed=0, epoch=1)
    assert alone.tolist() == [0]


def test_pairs_with_an_empty_or_a_long_side_are_left_out_and_said_with_their_places():
    sources, targets = turned(30)
    sources, targets = ["", *sources[:20], "one " * 9], ["x", *targets[:20], "uno"]
    targets[3] = "  "
    prepared = prepare((sources, targets), max_length=8, validation_size=0.0)
    assert len(prepared.train) == 19
    assert prepared.notes == [
        "2 of 22 pairs have an empty side and are left out; the first is pair 0, counted from 0.",
        "1 of 20 pairs have a side of more than 8 tokens (max_length) and are left out; the first is pair 21, counted "
        "from 0.",
    ]
    with pytest.raises(DataError, match="pair 21, counted from 0: a side of the pair has 9 tokens, more than 8"):
        prepare((sources, targets), max_length=8, validation_size=0.0, too_long="refuse")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (([""], ["x"]), "holds no pair with text on both sides"),
        ((["a"], ["b"]), "One pair is too few to hold some out"),
        (([f"{name} " + "one " * 299 for name in "abcde"], ["x"] * 5), "a side of the pair has 300 tokens, more than"),
        ((["a"] * 5, ["x", "y", "z", "v", "w"]), "Pairs of one source are too few to hold some out"),
    ],
)
def test_pairs_that_cannot_be_trained_on_are_refused(pairs, message):
    with pytest.raises(DataError, match=message):
        prepare(pairs)


@pytest.mark.parametrize("many", [1, 30, 900])
def test_no_source_is_trained_on_and_validates_however_often_it_stands_in_the_pairs(many):
    sources = [*["one"] * many, *(f"{number} two" for number in range(100))]
    targets = [f"uno {number}" for number in range(len(sources))]
    for seed in range(5):
        prepared = prepare((sources, targets), validation_size=0.2, seed=seed)
        assert not {*prepared.train.sources} & {*prepared.validation.sources}
        assert sorted([*prepared.train.targets, *prepared.validation.targets]) == sorted(targets)
        wanted = min(round(0.2 * len(sources)), 100)
        assert wanted - 30 <= len(prepared.validation) <= wanted
        assert prepared.notes == []


def test_validation_sources_that_are_trained_on_are_counted():
    assert prepare((["one", "two", "six"], list("abc")), (["two", "five", "two"], list("def"))).notes == [
        "2 of 3 validation sources are trained on, too: expect less on new ones than the scores say."
    ]


def test_vocabularies_are_shared_only_where_the_units_are_the_same():
    pairs = turned(30)
    both = prepare(pairs).tokens
    assert both.shared
    assert {"one", "uno"} <= set(both.source.tokenizer.vocabulary)
    for changed in ({"shared_vocabulary": False}, {"target_unit": "character"}):
        apart = prepare(pairs, **changed).tokens
        assert not apart.shared
        assert "uno" not in apart.source.tokenizer.vocabulary
    assert set(apart.target.tokenizer.vocabulary[2:]) == set("".join(pairs[1]))


def test_targets_may_be_as_long_as_those_of_training():
    sources, targets = [str(number) for number in range(100, 160)], ["one hundred and more " * 3] * 60
    assert prepare((sources, targets), min_count=1).expansion == 12
    assert prepare(turned(30)).expansion == 2


# Scores


def test_the_interval_adds_up_the_counts_that_bleu_is_made_of():
    from sacrebleu.metrics.bleu import BLEU

    lines = ["the cat sat on the mat .", "a dog , and another dog !", "it is cold today", "so say we all"] * 3
    right = ["the cat sat on a mat .", "a dog and another dog !", "today it is cold", "so say all of us"] * 3
    metric, one = BLEU(), BLEU(effective_order=True)
    counted = [one.sentence_score(line, [other]) for line, other in zip(lines, right, strict=True)]
    total = np.sum([[*some.counts, *some.totals, some.sys_len, some.ref_len] for some in counted], axis=0)
    expected = metric.corpus_score(lines, [right]).score
    assert bleu_of_counts(metric, total) == pytest.approx(expected)
    scores = score_translations(lines, right)
    assert scores.bleu == pytest.approx(expected)
    assert scores.bleu_interval[0] < scores.bleu < scores.bleu_interval[1]
    assert TranslationScores.from_dict(scores.to_dict()) == scores


def test_what_is_right_scores_full_and_what_has_nothing_right_scores_nothing():
    lines = ["the cat sat on the mat", "so say we all of us"]
    best, worst = score_translations(lines, lines), score_translations(["x y z v w"] * 2, lines)
    assert (best.bleu, best.chrf, best.exact, best.length_ratio) == (pytest.approx(100), pytest.approx(100), 1.0, 1.0)
    assert worst.exact == 0
    assert worst.bleu < 5
    assert "tok:13a" in best.bleu_signature


def test_scripts_without_spaces_are_scored_by_characters():
    chinese = ["今天天气很好", "我们去公园"]
    scores = score_translations(["今天天气不好", "我们去公园"], chinese)
    assert "tok:zh" in scores.bleu_signature
    assert scores.bleu > 40
    for right, nearly in (("これはとてもいいですね", "これはとてもわるいですね"), ("สวัสดีครับผมชื่อ", "สวัสดีค่ะผมชื่อ")):
        scores = score_translations([nearly], [right])
        assert "tok:char" in scores.bleu_signature
        assert 40 < scores.bleu < 100


def test_targets_too_short_for_bleu_are_said_and_judged_by_chrf():
    short = ["uno due", "tre", "sei"]
    assert "no reference has as many, so that BLEU is 0 whatever is right" in note_on_short(short)
    assert note_on_short([*short, "uno due tre sei"]) is None
    assert note_on_short(["今天天气"]) is None
    right, wrong = (score_translations(lines, short).to_dict() for lines in (short, ["due uno", "sei", "tre"]))
    assert right["bleu"] == wrong["bleu"] == 0
    assert verdict(right, {"copy": wrong}).startswith("The network beats copying the source: BLEU 0.00 against 0.00")
    assert verdict(wrong, {"copy": right}).startswith("Copying the source wins")
    assert verdict(wrong, {"copy": wrong}).startswith("The network is no better than copying the source")


def test_scoring_without_references_is_refused():
    with pytest.raises(DataError, match="There are no references to compare with"):
        score_translations([], [])
    with pytest.raises(DataError, match="There are 2 translations, but 1 references"):
        score_translations(["a", "b"], ["a"])


# Saved = loaded = exported


@pytest.mark.parametrize(
    "changed", [{}, {"shared_vocabulary": False, "attention": "none"}, {"unit": "bpe", "target_unit": "character"}]
)
def test_a_saved_model_translates_as_before_from_weights_and_from_graphs(changed, tmp_path):
    trained = fit(turned(60), **{"epochs": 1, **changed})
    save_translator(trained, tmp_path / "model")
    texts = [*turned(30, seed=4)[0], "", "seven"]
    expected = trained.runner().translate(texts, beam_size=3, n_best=2)
    for runner in (load_translator(tmp_path / "model").runner(), load(tmp_path / "model")):
        for some, others in zip(expected, runner.translate(texts, beam_size=3, n_best=2), strict=True):
            assert [one.text for one in some] == [one.text for one in others]
            for one, other in zip(some, others, strict=True):
                assert other.score == pytest.approx(one.score, abs=1e-4)
    assert json.dumps(metrics(load_translator(tmp_path / "model"))) == json.dumps(metrics(trained))
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"{trained.scores.bleu:.2f}" in card
    assert "the source as it stands" in card


def test_a_graph_that_differs_from_the_weights_is_not_saved(tmp_path, monkeypatch):
    trained = fit(turned(30), epochs=1)

    def of_other_weights(model):
        """Write the graph, and change the weights behind its back."""
        graph = decoder_graph(model)
        with torch.no_grad():
            model.decoder.join.bias += 1
        return graph

    monkeypatch.setattr("bothways.training.saving_translator.decoder_graph", of_other_weights)
    with pytest.raises(ModelFolderError, match="The ONNX graph differs from the weights"):
        save_translator(trained, tmp_path / "model")
    assert not (tmp_path / "model").exists()


# Killed = never killed


CHANGED = {"averaging": 0.9, "epochs": 2, "dropout": 0.2, "embedding_dropout": 0.1, "scheduled_sampling": 0.2}


def train_in(folder, listener=None):
    return train_translator(
        prepare(turned(60), **CHANGED),
        settings(**CHANGED),
        folder=folder,
        resume=True,
        listener=listener,
        checkpoint_steps=2,
    )


def kill_three_times(place):
    """Kill a training three times, at random batches, resume it, and give how often it was killed."""
    torch.set_num_threads(1)
    first, folder = Path(place) / "first", Path(place) / "killed"
    first.mkdir()
    folder.mkdir()
    train_in(first)  # imports and compiles here once, not in each child
    chance = random.Random(0)
    steps = (chance.randint(1, 4), chance.randint(2, 4), chance.randint(1, 3))
    return kill_and_resume(lambda listener: train_in(folder, listener), steps)


def test_a_training_killed_at_any_batch_ends_in_the_same_weights(tmp_path):
    assert count_in_a_process(__file__, f"kill_three_times({str(tmp_path)!r})") == 3
    with one_thread():
        expected = fit(turned(60), **CHANGED)
        tensors = load_file(tmp_path / "killed" / "seed-0.safetensors")
        for name, weight in expected.model.state_dict().items():
            torch.testing.assert_close(tensors[f"best/{name}"], weight, rtol=0, atol=0)


def test_ctrl_c_keeps_the_best_epoch_and_resuming_ends_in_the_same_weights(tmp_path):
    chosen = {**CHANGED, "epochs": 3}
    prepared = prepare(turned(60), **chosen)
    whole = train_translator(prepared, settings(**chosen))
    stopped = train_translator(prepared, settings(**chosen), folder=tmp_path, listener=StopAt(9))
    assert stopped.interrupted
    assert 1 <= len(stopped.history) < 3
    assert stopped.runner().predict(["one"])
    resumed = train_translator(prepared, settings(**chosen), folder=tmp_path, resume=True)
    assert not resumed.interrupted
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], weight), name
    with pytest.raises(ResumeError, match="other data or settings"):
        train_translator(prepare(turned(61), **chosen), settings(**chosen), folder=tmp_path, resume=True)


@pytest.mark.parametrize("validation_size", [0.2, 0.0])
def test_a_training_that_diverges_is_refused_with_what_to_do(validation_size):
    far = {"epochs": 3, "lr": 1e8, "weight_decay": 1, "validation_size": validation_size}
    with pytest.raises(DataError, match=r"^The training diverged in epoch 1: .* Try a lower lr\.$"):
        fit(turned(40), **far)

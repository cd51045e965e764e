"""Intents and slots from one network: what is learned, what is scored, what runs from the folder."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from bothways import IntentParser, load
from bothways.data.tagged import read_tagged
from bothways.decoding import tagging
from bothways.decoding.tagging import HmmTagger
from bothways.errors import BothwaysError, DataError, ModelFolderError, NotFittedError, SettingsError
from bothways.estimators.tagger import tagged
from bothways.settings import IntentSettings, TaggerSettings
from bothways.training.tag_network import TorchIntentTagger
from bothways.training.tag_preparation import prepare_tags
from bothways.training.tag_scores import score_tags
from bothways.training.tagging import train_tagger
from bothways.training.tagging_evaluation import evaluate_tagger
from terminal import run
from toy_tags import TAGGER, asked

WORDS, TAGS, INTENTS = asked(60)
SMALL = {**TAGGER, "epochs": 30, "patience": 30, "hidden_size": 16, "dropout": 0.0, "embedding_dropout": 0.0}


@pytest.fixture(scope="module")
def parser():
    return IntentParser(**SMALL).fit(WORDS, TAGS, INTENTS)


def write(folder, words, tags, intents):
    folder.mkdir(parents=True)
    for name, rows in (("seq.in", map(" ".join, words)), ("seq.out", map(" ".join, tags)), ("label", intents)):
        (folder / name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("intents") / "data"
    for part, seed in (("train", 0), ("valid", 1), ("test", 2)):
        write(place / part, *asked(60 if part == "train" else 20, seed=seed))
    return place


@pytest.fixture(scope="module")
def assistant(data):
    options = [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    run("train", "intent", data, "--out", data.parent / "assistant", *options)
    return data.parent / "assistant"


def test_both_are_learned_together(parser):
    words, tags, intents = asked(30, seed=5)
    assert parser.score(words, tags, intents) == 1.0
    assert parser.predict(words) == (intents, tags)
    wrong = [["O"] * len(some) for some in tags[:12]]
    assert parser.score(words, [*wrong, *tags[12:]], [*intents[:18], *["Sing"] * 12]) == pytest.approx(6 / 30)


def test_the_loss_is_that_of_the_tags_and_that_of_the_intents(parser):
    """With a weight of one sentence each, by plain torch."""
    from bothways.training.tagging import TagBatch, _loss

    trained = parser.trained_
    words, tags, intents = asked(5, seed=7)
    read = trained.lexicon.batch(words)
    numbers = np.zeros(read.which.shape, dtype=np.int64)
    for row, some in enumerate(tags):
        numbers[row, : len(some)] = [trained.labels.index(tag) for tag in some]
    wanted = np.array([trained.intents.index(intent) for intent in intents])
    batch = TagBatch(read, numbers, wanted)
    with torch.no_grad():
        found = _loss(trained.model, trained.model, batch)
        emissions, scores = trained.model(*map(torch.from_numpy, read))
        lengths = torch.from_numpy(read.lengths)
        alone = trained.model.crf(emissions, torch.from_numpy(numbers), lengths).sum()
        asked_for = functional.cross_entropy(scores, torch.from_numpy(wanted))
    torch.testing.assert_close(found, alone + asked_for * int(read.lengths.sum()))


def test_a_sentence_has_the_same_intent_alone_as_in_company(parser, tmp_path, monkeypatch):
    monkeypatch.setattr(tagging, "WORDS_AT_ONCE", 64)  # so that there are many batches
    words, _, _ = asked(30, seed=3)
    words.insert(4, [])
    parser.save(tmp_path / "model")
    exported = load(tmp_path / "model")
    exported.at_once = 3
    together = parser.predict_proba(words)
    np.testing.assert_allclose(together.sum(axis=1), 1)
    assert exported.predict(words) == parser.predict(words)
    assert exported.predict_tags(words) == parser.predict(words)[1]
    with pytest.raises(DataError, match="texts is one str"):
        exported.parse("play jazz")
    np.testing.assert_allclose(exported.predict_proba(words), together, atol=1e-5)
    for row, sentence in enumerate(words):
        np.testing.assert_allclose(parser.predict_proba([sentence])[0], together[row], atol=1e-5)
        np.testing.assert_allclose(exported.predict_proba([sentence])[0], together[row], atol=1e-5)


def test_words_that_come_one_by_one_are_all_read(parser):
    """Iterators, which can be read but once, and intents of numpy."""
    given = ((iter(part) for part in parts) for parts in (WORDS, TAGS))
    few = {**SMALL, "epochs": 1}
    again = IntentParser(**few).fit(*given, np.array(INTENTS))
    listed = IntentParser(**few).fit(WORDS, TAGS, INTENTS)
    np.testing.assert_array_equal(again.predict_proba(map(iter, WORDS)), listed.predict_proba(WORDS))
    assert {type(intent) for intent in again.intents_} == {str}


def test_a_training_goes_on_only_with_the_same_intents(tmp_path):
    """Resuming compares what decides on the weights; sentences and tags are alike here."""
    settings = IntentSettings(**{**SMALL, "epochs": 1})
    validation = tagged(WORDS[:6], TAGS[:6], INTENTS[:6], name="V")
    train_tagger(prepare_tags(tagged(WORDS, TAGS, INTENTS, name="X"), validation, settings), settings, folder=tmp_path)
    other = ["Play" if intent == "Book" else "Book" for intent in INTENTS]
    for intents, checked in ((other, validation), (INTENTS, tagged(WORDS[:6], TAGS[:6], other[:6], name="V"))):
        prepared = prepare_tags(tagged(WORDS, TAGS, intents, name="X"), checked, settings)
        with pytest.raises(BothwaysError, match="was written with other data or settings"):
            train_tagger(prepared, settings, folder=tmp_path, resume=True)


def test_what_validation_alone_has_counts_in_all_scores_but_the_loss(parser):
    """A sentence with a new intent beside one that is known: the loss is that of the known one."""
    known = (WORDS[:1], TAGS[:1], INTENTS[:1])
    both = (WORDS[:1] * 2, TAGS[:1] * 2, [INTENTS[0], "Sing"])
    one, two = (
        IntentParser(**{**SMALL, "epochs": 12}).fit(WORDS, TAGS, INTENTS, validation=some).history_[-1]
        for some in (known, both)
    )
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert (one["intent_accuracy"], one["sentence"]) == (1.0, 1.0)
    assert (two["accuracy"], two["intent_accuracy"], two["sentence"]) == (1.0, 0.5, 0.5)


def test_an_empty_sentence_has_no_tags_and_no_intent_likelier_than_another(parser):
    intents, tags = parser.predict([[], WORDS[0]])
    assert tags[0] == []
    assert tags[1] == TAGS[0]
    assert len(intents) == 2
    np.testing.assert_allclose(parser.predict_proba([[]]), 0.5)


def test_saved_is_loaded_is_exported(parser, tmp_path):
    parser.save(tmp_path / "model")
    again, exported = IntentParser.load(tmp_path / "model"), load(tmp_path / "model")
    words, _, _ = asked(9, seed=4)
    assert again.predict(words) == parser.predict(words)
    assert exported.predict(words) == parser.predict(words)
    np.testing.assert_allclose(exported.predict_proba(words), parser.predict_proba(words), atol=1e-4)


def test_a_damaged_baseline_is_noticed(parser, tmp_path):
    parser.save(tmp_path / "model")
    path = tmp_path / "model" / "baseline.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    write(tmp_path / "data", *asked(3))
    for use in (
        lambda: IntentParser.load(tmp_path / "model"),
        lambda: evaluate_tagger(tmp_path / "model", tmp_path / "data"),
    ):
        with pytest.raises(ModelFolderError, match="its checksum differs"):
            use()


def test_a_text_is_read_once_for_its_intent_and_its_slots(parser, monkeypatch):
    seen = []
    run_both = TorchIntentTagger.run_both

    def counted(self, batch):
        seen.append(batch.which.size)
        return run_both(self, batch)

    monkeypatch.setattr(TorchIntentTagger, "run_both", counted)
    parser.parse(["play Halo please"])
    parser.predict([["play", "Halo", "please"]])
    assert seen == [3, 3]


def test_slots_cut_the_text_and_the_likeliest_intent_comes_first(parser):
    text = "so  play Blue Moon, please"
    found = parser.parse([text])[0].to_dict()
    assert found["intent"] == "Play" == next(iter(found["probabilities"]))
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    for slot in found["slots"]:
        assert text[slot["start"] : slot["end"]] == slot["text"]


def test_a_sentence_is_right_only_if_its_intent_is():
    words, tags = [["a"], ["b"]], [["O"], ["O"]]
    scores = score_tags(words, tags, tags, "bio", known=set(), intents=(["X", "Y"], ["X", "Z"]))
    assert (scores.accuracy, scores.intent_accuracy, scores.sentence_accuracy) == (1.0, 0.5, 0.5)
    assert type(scores).from_dict(json.loads(json.dumps(scores.to_dict()))) == scores


# The command line


def test_a_folder_of_parts_is_trained_on_one_and_validated_on_another(assistant, data):
    out, _ = run("evaluate", assistant, data / "test")
    assert "intents           1.0000" in out
    assert "linear baseline:" in out
    facts = json.loads((assistant / "metrics.json").read_text(encoding="utf-8"))["training"]
    assert (facts["sentences"], facts["validation_sentences"]) == (60, 20)
    measured = json.loads(run("evaluate", assistant, data / "test", "--json")[0])
    assert measured["sentences"] == 20
    assert measured["f1"] == measured["intent_accuracy"] == measured["sentence_accuracy"] == 1.0
    assert 0 <= measured["intent_baselines"]["majority"]["accuracy"] < 1
    assert measured["intent_baselines"]["linear"]["accuracy"] == 1.0  # the verb tells
    assert "intents: Book, Play" in run("info", assistant)[0]


def test_validation_that_is_named_comes_before_a_folder_that_is_there(data, tmp_path):
    write(tmp_path / "few", *asked(7, seed=3))
    run("train", "intent", data, "--validation", tmp_path / "few", "--epochs", 1, "--out", tmp_path / "model")
    facts = json.loads((tmp_path / "model" / "metrics.json").read_text(encoding="utf-8"))["training"]
    assert (facts["sentences"], facts["validation_sentences"]) == (60, 7)


def test_predict_prints_the_intent_and_the_slots(assistant):
    out, _ = run("predict", assistant, "play Halo please")
    intent, share, pairs = out.rstrip("\n").split("\t")
    assert intent == "Play"
    assert float(share) > 0.5
    assert pairs == "play/O  Halo/B-song  please/O"
    found = json.loads(run("predict", assistant, "play Halo please", "--json")[0])
    assert found["slots"][0]["type"] == "song"


def test_what_test_has_and_training_never_had_is_counted_wrong(assistant, tmp_path):
    write(
        tmp_path / "odd", [["play", "Halo"], ["book", "Ghent"]], [["O", "B-album"], ["O", "B-place"]], ["Sing", "Book"]
    )
    measured = json.loads(run("evaluate", assistant, tmp_path / "odd", "--json")[0])
    assert measured["intent_accuracy"] == 0.5
    assert measured["sentence_accuracy"] == 0.5
    assert any("Tags that training never had are counted wrong: B-album" in note for note in measured["notes"])
    assert "Intents that training never had are counted wrong: Sing." in measured["notes"]


def test_a_file_of_words_gets_tags_and_intents_which_can_be_scored_and_trained_on(assistant, data, tmp_path):
    words, tags, intents = asked(20, seed=2)
    run("predict", assistant, "--file", data / "test", "--out", tmp_path / "said.conll")
    found = read_tagged(tmp_path / "said.conll")
    assert (found.words, found.tags, found.labels) == (words, tags, intents)
    run("train", "intent", tmp_path / "said.conll", "--epochs", 1, "--out", tmp_path / "again")
    wrong = (
        (tmp_path / "said.conll").read_text(encoding="utf-8").replace("= Play", "= Sing").replace("B-song", "B-place")
    )
    (tmp_path / "wrong.conll").write_text(wrong, encoding="utf-8")
    scores = {
        name: json.loads(run("evaluate", assistant, data / "test", "--predicted", tmp_path / name, "--json")[0])
        for name in ("said.conll", "wrong.conll")
    }
    assert scores["said.conll"] == {
        **json.loads(run("evaluate", assistant, data / "test", "--json")[0]),
        "notes": scores["said.conll"]["notes"],
    }
    other = intents.count("Book") / len(intents)
    assert 0 < other < 1
    assert scores["wrong.conll"]["intent_accuracy"] == other
    assert scores["wrong.conll"]["sentence_accuracy"] == other
    assert scores["wrong.conll"]["baselines"] == scores["said.conll"]["baselines"]


def test_baselines_of_tags_are_scored_by_their_tags_alone(parser, assistant, tmp_path):
    """Whatever the network says of intents: here all are unknown, and half the tags."""
    words = [["play", "Halo"], ["play", "Ghent"]]
    hmm = HmmTagger(parser.trained_.baseline, "bio")
    gold = [hmm.predict(words)[0], ["O", "B-song"]]
    assert hmm.predict(words)[1] != gold[1]
    write(tmp_path / "odd", words, gold, ["Sing", "Sing"])
    found = evaluate_tagger(assistant, tmp_path / "odd").baselines["hmm"]
    assert found["sentence_accuracy"] == 0.5
    assert found["intent_accuracy"] is None
    assert parser.trained_.baseline_scores["hmm"]["intent_accuracy"] is None


def test_tags_that_come_without_intents_are_scored_alone(assistant, data, tmp_path):
    run("predict", assistant, "--file", data / "test", "--out", tmp_path / "said.conll")
    rows = (tmp_path / "said.conll").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "tags.conll").write_text("".join(row for row in rows if row[0] != "#"), encoding="utf-8")
    scores = evaluate_tagger(assistant, data / "test", predicted=tmp_path / "tags.conll")
    assert scores.scores.f1 == 1.0
    assert scores.scores.intent_accuracy is None
    assert not scores.intent_baselines
    assert any("tags.conll names no intents: tags alone are scored" in note for note in scores.notes)


def test_a_table_may_call_its_columns_otherwise(data, assistant, tmp_path):
    words, tags, intents = asked(20, seed=2)
    sentences = zip(words, tags, intents, strict=True)
    rows = [f"{intent},{' '.join(some)},{' '.join(others)}" for some, others, intent in sentences]
    (tmp_path / "rows.csv").write_text("\n".join(["domain,what,how", *rows]) + "\n", encoding="utf-8")
    columns = ("--columns", "what,how,domain")
    measured = json.loads(run("evaluate", assistant, tmp_path / "rows.csv", *columns, "--json")[0])
    there = json.loads(run("evaluate", assistant, data / "test", "--json")[0])
    assert {**measured, "data": ""} == {**there, "data": ""}
    run("train", "intent", tmp_path / "rows.csv", *columns, "--epochs", 1, "--out", tmp_path / "model")
    assert IntentParser.load(tmp_path / "model").intents_ == ["Book", "Play"]
    run("predict", assistant, "--file", tmp_path / "rows.csv", *columns, "--out", tmp_path / "said.conll")
    assert read_tagged(tmp_path / "said.conll").labels == intents
    _, errors = run("evaluate", assistant, tmp_path / "rows.csv", "--columns", "what,how", code=1)
    assert "a column 'intent' (or a third of --columns)" in errors.replace("\n", " ")


def test_intents_that_a_file_has_are_not_read_where_they_are_asked_for(assistant, tmp_path):
    """A label too few, or an empty one: the words alone count."""
    write(tmp_path / "few", [["play", "Halo"], ["book", "Ghent"]], [["O", "O"]] * 2, ["Play"])
    (tmp_path / "empty.csv").write_text("text,intent\nplay Halo,\nbook Ghent,Play\n", encoding="utf-8")
    for name in ("few", "empty.csv"):
        _, errors = run("predict", assistant, "--file", tmp_path / name, "--out", tmp_path / f"{name}.conll")
        assert "Column 'intent'" not in errors
        assert read_tagged(tmp_path / f"{name}.conll").labels == ["Play", "Book"]


@pytest.mark.parametrize(
    ("use", "kind", "said"),
    [
        (lambda: IntentParser(model="hmm").fit(WORDS, TAGS, INTENTS), SettingsError, "'hmm', which knows no intents"),
        (lambda: IntentParser(**SMALL).fit(WORDS, TAGS, INTENTS[:3]), DataError, "60 sentences, but 3 intents"),
        (
            lambda: IntentParser(**SMALL).fit(WORDS, TAGS, ["one"] * 60),
            DataError,
            "only, 'one', to learn. Give",
        ),
        (
            lambda: IntentParser(**SMALL).fit([["a"], ["b"]], [["O"], ["O"]], ["x", "y"]),
            DataError,
            "X has one intent only, '[xy]', to learn, as those of the others are held out",
        ),
        *(
            (lambda odd=odd: IntentParser(**SMALL).fit(WORDS, TAGS, [odd, *INTENTS[1:]]), DataError, said)
            for odd, said in (
                (None, r"intents of X\[0\] is None, but an intent must be text"),
                (float("nan"), r"intents of X\[0\] is nan"),
                (pd.NA, r"intents of X\[0\] is <NA>"),
                (" ", r"intents of X\[0\] is ' '"),
                ("\ud800", r"intents of X\[0\] is '\\ud800'"),
            )
        ),
        (
            lambda: IntentParser(**SMALL).fit(WORDS, TAGS, "play"),
            DataError,
            "intents is one str, but it must be a list",
        ),
        (
            lambda: IntentParser(**SMALL).fit(WORDS, TAGS, INTENTS, validation=(WORDS, TAGS)),
            DataError,
            r"validation holds 2 elements, but it must be \(sentences, tags, intents\)",
        ),
        (
            lambda: IntentParser(**{**SMALL, "monitor": "loss"}).fit(
                WORDS, TAGS, INTENTS, validation=(WORDS[:4], TAGS[:4], ["new"] * 4)
            ),
            DataError,
            "Every validation sentence has a tag or an intent that training never had, .* set --monitor sentence",
        ),
        (
            lambda: IntentParser().score([[]], [[]], ["Play"]),
            DataError,
            "X holds no word, so there is nothing to score",
        ),
        (lambda: IntentParser().predict([["a"]]), NotFittedError, r"Call fit\(sentences, tags, intents\)"),
    ],
)
def test_wrong_use_is_refused(use, kind, said):
    with pytest.raises(kind, match=said):
        use()


def test_files_without_intents_are_refused(tmp_path, assistant):
    (tmp_path / "tags.conll").write_text("a\tO\n\nb\tB-x\n", encoding="utf-8")
    tags = tmp_path / "tags.conll"
    for arguments in (["train", "intent", tags, "--out", tmp_path / "x"], ["evaluate", assistant, tags]):
        _, errors = run(*arguments, code=1)
        assert "names no intents" in errors.splitlines()[-1]


def test_a_folder_of_another_task_is_refused(parser, tmp_path):
    from bothways import TextClassifier

    parser.save(tmp_path / "model")
    with pytest.raises(ModelFolderError, match="trained to 'intent'"):
        TextClassifier.load(tmp_path / "model")


def test_all_settings_of_a_tagger_but_one_default_are_those_of_intents():
    ours, theirs = IntentSettings().to_dict(), TaggerSettings().to_dict()
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == {"monitor"}


@pytest.mark.parametrize(("odd", "spelt"), [(1.0, "1"), (np.float64(2.5), "2.5"), (True, "true"), (np.int64(3), "3")])
def test_intents_that_are_no_text_are_spelt_as_tables_spell_them(odd, spelt):
    assert tagged([["a"]], [["O"]], [odd], name="X").labels == [spelt]


def test_a_rare_intent_is_never_held_out():
    words, tags = [["a"]] * 40, [["O"]] * 40
    for seed in range(20):
        sentences = tagged(words, tags, ["rare", *["Play", "Sing"] * 19, "Play"], name="X")
        prepared = prepare_tags(sentences, None, IntentSettings(seed=seed, validation_size=0.1, min_count=1))
        assert prepared.intents == ["Play", "Sing", "rare"]
        assert 0 < len(prepared.validation.words) < 10

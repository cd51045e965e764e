"""Taggers on the command line, as a new user meets them."""

import gzip
import json
import signal

import pytest
import typer
from safetensors.numpy import load_file

import bothways
from bothways.cli.commands import app
from bothways.data.tagged import read_tagged
from bothways.settings import TaggerSettings
from bothways.training.progress import TerminalProgress
from terminal import run, run_bare
from toy_tags import TAGGER, as_conll, names, told_by_ending
from toys import SMALL, toy_csv, write_csv

OPTIONS = [part for name, value in TAGGER.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def refused(*arguments, text=None):
    """Run a command that is refused; give the one line that says why."""
    out, errors = run(*arguments, code=1, text=text)
    assert out == ""
    last = errors.strip().splitlines()[-1]
    assert last.startswith("bothways: ")
    return last


def train(data, out, *more, code=0):
    return run("train", "tag", data, "--out", out, *OPTIONS, *more, code=code)


def as_conllu(tagged):
    """Sentences as CoNLL-U, with a comment each."""
    rows = []
    for words, tags in zip(*tagged, strict=True):
        rows.append("# sent_id = 1\n")
        for number, (word, tag) in enumerate(zip(words, tags, strict=True), start=1):
            rows.append(f"{number}\t{word}\t_\t{tag}\tX{tag}\t_\t0\troot\t_\t_\n")
        rows.append("\n")
    return "".join(rows)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("tag")


@pytest.fixture(scope="module")
def corpus(place):
    (place / "train.conll").write_text(as_conll(names(60)), encoding="utf-8")
    return place / "train.conll"


@pytest.fixture(scope="module")
def test_file(place):
    (place / "test.conll").write_text(as_conll(names(30, seed=1)), encoding="utf-8")
    return place / "test.conll"


@pytest.fixture(scope="module")
def model(place, corpus):
    """Of names."""
    train(corpus, place / "names", "--epochs", "6", "--hidden-size", "16", "--lr", "0.05")
    return place / "names"


@pytest.fixture(scope="module")
def hmm(place, corpus):
    train(corpus, place / "names-hmm", "--model", "hmm")
    return place / "names-hmm"


@pytest.fixture(scope="module")
def speech(place):
    """Of parts of speech."""
    (place / "speech.conllu").write_text(as_conllu(told_by_ending(60)), encoding="utf-8")
    train(place / "speech.conllu", place / "speech", "--epochs", "1")
    return place / "speech"


def weights(folder):
    return load_file(folder / "weights.safetensors")


def same_weights(one, other):
    ours, theirs = weights(one), weights(other)
    assert all((ours[name] == theirs[name]).all() for name in theirs)


# Faces


def test_options_are_the_settings_with_their_defaults():
    command = typer.main.get_command(app).commands["train"].commands["tag"]
    options = {parameter.name: parameter for parameter in command.params}
    for setting in TaggerSettings.declared():
        option = options[setting.name]
        assert (option.help, option.default) == (setting.help, setting.default)
        assert option.opts == [f"--{setting.name.replace('_', '-')}"]


def test_help_shows_examples_and_the_settings_by_section():
    out, _ = run("train", "tag", "--help")
    for part in (
        "bothways train tag train.conll --validation dev.conll --out names",
        *("--scheme", "--spelling-size", "--columns", "crf|softmax"),
        *("Settings: sentences", "Settings: encoder", "Settings: training"),
    ):
        assert part in out


# Training


def test_train_says_what_it_read_and_reached_beside_the_baseline(place, corpus):
    out, errors = train(corpus, place / "said")
    assert "train.conll: The tags are read as BIO." in errors
    assert "validation F1 of entities" in out
    assert "95% interval" in out
    assert "on the same sentences" in out
    assert f"saved in {place / 'said'}" in out
    assert not (place / "said.training").exists()
    assert (place / "said" / "learning-curves.png").read_bytes().startswith(b"\x89PNG")


def test_every_layout_of_the_same_sentences_gives_the_same_weights(place, corpus):
    tagged = names(60)
    (place / "train.txt.gz").write_bytes(gzip.compress(corpus.read_bytes().replace(b" ", b" \t ")))
    (place / "train.conllu").write_text(as_conllu(tagged))
    (place / "four.conll").write_text(
        corpus.read_text().replace(" ", " x y ").replace("\n", " z\n").replace("\n z\n", "\n\n")
    )
    rows = [[" ".join(words), " ".join(tags)] for words, tags in zip(*tagged, strict=True)]
    write_csv(place / "rows.csv", ["text", "slots"], rows)
    (place / "snips").mkdir()
    for name, column in (("seq.in", 0), ("seq.out", 1)):
        (place / "snips" / name).write_text("".join(f"{row[column]}\n" for row in rows))
    train(corpus, place / "of-columns", "--epochs", "1")
    for data, *more in (
        ["train.txt.gz"],
        ["train.conllu", "--columns", "form,upos"],
        ["four.conll", "--columns", "1,4"],
        ["rows.csv", "--columns", "text,slots"],
        ["snips"],
    ):
        train(place / data, place / f"of-{data}", "--epochs", "1", *more)
        same_weights(place / f"of-{data}", place / "of-columns")


def test_another_column_is_another_task(place, speech):
    train(place / "speech.conllu", place / "xpos", "--columns", "form,xpos", "--epochs", "1")
    assert bothways.load(place / "xpos").labels == ["XADV", "XNOUN", "XVERB"]
    assert bothways.load(speech).labels == ["ADV", "NOUN", "VERB"]


def test_validation_sentences_choose_the_epoch(place, corpus, test_file):
    measured = json.loads(train(corpus, place / "validated", "--validation", test_file, "--json", "--epochs", "1")[0])
    assert measured["training"]["sentences"] == 60
    assert measured["validation"]["sentences"] == 30
    assert measured["baselines"].keys() == {"commonest", "hmm"}
    measured = json.loads(train(corpus, place / "blind", "--validation-size", "0", "--json", "--epochs", "1")[0])
    assert measured["validation"] is None
    assert "None: no sentence was held out" in (place / "blind" / "README.md").read_text()


def test_several_seeds_are_reported_with_mean_and_deviation(place, corpus):
    out, _ = train(corpus, place / "seeds", "--seeds", "2", "--epochs", "1")
    assert "Over 2 seeds: F1 " in out
    assert "±" in out
    assert len(json.loads(run("info", place / "seeds", "--json")[0])["metrics"]["by_seed"]) == 2


def test_a_hidden_markov_model_is_trained_and_used_like_a_network(hmm, test_file):
    assert not (hmm / "model.onnx").exists()
    assert "a hidden Markov model" in run("info", hmm)[0]
    measured = json.loads(run("evaluate", hmm, test_file, "--json")[0])
    assert measured["f1"] > 0.8
    assert measured["baselines"].keys() == {"commonest"}
    found = json.loads(run("predict", hmm, "then met Ada Byron .", "--json")[0])
    assert [(one["text"], one["type"]) for one in found["entities"]] == [("Ada Byron", "PER")]


def test_a_misplaced_tag_is_refused_by_its_line_and_repaired_when_asked(place):
    text = "Li B-PER\nmet O\nAda I-PER\nByron I-PER\n\n" * 4
    (place / "broken.conll").write_text(text)
    said = refused("train", "tag", place / "broken.conll", "--out", place / "x", *OPTIONS)
    assert (
        "broken.conll, line 3: I-PER after O, which BIO forbids. Correct it, or read it as B-PER with --repair." in said
    )
    _, errors = train(place / "broken.conll", place / "repaired", "--repair", "--epochs", "1")
    assert "4 misplaced tags repaired, the first in broken.conll, line 3: I-PER after O is read as B-PER." in errors
    said = refused("evaluate", place / "repaired", place / "broken.conll")
    assert "broken.conll, line 3: I-PER after O, which BIO forbids." in said
    out, errors = run("evaluate", place / "repaired", place / "broken.conll", "--repair")
    assert "4 misplaced tags repaired" in errors
    assert "4 sentences, 16 words." in out


def test_a_table_of_vectors_widens_the_model_and_a_missing_one_is_refused_first(place, corpus):
    (place / "vectors.txt").write_text("Ada 1 2 3\nmet 4 5 6\nzebra 7 8 9\n")
    _, errors = train(
        corpus, place / "vectors", "--vectors", place / "vectors.txt", "--freeze-vectors", "--epochs", "1"
    )
    assert "have a pretrained vector of 3 numbers; embedding_dim is their width." in errors
    said = refused("train", "tag", place / "nowhere.conll", "--vectors", place / "none.vec", "--out", place / "x")
    assert "none.vec does not exist. Check the path given with --vectors." in said


# Using


def test_predict_gives_each_word_with_its_tag(model):
    texts = ["then met Ada Byron .", "so in New York", "", "\u00a0"]
    runner = bothways.load(model)
    wanted = [[text.split(), *runner.predict([text.split()])] for text in texts]
    lines = "".join("  ".join(f"{word}/{tag}" for word, tag in zip(*pair, strict=True)) + "\n" for pair in wanted)
    assert run("predict", model, *texts)[0] == lines
    assert run("predict", model, text="".join(f"{text}\n" for text in texts))[0] == lines


def test_entities_in_json_are_cut_out_of_the_text_by_their_offsets(model):
    texts = ["then  met\tAda  Byron so in New York.", "Zoë 🎬 met Zoë Wu Li", ""]
    out, _ = run("predict", model, "--json", text="".join(f"{text}\n" for text in texts))
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["text"] for one in found] == texts
    assert [(one["text"], one["type"]) for one in found[0]["entities"]] == [("Ada  Byron", "PER"), ("New York", "LOC")]
    for one in found:
        assert "".join(word for word, _ in one["words"]) == "".join(one["text"].split())
        for entity in one["entities"]:
            assert one["text"][entity["start"] : entity["end"]] == entity["text"]
            assert 0 < entity["score"] <= 1
            assert entity.keys() == {"text", "type", "start", "end", "score"}


def test_plain_tags_have_no_entities_in_json(speech):
    found = json.loads(run("predict", speech, "abily koned", "--json")[0])
    assert found.keys() == {"words", "text"}


def test_evaluate_in_words_and_in_json(model, test_file):
    out, _ = run("evaluate", model, test_file)
    measured = json.loads(run("evaluate", model, test_file, "--json")[0])
    low, high = measured["f1_interval"]
    for part in (
        f"30 sentences, {measured['words']:,} words.",
        f"F1 of entities    {measured['f1']:.4f}  ({low:.4f} to {high:.4f})",
        f"precision, recall {measured['precision']:.4f}  {measured['recall']:.4f}",
        f"accuracy          {measured['accuracy']:.4f}",
        f"hmm baseline:       F1 {measured['baselines']['hmm']['f1']:.4f}",
        "commonest baseline: F1",
        measured["verdict"],
        f"LOC        {measured['by_name']['LOC']['precision']:.4f}",
    ):
        assert part in out
    words, tags = names(30, seed=1)
    assert measured["f1"] == pytest.approx(bothways.SequenceTagger.load(model).score(words, tags))


def test_evaluate_counts_tags_that_training_never_had_as_wrong(model, place, test_file):
    (place / "new.conll").write_text(test_file.read_text().replace("-LOC", "-GPE"))
    measured = json.loads(run("evaluate", model, place / "new.conll", "--json")[0])
    assert measured["by_name"]["GPE"]["recall"] == 0
    assert "Tags that training never had are counted wrong: B-GPE, I-GPE." in measured["notes"]


def test_evaluate_reads_the_scheme_that_the_model_has_not(model, place):
    (place / "bioes.conll").write_text("met O\nAda B-PER\nByron E-PER\n\nin O\nGhent S-LOC\n")
    (place / "bio.conll").write_text("met O\nAda B-PER\nByron I-PER\n\nin O\nGhent B-LOC\n")
    found = [json.loads(run("evaluate", model, place / name, "--json")[0]) for name in ("bioes.conll", "bio.conll")]
    assert found[0]["f1"] == found[1]["f1"]
    assert found[0]["notes"] == ["bioes.conll: the tags are BIOES and are read as BIO, which the model has."]


def test_info_shows_tags_data_and_scores(model, speech):
    out, _ = run("info", model)
    measured = json.loads(run("info", model, "--json")[0])["metrics"]
    assert "tags (BIO): B-LOC, B-PER, I-LOC, I-PER, O" in out
    assert f"trained on {measured['training']['words']:,} words in 48 sentences" in out
    assert f"validation F1 of entities {measured['validation']['f1']:.4f}" in out
    assert "hmm baseline: F1 of entities" in out
    assert "decoder = crf" in out
    out, _ = run("info", speech)
    assert "tags (plain): ADV, NOUN, VERB" in out
    assert "validation accuracy" in out


# Files


@pytest.mark.parametrize("kind", ["columns", "conllu", "words alone", "seq.in"])
def test_a_file_of_words_stays_as_it_is_and_gets_tags(model, place, kind):
    words, tags = names(12, seed=5)
    data = place / f"given-{kind.replace(' ', '-')}.conll"
    if kind == "seq.in":
        data = place / "only-words"
        data.mkdir()
        (data / "seq.in").write_text("".join(" ".join(some) + "\n" for some in words))
    else:
        text = {"columns": as_conll((words, tags)), "conllu": as_conllu((words, tags)),
                "words alone": "".join("\n".join(some) + "\n\n" for some in words)}[kind]  # fmt: skip
        data.write_text(text)
    out = place / f"tagged-{kind.replace(' ', '-')}.conll"
    said, errors = run("predict", model, "--file", data, "--out", out)
    assert said == ""
    assert errors.splitlines()[-1] == f"12 sentences ({sum(map(len, words))} words) written to {out}."
    runner = bothways.load(model)
    rows = [
        "".join(f"{word}\t{tag}\n" for word, tag in zip(*pair, strict=True))
        for pair in zip(words, runner.predict(words), strict=True)
    ]
    assert out.read_text() == "".join(f"{some}\n" for some in rows)
    before = out.read_bytes()
    assert f"{out} exists. Choose another place with --out, or replace it with --force." in refused(
        "predict", model, "--file", data, "--out", out
    )
    run("predict", model, "--file", data, "--out", out, "--force")
    assert out.read_bytes() == before


def test_words_are_taken_from_the_column_that_is_named(model, place):
    (place / "columns.conll").write_text("1 Ada x\n2 met y\n")
    run("predict", model, "--file", place / "columns.conll", "--out", place / "second.conll", "--columns", "2")
    assert read_tagged(place / "second.conll").words == [["Ada", "met"]]
    said = refused("predict", model, "Ada", "--columns", "2")
    assert "--columns names the columns of --file, but there is no file. Leave it out." in said
    said = refused("predict", model, "Ada", "--encoding", "latin-1")
    assert "--encoding names the encoding of --file, but there is no file. Leave it out." in said
    assert "--force replaces the file of --out, but none is named" in refused("predict", model, "Ada", "--force")
    assert run("predict", model, "Ada", "--encoding", "auto")[0].startswith("Ada/")


def test_what_is_printed_only_is_refused_beside_a_file(model, place):
    (place / "few.conll").write_text("Ada x\n")
    said = refused("predict", model, "--file", place / "few.conll", "--out", place / "few.out", "--json")
    assert "--json is for what is printed, but --out is given. Leave one of them out." in said


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(model, place):
    for out, words in ((place / "no" / "x.conll", "does not exist. Make it."), (place / "x.csv", "name of a table")):
        assert words in refused("predict", model, "--file", place / "missing.conll", "--out", out)


def test_tags_that_were_written_are_scored_as_those_of_the_model(model, place, test_file):
    out = place / "said.conll"
    run("predict", model, "--file", test_file, "--out", out)
    asked = json.loads(run("evaluate", model, test_file, "--json")[0])
    assert json.loads(run("evaluate", model, test_file, "--predicted", out, "--json")[0]) == asked
    right = json.loads(run("evaluate", model, test_file, "--predicted", test_file, "--json")[0])
    assert right["f1"] == right["accuracy"] == 1.0


def test_a_gold_file_with_other_words_is_refused_by_both_lines(model, place, test_file):
    lines = test_file.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("met "))
    changed = [*lines[:at], "saw O", *lines[at + 1 :]]
    (place / "other.conll").write_text("\n".join(changed) + "\n")
    said = refused("evaluate", model, test_file, "--predicted", place / "other.conll")
    assert f"test.conll, line {at + 1}: the word is 'met', but 'saw' in other.conll, line {at + 1}." in said
    (place / "odd.conll").write_text(test_file.read_text().replace(" B-LOC", " NOUN"))
    said = refused("evaluate", model, test_file, "--predicted", place / "odd.conll")
    assert "odd.conll, line " in said
    assert "'NOUN' is no tag of BIO" in said


# Stopping and going on


def test_ctrl_c_keeps_the_best_epoch_and_resuming_ends_in_the_same_weights(place, corpus, monkeypatch):
    more = ["--epochs", "6", "--patience", "6", "--averaging", "0.9", "--word-dropout", "0.1"]
    train(corpus, place / "whole", *more)
    out = place / "stopped"
    ended = TerminalProgress.epoch_ended

    def stop_in_the_third(self, row, **options):
        ended(self, row, **options)
        if row["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TerminalProgress, "epoch_ended", stop_in_the_third)
    said, errors = train(corpus, out, *more, code=130)
    monkeypatch.undo()
    assert said == ""
    assert f"The best epoch so far is in {out}; the same command with --resume goes on where it was" in errors
    assert run("predict", out, "met Ada")[0]
    message = refused("train", "tag", corpus, "--out", out, *OPTIONS, *more)
    assert "holds an unfinished training. Go on with --resume, or start again with --force." in message
    message = refused("train", "tag", corpus, "--out", out, *OPTIONS, *more, "--resume", "--lr", "0.5")
    assert "was written with other data or settings" in message
    train(corpus, out, *more, "--resume")
    same_weights(out, place / "whole")
    assert "exists" in refused("train", "tag", corpus, "--out", out, *OPTIONS)
    train(corpus, out, "--epochs", "1", "--force")


def test_resuming_nothing_is_refused(place, corpus):
    message = refused("train", "tag", corpus, "--out", place / "never", *OPTIONS, "--resume")
    assert "holds no checkpoint to resume from. Run the command without --resume." in message


# Bad input: one line, exit 1


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, [], "x.conll does not exist. Check the path."),
        ("", [], "x.conll holds no sentence"),
        ("Ada B-PER\nmet\n", [], 'x.conll, line 2: expected 2 columns (word, tag), found 1: "met".'),
        ("Ada B-PER\nmet O x\nLi O\n", [], "x.conll, line 2: expected 2 columns (word, tag), found 3"),
        ("Ada x y B-PER\n", ["--columns", "1,5"], "x.conll, line 1: expected at least 5 columns, found 4"),
        ("Ada B-PER\n", ["--columns", "1"], "--columns is '1', but it must name two, of words and of tags"),
        ("Ada B-PER\n", ["--columns", "0,2"], "x.conll has no column 0: its columns are numbers from 1"),
        ("Li B-LOC\nAda I-PER\n", [], "x.conll, line 2: I-PER after B-LOC, which BIO forbids."),
        ("Li B-LOC\nAda PER\nx I-LOC\n", [], "x.conll, line 2: 'PER' is no tag of BIO, whose tags are"),
        ("Li S-LOC\nAda B-PER\n", ["--scheme", "bio"], "line 1: 'S-LOC' is no tag of BIO"),
        (
            "Li B-LOC\nAda O\n",
            ["--scheme", "bioes"],
            "The tags look like BIO, but BIOES is declared. Give --scheme bio",
        ),
        ("Li NOUN\n", ["--scheme", "io"], "The tags look like plain tags, but IO is declared. Give --scheme none"),
        ("Li NOUN\n", [], "One sentence is too few to hold some out. Add sentences, give --validation, or set"),
        ("Li NOUN\n", ["--scheme", "iob"], "scheme is 'iob', but it must be one of: auto, bio, bioes, io, none."),
        ("Li NOUN\n", ["--hidden-size", "0"], "hidden_size is 0, but it must be at least 1."),
        ("Li NOUN\n", ["--freeze-vectors"], "there are no vectors to freeze"),
        ("Li NOUN\n", ["--encoding", "ltin"], "ltin"),
    ],
)
def test_bad_input_to_train_is_refused_in_one_line(tmp_path, content, options, message):
    if content is not None:
        (tmp_path / "x.conll").write_text(content)
    said = refused("train", "tag", tmp_path / "x.conll", "--out", tmp_path / "model", *OPTIONS, *options)
    assert message in said
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "model.training").exists()


def test_an_empty_sentence_is_refused_by_its_line(tmp_path):
    (tmp_path / "seq.in").write_text("play jazz\n\nstop\n")
    (tmp_path / "seq.out").write_text("O B-genre\n\nO\n")
    said = refused("train", "tag", tmp_path, "--out", tmp_path / "model")
    assert "seq.in, line 2: the sentence is empty. Take it out, with its tags." in said
    (tmp_path / "seq.in").write_text("play jazz\nstop now\n")
    (tmp_path / "seq.out").write_text("O B-genre\nO\n")
    said = refused("train", "tag", tmp_path, "--out", tmp_path / "model")
    assert "seq.in, line 2: 2 words, but 1 tag in seq.out, line 2. Each word needs one tag." in said


def test_a_test_file_of_other_tags_is_refused(model, place, speech):
    said = refused("evaluate", model, place / "speech.conllu")
    assert "is no tag of BIO" in said
    assert "The model's tags are BIO. Correct these, or train a model on such tags." in said
    said = refused("evaluate", model, place / "nowhere.conll")
    assert "nowhere.conll does not exist" in said


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("evaluate", ["--label", "x"]),
        ("evaluate", ["--text", "x"]),
        ("evaluate", ["--confusion", "x.png"]),
        ("predict", ["--condition", "x"]),
        ("predict", ["--text", "x"]),
    ],
)
def test_options_of_other_tasks_are_refused(model, test_file, command, options):
    arguments = [test_file] if command == "evaluate" else ["Ada"]
    said = refused(command, model, *arguments, *options)
    assert f"{options[0]} is of no use to a model of task 'tag'. Leave it out." in said


def test_options_of_taggers_are_refused_by_other_tasks(place):
    reviews = toy_csv(place / "reviews.csv", 60)
    bothways.TextClassifier(**{**SMALL, "epochs": 1}).fit(["a b", "c d"] * 20, ["x", "y"] * 20).save(
        place / "classifier"
    )
    for options in (["--columns", "1,2"], ["--repair"], ["--predicted", "x"]):
        said = refused("evaluate", place / "classifier", reviews, *options)
        assert f"{options[0]} is of no use to a model of task 'classify'." in said
    said = refused("predict", place / "classifier", "a", "--columns", "1")
    assert "--columns is of no use to a model of task 'classify'." in said
    assert "use 'bothways predict'" in refused("fill", place / "names", "a ___")


@pytest.mark.parametrize(
    ("content", "out", "message"),
    [
        (
            "Ada O\n",
            "y.csv",
            "y.csv is the name of a table, but tags are written as columns. Name it as in tags.conll.",
        ),
        ("", "y.conll", "x.conll holds no sentence"),
        (None, "y.conll", "x.conll does not exist"),
    ],
)
def test_bad_files_to_predict_are_refused(model, tmp_path, content, out, message):
    if content is not None:
        (tmp_path / "x.conll").write_text(content)
    assert message in refused("predict", model, "--file", tmp_path / "x.conll", "--out", tmp_path / out)
    assert not (tmp_path / out).exists()
    assert "--file and --out go together" in refused("predict", model, "--file", tmp_path / "x.conll")


@pytest.mark.parametrize("name", ["model.onnx", "lexicon.json", "chain.safetensors", "hmm.safetensors"])
def test_a_damaged_model_folder_is_refused(model, test_file, tmp_path, name):
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[: None if file.name != name else 9])
    assert f"{name} is cut or altered" in refused("evaluate", tmp_path, test_file)


# The terminal


def test_control_characters_do_not_reach_the_terminal(place):
    text = "\x1b[31mred B-\x1b[1m\n\x07 O\n\x9b1m O\n\n" * 8
    (place / "escape.conll").write_text(text, encoding="utf-8")
    printed = [*train(place / "escape.conll", place / "escape", "--scheme", "bio", "--epochs", "1")]
    for arguments in (
        ("predict", place / "escape", "\x1b[32mgreen\x08\x7f"),
        ("predict", place / "escape", "\x1b[32mgreen\x07", "--json"),
        ("evaluate", place / "escape", place / "escape.conll"),
        ("info", place / "escape"),
    ):
        printed += run(*arguments)
    for text in printed:
        assert not any(char in text for char in "\x1b\x07\x9b\x08\x7f")
    card = (place / "escape" / "README.md").read_text()
    assert not any(char in card for char in "\x1b\x07\x9b")


def test_tagging_and_its_scores_need_no_torch(model, hmm, test_file, tmp_path):
    assert run_bare("predict", model, "met Ada", "--json")[0]
    run_bare("predict", hmm, "--file", test_file, "--out", tmp_path / "y.conll")
    assert (tmp_path / "y.conll").is_file()
    for folder in (model, hmm):
        assert run_bare("evaluate", folder, test_file) == run("evaluate", folder, test_file)

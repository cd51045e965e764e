"""Missing words from the command line: train, fill, predict, evaluate, info, and what is refused."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

import bothways
from terminal import run, run_bare
from toy_gaps import PAIRS, TINY, toy_lines

OPTIONS = [part for name, value in TINY.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def refused(*arguments, text=None):
    """Run a command that is refused; give the one line that says why."""
    out, errors = run(*arguments, code=1, text=text)
    assert out == ""
    last = errors.strip().splitlines()[-1]
    assert last.startswith("bothways: ")
    return last


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fill")


@pytest.fixture(scope="module")
def corpus(place):
    path = place / "corpus.txt"
    path.write_text("\n\n".join(toy_lines(300)))
    return path


@pytest.fixture(scope="module")
def trained(place, corpus):
    out, errors = run("train", "fill", corpus, "--out", place / "gaps", *OPTIONS)
    return place / "gaps", out, errors


@pytest.fixture(scope="module")
def gaps(trained):
    return trained[0]


@pytest.fixture(scope="module")
def novel(place, corpus):
    small = ["--embedding-dim", 4, "--hidden-size", 4, "--epochs", 1, "--min-count", 1, "--window", 8]
    run("train", "language", corpus, "--out", place / "novel", *small)
    return place / "novel"


def test_training_prints_the_network_beside_both_baselines(trained):
    folder, out, errors = trained
    assert "validation accuracy" in out
    assert "one-way baseline:" in out
    assert "unigram baseline:" in out
    assert "The right context pays against a one-way model of the same size" in out
    assert "a one-way model of the same size (hidden_size " in errors
    card = (folder / "README.md").read_text()
    assert "one-way" in card
    assert not (folder.parent / "gaps.training").exists()


def test_fill_prints_the_text_and_the_words_for_each_gap(gaps):
    out, _ = run("fill", gaps, "the ___ sea here", "a ___ grass ___", "--k", 2)
    lines = out.splitlines()
    assert lines[0] == f"the {PAIRS['sea']} sea here"
    assert [line.split("\t")[1] for line in lines[1:3]] == [
        word for word, _ in bothways.load(gaps).fill("the ___ sea here", k=2).gaps[0]
    ]
    assert lines[3].startswith("a green grass ")
    assert [lines[4], lines[7]] == ["  gap 1", "  gap 2"]
    assert len(lines) == 10


def test_fill_reads_standard_input_and_prints_json(gaps):
    out, errors = run("fill", gaps, "--json", "--k", 3, text="the ___ sea here\nthe ___ fire quoth\n")
    first, second = map(json.loads, out.splitlines())
    assert first["text"] == "the ___ sea here"
    assert first["filled"] == "the blue sea here"
    assert [len(gap) for gap in first["gaps"]] == [3]
    assert second["gaps"][0][0][0] == "red"
    assert "The model never saw 'quoth', and reads <unk> there." in errors


def test_predict_gives_each_word_its_probability_given_all_others(gaps):
    out, _ = run("predict", gaps, "the blue sea here", "--json")
    scored = json.loads(out)
    words = bothways.load(gaps).score_words("the blue sea here")
    assert [word for word, _ in scored["tokens"]] == ["the", "blue", "sea", "here"]
    assert scored["log_probability"] == pytest.approx(sum(word.log_probability for word in words), abs=1e-5)
    assert "blue" in run("predict", gaps, "the blue sea here")[0]


def test_evaluate_counts_unknown_words_as_misses(gaps, place):
    test = place / "test.txt"
    test.write_text("\n".join([*toy_lines(40, seed=5), "the blue sea quoth"]))
    out, errors = run("evaluate", gaps, test)
    for words in ("164 words", "accuracy", "pseudo-perplexity", "unigram baseline:"):
        assert words in out
    assert "1 unknown word (0.6%), misses of the accuracy" in errors
    measured = json.loads(run("evaluate", gaps, test, "--json")[0])
    runner, right = bothways.load(gaps), 0
    for line in test.read_text().splitlines():
        words = line.split()
        for number, word in enumerate(words):
            text = " ".join([*words[:number], "___", *words[number + 1 :]])
            right += runner.fill(text, k=1).gaps[0][0].word == word
    assert measured["accuracy"] == pytest.approx(right / 164)
    assert measured["perplexity"] == pytest.approx(runner.perplexity(test.read_text().splitlines()), rel=1e-5)


def test_info_shows_scores_beside_the_baselines(gaps):
    out, _ = run("info", gaps)
    assert "fill, " in out
    assert "one-way baseline: accuracy" in out
    assert json.loads(run("info", gaps, "--json")[0])["metrics"]["training"]["one_way_hidden_size"] > 16


def test_a_table_of_texts_trains_as_well(place):
    data = place / "texts.csv"
    data.write_text("text\n" + "\n".join(toy_lines(60)) + "\n")
    out, _ = run(
        "train", "fill", data, "--out", place / "from-table", *OPTIONS, "--epochs", 1, "--no-one-way-baseline", "--json"
    )
    assert json.loads(out)["baselines"].keys() == {"unigram"}


def test_a_command_killed_in_either_training_and_resumed_ends_in_the_same_weights(place):
    corpus = place / "short.txt"
    corpus.write_text("\n".join(toy_lines(160)))
    more = ["--epochs", "4", "--dropout", "0.3"]
    whole = json.loads(run("train", "fill", corpus, "--out", place / "whole", *OPTIONS, *more, "--json")[0])
    out = place / "killed"
    command = [sys.executable, "-c", "from bothways.cli import main; main()", "train", "fill", str(corpus)]
    for resume, state in (([], "seed-0"), (["--resume"], "one-way-0")):
        options = [*OPTIONS, *more, *resume, "--out", str(out)]
        with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 120
            waited = place / "killed.training" / f"{state}.safetensors"
            while not waited.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            process.kill()
        assert not out.exists(), "the training was over before it was killed"
    again = json.loads(run("train", "fill", corpus, "--out", out, *OPTIONS, *more, "--resume", "--json")[0])
    mine = load_file(out / "weights.safetensors")
    for name, weight in load_file(place / "whole" / "weights.safetensors").items():
        np.testing.assert_array_equal(mine[name], weight)
    assert again["baselines"] == whole["baselines"]


# Bad input: one line, exit 1


def test_texts_that_cannot_be_filled_are_refused(gaps):
    assert "Write ___ where a word is missing." in refused("fill", gaps, "the sea here")
    assert "The text has 2 gaps but 1 word" in refused("fill", gaps, "___ sea ___")
    assert "k is 0, but it must be at least 1." in refused("fill", gaps, "the ___ sea", "--k", 0)


def test_folders_of_other_tasks_are_refused_with_the_right_command(gaps, novel):
    assert refused("fill", novel, "the ___ sea").endswith(
        "was trained to 'language', which fills no gaps. Train a model with 'bothways train fill', or use "
        "'bothways generate'."
    )
    assert refused("generate", gaps).endswith(
        "was trained to 'fill', which writes no text. Train a model with 'bothways train language', or use "
        "'bothways fill'."
    )


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", [], "holds no text: there is nothing in it but white space"),
        (" \n\n", [], "holds no text: there is nothing in it but white space"),
        ("a few words\nand some more\n", ["--min-count", 1], "fewer than one window of 128. Give more text, or lower"),
        ("one line\n", ["--min-count", 1], "1 document is too few to hold some out"),
        ("a b\n" * 99, ["--unit", "bpe"], "a gap is filled by a whole word. Use one of: word, space, spacy, jieba."),
        ("a b\n" * 99, ["--window", 2], "window is 2, but it must be at least 3."),
    ],
)
def test_bad_input_to_train_is_refused_in_one_line(tmp_path, content, options, message):
    data = tmp_path / "corpus.txt"
    data.write_text(content)
    assert message in refused("train", "fill", data, "--out", tmp_path / "gaps", *options)
    assert not (tmp_path / "gaps").exists()
    assert not (tmp_path / "gaps.training").exists()


def test_options_of_other_tasks_are_refused(gaps, corpus):
    assert "--label is of no use to a model of task 'fill'" in refused("evaluate", gaps, corpus, "--label", "x")
    assert "--file is of no use to a model of task 'fill'" in refused(
        "predict", gaps, "--file", corpus, "--out", corpus.with_name("x.csv")
    )


def test_a_line_that_cannot_be_filled_is_named_before_any_is(gaps):
    message = refused("fill", gaps, text="the ___ sleeps\n\nthe ___ barks\n")
    assert message == "bothways: Line 2: The text '' has no gap. Write ___ where a word is missing."
    assert refused("fill", gaps, "the ___ sleeps", "___ ___").startswith("bothways: Text 2: The text has 2 gaps but 0")
    assert refused("fill", gaps, "sleeps").startswith("bothways: The text 'sleeps' has no gap.")


def test_filling_and_scores_need_no_torch(gaps, corpus):
    for command in (["fill", gaps, "the ___ sleeps"], ["evaluate", gaps, corpus]):
        assert run_bare(*command) == run(*command)

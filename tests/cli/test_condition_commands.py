"""Conditions on the command line: from a table to a text, and what is refused in one line."""

import json

import pytest

import bothways
from terminal import run
from toys import write_csv

SMALL = {
    "--unit": "space",
    "--embedding-dim": 8,
    "--hidden-size": 12,
    "--num-layers": 1,
    "--min-count": 1,
    "--window": 8,
    "--batch-size": 4,
    "--lr": 0.02,
    "--dropout": 0,
    "--embedding-dropout": 0,
    "--precision": "float32",
    "--epochs": 15,
    "--patience": 15,
}
OPTIONS = [part for option in SMALL.items() for part in option]
HEADER = ["review", "mood", "year", "price"]
ROWS = [["x x x", "good", "1990", "3.5"], ["y y", "bad", "2010", "1.5"]] * 30


def refused(*arguments):
    out, errors = run(*arguments, code=1)
    assert out == ""
    last = errors.strip().splitlines()[-1]
    assert last.startswith("bothways: ")
    return last.removeprefix("bothways: ")


def train(data, out, *more, code=0):
    return run("train", "language", data, "--text", "review", "--out", out, *OPTIONS, *more, code=code)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def reviews(place):
    return write_csv(place / "reviews.csv", HEADER, ROWS)


@pytest.fixture(scope="module")
def writer(place, reviews):
    _, errors = train(reviews, place / "writer", "--condition", "mood")
    assert "Condition 'mood' is read as 2 labels, one of: bad, good." in errors.splitlines()
    return place / "writer"


@pytest.fixture(scope="module")
def numbers(place, reviews):
    _, errors = train(reviews, place / "numbers", "--condition", "year,price", "--validation-size", 0)
    assert (
        "Condition 'year', 'price' is read as numbers, mean 2000 and deviation 10, mean 2.5 and deviation 1." in errors
    )
    return place / "numbers"


def test_a_label_writes_a_text(writer):
    assert run("generate", writer, "--condition", "good", "--temperature", 0)[0] == "x x x\n"
    assert run("generate", writer, "--condition", "bad", "--temperature", 0)[0] == "y y\n"
    out, _ = run("generate", writer, "--condition", "bad", "--temperature", 0, "--samples", 2, "--json")
    assert json.loads(out) == {"prompt": "", "condition": "bad", "texts": ["y y", "y y"]}


def test_a_row_of_numbers_writes_a_text(numbers):
    assert run("generate", numbers, "--condition", "1990,3.5", "--temperature", 0)[0] == "x x x\n"
    assert run("generate", numbers, "--condition", "2010,1.5", "--temperature", 0)[0] == "y y\n"
    assert run("generate", numbers, "--condition", "-5,-1.5", "--temperature", 0)[0]


def test_a_column_of_few_whole_numbers_is_read_as_labels_and_said(place, reviews):
    _, errors = train(reviews, place / "years", "--condition", "year", "--epochs", 1)
    assert "Condition 'year' is read as 2 labels, one of: 1990, 2010." in errors.splitlines()


def test_evaluate_takes_the_condition_from_the_column_of_the_same_name_or_of_another(place, writer, reviews):
    def perplexity(data, *more):
        return json.loads(run("evaluate", writer, data, "--text", "review", "--json", *more)[0])

    same = perplexity(reviews)
    runner = bothways.load(writer)
    right = runner.perplexity([row[0] for row in ROWS], [row[1] for row in ROWS])
    assert same["perplexity"] == pytest.approx(right, rel=1e-5)
    assert list(same["baselines"]) == ["unigram", "5-gram"]
    turned = [[text, mood, {"good": "bad", "bad": "good"}[mood]] for text, mood, *_ in ROWS]
    other = write_csv(place / "other.csv", ["review", "mood", "wrong"], [["", "good", "good"], *turned])
    assert perplexity(other)["perplexity"] == pytest.approx(right, rel=1e-5)
    assert perplexity(other, "--condition", "wrong")["perplexity"] > 5 * right


def test_predict_scores_texts_on_a_condition(writer):
    out, _ = run("predict", writer, "y y", "--condition", "bad", "--json")
    words = bothways.load(writer).score_words("y y", condition="bad")
    total = sum(word.log_probability for word in words)
    assert json.loads(out)["log_probability"] == pytest.approx(total, abs=1e-5)
    assert float(run("predict", writer, "y y", "--condition", "good")[0].split("\t")[0]) < total - 1


def test_info_and_the_card_name_what_the_model_writes_on(writer, numbers):
    assert "writes on 'mood', one of: bad, good" in run("info", writer)[0].splitlines()
    assert "writes on 'year', 'price', 2 numbers: year, price" in run("info", numbers)[0].splitlines()
    assert "Each text is written on one of: bad, good." in (writer / "README.md").read_text()
    assert "    bothways generate FOLDER --condition bad\n" in (writer / "README.md").read_text()
    assert "    bothways generate FOLDER --condition NUMBER,NUMBER\n" in (numbers / "README.md").read_text()


def test_what_generate_refuses(writer, numbers):
    assert refused("generate", writer) == (
        "The model writes on a condition, and none is given. Give one of: bad, good."
    )
    assert refused("generate", writer, "--condition", "goood") == (
        "condition is 'goood', but the model knows one of: bad, good. Did you mean 'good'?"
    )
    assert refused("generate", numbers, "--condition", "1990") == (
        "condition is '1990', but the model takes 2 numbers: year, price."
    )


def test_what_training_refuses(place, reviews):
    novel = place / "novel.txt"
    novel.write_text("Once upon a time. " * 30)
    out = place / "never"
    assert "plain text, which has no columns" in refused(
        "train", "language", novel, "--condition", "mood", "--out", out
    )
    assert "Did you mean 'mood'?" in refused("train", "language", reviews, "--condition", "moood", "--out", out)
    assert refused("train", "language", reviews, "--condition", "mood", "--two-way", "--out", out).startswith(
        "A two-way model writes no text"
    )
    gaps = write_csv(place / "gaps.csv", HEADER, [*ROWS, ["x x x", "", "1990", "3.5"]])
    assert refused("train", "language", gaps, "--condition", "mood", "--out", out).startswith(
        "gaps.csv, row 61 has no value in 'mood'"
    )
    assert not out.exists()


def test_what_evaluate_and_predict_refuse(place, writer, reviews):
    bare = write_csv(place / "bare.csv", ["review", "other"], [["x x x", "good"]])
    assert refused("evaluate", writer, bare) == (
        "bare.csv has no column 'mood', which the model was trained to write on. Its columns are: 'review', 'other'. "
        "Name the one that holds it with --condition."
    )
    strange = write_csv(place / "strange.csv", ["review", "mood"], [["x x x", "good"], ["y y", "odd"]])
    assert refused("evaluate", writer, strange) == (
        "strange.csv, row 2 has the condition 'odd', but the model knows one of: bad, good."
    )
    assert refused("evaluate", writer, reviews, "--text", "review", "--condition", "year,price").startswith(
        "The conditions are 'year', 'price', but the model takes one of: bad, good."
    )
    assert refused("predict", writer, "x").startswith("The model writes on a condition, and none is given.")


def test_a_model_without_a_condition_refuses_one(place, reviews):
    train(reviews, place / "plain", "--epochs", 1)
    assert "was trained without conditions" in refused("generate", place / "plain", "--condition", "good")
    assert "was trained without conditions" in refused("predict", place / "plain", "x", "--condition", "good")
    assert "trained without them" in refused(
        "evaluate", place / "plain", reviews, "--text", "review", "--condition", "mood"
    )
    assert run("generate", place / "plain", "--max-length", 3)[0]

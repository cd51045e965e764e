"""Translators on the command line, as a new user meets them."""

import gzip
import json
import subprocess
import sys

import pytest
import typer

import bothways
from bothways.bundle import ModelFolder
from bothways.cli.commands import app
from bothways.runtime.translator import read_columns
from bothways.settings import TranslatorSettings
from terminal import run, run_bare
from toy_pairs import TRANSLATOR, turned
from toys import write_csv

OPTIONS = [part for name, value in TRANSLATOR.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def refused(*arguments, text=None):
    """Run a command that is refused; give the one line that says why."""
    out, errors = run(*arguments, code=1, text=text)
    assert out == ""
    last = errors.strip().splitlines()[-1]
    assert last.startswith("bothways: ")
    return last


def lines(path, texts):
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def train(*arguments, code=0):
    return run("train", "translate", *arguments, *OPTIONS, code=code)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("translate")


@pytest.fixture(scope="module")
def files(place):
    """Sources and targets to train on, and to test with."""
    return [
        lines(place / f"{part}.{side}", texts)
        for part, count in (("train", 60), ("test", 20))
        for side, texts in zip(("en", "it"), turned(count, seed=count), strict=True)
    ]


@pytest.fixture(scope="module")
def model(place, files):
    train(*files[:2], "--validation", *files[2:], "--out", place / "model", "--max-length", "12")
    return place / "model"


@pytest.fixture(scope="module")
def blind(place, files):
    """Without attention."""
    train(*files[:2], "--out", place / "blind", "--attention", "none", "--epochs", "1")
    return place / "blind"


def test_options_are_the_settings_with_their_defaults():
    command = typer.main.get_command(app).commands["train"].commands["translate"]
    options = {parameter.name: parameter for parameter in command.params}
    for setting in TranslatorSettings.declared():
        option = options[setting.name]
        assert (option.help, option.default) == (setting.help, setting.default)
        assert f"--{setting.name.replace('_', '-')}" in option.opts


def test_help_shows_examples_and_the_settings_by_section():
    out, _ = run("train", "translate", "--help")
    for part in (
        "bothways train translate train.en train.de --validation val.en val.de --out en-de",
        *("--input-feeding", "--source", "--beam-size", "Settings: writing"),
    ):
        assert part in " ".join(out.split())


def test_files_and_a_table_of_the_same_pairs_give_the_same_model(place, files, model):
    for part, count in (("train", 60), ("test", 20)):
        rows = zip(*turned(count, seed=count), strict=True)
        write_csv(place / f"{part}.csv", ["id", "it", "en"], [["x", target, source] for source, target in rows])
    named = ["--source", "en", "--target", "it"]
    train(
        place / "train.csv", "--validation", place / "test.csv", *named, "--out", place / "table", "--max-length", "12"
    )
    weights = "weights.safetensors"
    assert (place / "table" / weights).read_bytes() == (model / weights).read_bytes()
    by_files, _ = run("evaluate", model, *files[2:], "--json")
    by_table, _ = run("evaluate", model, place / "test.csv", *named, "--json")
    one, other = (json.loads(out) for out in (by_files, by_table))
    for name in ("bleu", "bleu_interval", "chrf", "exact", "baselines"):
        assert one[name] == other[name]
    # The model of the table knows its columns; that of the files knows none, as folders of before do.
    unnamed, errors = run("evaluate", place / "table", place / "test.csv", "--json")
    assert json.loads(unnamed)["bleu"] == other["bleu"]
    assert "Column 'it' is read as the target, as in training." in errors
    run("predict", place / "table", "--file", place / "test.csv", "--out", place / "translated.csv")
    run("predict", model, "--file", files[2], "--out", place / "translated-lines.csv")
    assert (place / "translated.csv").read_bytes() == (place / "translated-lines.csv").read_bytes()
    assert "which one is the source" in refused("evaluate", model, place / "test.csv")
    assert read_columns(ModelFolder(place, {}, {})) is None


def test_a_training_says_what_it_reached_beside_copying(place, files):
    out, errors = train(*files[:2], "--out", place / "said", "--epochs", "1")
    assert "validation BLEU" in out
    assert "95% interval" in out
    assert "copying the source" in out.lower()
    assert f"saved in {place / 'said'}" in out
    assert "epoch  1" in errors
    assert (place / "said" / "learning-curves.png").read_bytes().startswith(b"\x89PNG")
    assert not (place / "said.training").exists()


def test_lines_come_out_as_they_go_in_empty_ones_too(model):
    texts = [*turned(9)[0], "", turned(3)[0][2], "   "]
    out, errors = run("predict", model, text="\n".join(texts) + "\n")
    assert out.split("\n")[:-1] == bothways.load(model).predict(texts)
    assert out.split("\n")[9] == ""
    assert "2 sources are empty, and so is the translation; the first is line 10." in errors


def test_a_pipe_between_processes_is_bytes_of_utf_8(model):
    code = "from bothways.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", str(model)], input="one ü\n\ntwo\n".encode(), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.decode().split("\n")) == 4


def test_a_text_has_several_translations_with_their_scores_and_all_as_json(model):
    out, _ = run("predict", model, "one two", "--beam", "4", "--n-best", "3")
    numbers, scores, _ = zip(*(line.split("\t") for line in out.splitlines()), strict=True)
    assert numbers == ("1", "1", "1")
    scores = [float(score) for score in scores]
    assert scores == sorted(scores, reverse=True)
    out, _ = run("predict", model, "--beam", "4", "--n-best", "2", text="one two\n\nthree\n")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["1", "1", "2", "3", "3"]
    assert out.splitlines()[2] == "2\t0.0000\t"
    out, _ = run("predict", model, "one two", "three", "--beam", "4", "--n-best", "3", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["source"] for one in told] == ["one two", "three"]
    assert [round(one["score"], 4) for one in told[0]["translations"]] == scores
    look = told[0]["translations"][0]
    assert len(look["attention"]) == len(look["target_words"])
    assert all(abs(sum(row) - 1) < 1e-3 for row in look["attention"])


def test_attention_is_drawn_and_refused_where_there_is_none(model, blind, place):
    run("predict", model, "one two three", "--attention", place / "look.png")
    assert (place / "look.png").read_bytes().startswith(b"\x89PNG")
    run("predict", model, "", "one", "--attention", place / "second.png")
    alone, second = ((place / name).read_bytes() for name in ("look.png", "second.png"))
    assert second.startswith(b"\x89PNG")
    assert second != alone
    assert "trained without" in refused("predict", blind, "one", "--attention", place / "none.png")
    assert "copy_unknown needs attention" in refused("predict", blind, "one", "--copy-unknown")
    assert not (place / "none.png").exists()


def test_a_file_becomes_lines_or_a_table_of_both(model, place, files):
    expected = bothways.load(model).predict(files[2].read_text().splitlines())
    _, errors = run("predict", model, "--file", files[2], "--out", place / "out.it")
    assert (place / "out.it").read_text().splitlines() == expected
    assert f"20 translations are in {place / 'out.it'}." in errors
    run("predict", model, "--file", files[2], "--out", place / "out.csv")
    assert (place / "out.csv").read_text().splitlines()[0] == "source,target"
    assert "exists" in refused("predict", model, "--file", files[2], "--out", place / "out.it")


def test_a_file_that_is_named_gz_is_packed(model, place, files):
    run("predict", model, "--file", files[2], "--out", place / "plain.it")
    run("predict", model, "--file", files[2], "--out", place / "packed.it.gz")
    assert gzip.decompress((place / "packed.it.gz").read_bytes()) == (place / "plain.it").read_bytes()


def test_what_is_printed_is_what_a_file_holds_but_for_control_characters(model, place, monkeypatch):
    odd = "a\u00a0b \u0645\u06cc\u200c\u0631 \u3000\tc\u2028d\n\U0001f469\u200d\U0001f680"
    monkeypatch.setattr("bothways.runtime.translator.TranslatorRuntime._text", lambda *_: odd)
    run("predict", model, "--file", lines(place / "odd.en", ["one"]), "--out", place / "odd.it")
    out, _ = run("predict", model, "one")
    assert out == (place / "odd.it").read_text(encoding="utf-8") == " ".join(odd.splitlines()) + "\n"
    monkeypatch.setattr("bothways.runtime.translator.TranslatorRuntime._text", lambda *_: "a\x1b[31m\tb")
    assert run("predict", model, "one")[0] == "a\\x1b[31m\tb\n"
    assert run("predict", model, "one", "--n-best", "2")[0].splitlines()[0].split("\t")[2:] == ["a\\x1b[31m b"]


def test_evaluate_prints_scores_with_their_signatures_beside_copying(model, files):
    out, _ = run("evaluate", model, *files[2:], "--beam", "1")
    for part in ("20 sources, beam 1", "BLEU", "tok:13a", "chrF", "exact", "copy baseline", "sources a second"):
        assert part in out


def test_sources_without_a_reference_are_left_out_of_the_scores_and_said(model, place, files):
    pairs = [path.read_text(encoding="utf-8").splitlines() for path in files[2:]]
    gaps = [lines(place / f"gaps.{side}", texts) for side, texts in zip(("en", "it"), pairs, strict=True)]
    with gaps[0].open("a") as sources, gaps[1].open("a") as targets:
        sources.write("\none two\n")
        targets.write("\n \n")
    told, errors = run("evaluate", model, *gaps, "--json")
    assert "2 of 22 references are empty and are left out; the first is gaps.en, line 21." in errors
    whole, _ = run("evaluate", model, *files[2:], "--json")
    for name in ("sentences", "bleu", "chrf", "exact", "baselines"):
        assert json.loads(told)[name] == json.loads(whole)[name]


def test_info_tells_what_a_folder_holds(model):
    out, _ = run("info", model)
    assert "trained on 60 pairs" in out
    assert "copy baseline: BLEU" in out


# Bad input: one clear line, exit 1


def test_different_numbers_of_lines_are_refused_with_both(place, files):
    short = lines(place / "short.it", turned(59)[1])
    said = refused("train", "translate", files[0], short, "--out", place / "no")
    assert "train.en has 60 lines, but short.it has 59" in said
    assert not (place / "no").exists()


def test_a_long_source_is_cut_and_said_or_refused_with_its_line(model, place):
    text = "one\n" + "one " * 13 + "\n"
    out, errors = run("predict", model, text=text)
    assert len(out.splitlines()) == 2
    assert "1 source is longer than 12 tokens (max_length) and cut there; it is line 2." in errors
    said = refused("predict", model, "--too-long", "refuse", text=text)
    assert "line 2: the source has 13 tokens, more than 12 (max_length)" in said
    pair = lines(place / "long.en", text.splitlines()), lines(place / "long.it", ["uno", "uno"])
    out, errors = run("evaluate", model, *pair)
    assert "longer than 12 tokens (max_length) and cut there; it is long.en, line 2." in errors
    assert "long.en, line 2: the source has 13 tokens" in refused("evaluate", model, *pair, "--too-long", "refuse")


def test_a_beam_of_nothing_is_refused(model, files):
    assert "beam is 0, but it must be at least 1; 1 is greedy search." in refused(
        "predict", model, "one", "--beam", "0"
    )
    assert "beam is 0" in refused("evaluate", model, *files[2:], "--beam", "0")
    assert "beam_size is 0" in refused("train", "translate", *files[:2], "--out", "x", "--beam-size", "0")


def test_evaluating_without_references_is_refused(model, place, files):
    assert "test.en is plain text and has no targets" in refused("evaluate", model, files[2])
    empty = lines(place / "empty.it", [" x"[:1]] * 20)
    assert "holds no text" in refused("evaluate", model, files[2], empty)
    table = write_csv(place / "no-targets.csv", ["source", "target"], [["one", ""], ["two", " "]])
    assert "holds no references to compare with" in refused("evaluate", model, table)


def test_options_of_other_tasks_are_refused(model, files):
    assert "--columns is of no use" in refused("predict", model, "one", "--columns", "1")
    assert "--label is of no use" in refused("evaluate", model, *files[2:], "--label", "x")


def test_three_files_are_no_two_sides(place, files):
    said = refused("train", "translate", *files[:3], "--out", place / "no")
    assert "3 files are given, but there are two sides" in said


def test_validation_files_may_stand_behind_an_equals_sign(place, files):
    short = lines(place / "one.it", ["uno"])
    said = refused("train", "translate", *files[:2], f"--validation={files[2]}", short, "--out", place / "no")
    assert "test.en has 20 lines, but one.it has 1" in said


def test_translating_needs_no_torch_and_scores_sacrebleu_alone(model, files):
    assert run_bare("predict", model, "a b c") == run("predict", model, "a b c")
    scores, _ = run_bare("evaluate", model, *files[2:], "--json", besides=["sacrebleu"])
    wanted, _ = run("evaluate", model, *files[2:], "--json")
    assert {**json.loads(scores), "seconds": 0} == {**json.loads(wanted), "seconds": 0}

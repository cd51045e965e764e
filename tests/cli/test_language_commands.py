"""Language models on the command line, as a new user meets them."""

import gzip
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
import typer
from safetensors.numpy import load_file

import bothways
from bothways.cli.commands import app
from bothways.runtime.language_model import LanguageModelRuntime
from bothways.settings import GenerationSettings, LanguageSettings
from terminal import run, run_bare
from toys import LANGUAGE, SMALL, toy_csv, toy_sentences, toy_stream, write_csv

OPTIONS = [part for name, value in LANGUAGE.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def refused(*arguments, text=None):
    """Run a command that is refused; give the one line that says why."""
    out, errors = run(*arguments, code=1, text=text)
    assert out == ""
    last = errors.strip().splitlines()[-1]
    assert last.startswith("bothways: ")
    return last


def train(data, out, *more, code=0):
    return run("train", "language", data, "--out", out, *OPTIONS, *more, code=code)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("language")


@pytest.fixture(scope="module")
def corpus(place):
    (place / "corpus.txt").write_text(toy_stream(80), encoding="utf-8")
    return place / "corpus.txt"


@pytest.fixture(scope="module")
def test_text(place):
    (place / "test.txt").write_text(toy_stream(30, seed=1), encoding="utf-8")
    return place / "test.txt"


@pytest.fixture(scope="module")
def novel(place, corpus):
    """A model of one stream of words."""
    train(corpus, place / "novel")
    return place / "novel"


@pytest.fixture(scope="module")
def documents(place):
    """A model of the rows of a table."""
    rows = [[str(number), sentence] for number, sentence in enumerate(toy_sentences(80))]
    train(write_csv(place / "sentences.csv", ["id", "text"], rows), place / "documents", "--epochs", "1")
    return place / "documents"


@pytest.fixture(scope="module")
def two_way(place, corpus):
    train(corpus, place / "two-way", "--two-way", "--epochs", "1")
    return place / "two-way"


# Faces


@pytest.mark.parametrize(
    ("path", "kind"), [(("train", "language"), LanguageSettings), (("generate",), GenerationSettings)]
)
def test_options_are_the_settings_with_their_defaults(path, kind):
    command = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    options = {parameter.name: parameter for parameter in command.params}
    for setting in kind.declared():
        option = options[setting.name]
        assert (option.help, option.default) == (setting.help, setting.default)
        assert option.opts == [f"--{setting.name.replace('_', '-')}"]


# The main path


def test_train_says_what_it_reached_beside_the_baseline(place, corpus):
    out, _ = train(corpus, place / "said")
    assert "validation perplexity" in out
    assert "5-gram baseline" in out
    assert f"saved in {place / 'said'}" in out
    assert not (place / "said.training").exists()
    assert (place / "said" / "learning-curves.png").read_bytes().startswith(b"\x89PNG")


def test_gz_and_folders_are_the_same_text(place, corpus, novel):
    (place / "corpus.txt.gz").write_bytes(gzip.compress(corpus.read_bytes()))
    (place / "folder").mkdir()
    lines = corpus.read_text().splitlines(keepends=True)
    (place / "folder" / "1.txt").write_text("".join(lines[:30]))
    (place / "folder" / "2.txt").write_text("".join(lines[30:]))
    for data in ("corpus.txt.gz", "folder"):
        train(place / data, place / f"of-{data}")
        ours, theirs = load_file(place / f"of-{data}" / "weights.safetensors"), load_file(novel / "weights.safetensors")
        assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_column_of_a_table_is_documents(documents):
    facts = json.loads(run("info", documents, "--json")[0])
    assert facts["whole"] is False
    assert [token for token, _ in json.loads(run("predict", documents, "The cat", "--json")[0])["tokens"]][
        -1
    ] == "<eos>"


def test_a_wrong_column_is_refused_with_the_nearest(place, documents):
    said = refused("train", "language", place / "sentences.csv", "--text", "texd", "--out", place / "x", *OPTIONS)
    assert "Did you mean 'text'?" in said


def test_train_in_json_is_all_that_was_measured(place, corpus):
    measured = json.loads(train(corpus, place / "as-json", "--json", "--epochs", "1", "--validation-size", "0")[0])
    assert measured["validation"] is None
    assert measured["training"]["characters"] == len(corpus.read_text())
    measured = json.loads(train(corpus, place / "as-json", "--json", "--epochs", "1", "--force")[0])
    assert measured["validation"]["perplexity"] > 1
    assert measured["baselines"].keys() == {"unigram", "5-gram"}


def test_generate_continues_the_prompt(novel):
    runner = bothways.load(novel)
    options = ["--max-length", "12", "--seed", "5", "--temperature", "0.7", "--top-k", "9", "--top-p", "0.9"]
    out, errors = run("generate", novel, "--prompt", "The cat", *options)
    same = {"max_length": 12, "seed": 5, "temperature": 0.7, "top_k": 9, "top_p": 0.9}
    assert out == runner.generate("The cat", **same)[0] + "\n"
    assert errors == ""
    found = json.loads(run("generate", novel, "--prompt", "The cat", *options, "--samples", "3", "--json")[0])
    assert found == {"prompt": "The cat", "texts": runner.generate("The cat", samples=3, **same)}
    out, _ = run("generate", novel, "--prompt", "The cat", *options, "--samples", "3")
    assert out == "".join(f"--- {number}\n{text}\n" for number, text in enumerate(found["texts"], start=1))


def test_generate_works_without_a_prompt(novel):
    assert run("generate", novel, "--max-length", "5")[0] == bothways.load(novel).generate(max_length=5)[0] + "\n"


def test_generate_ends_at_the_stop_text(novel):
    whole = bothways.load(novel).generate(max_length=60)[0]
    stop = whole.split()[3]
    assert run("generate", novel, "--max-length", "60", "--stop", stop)[0] == whole[: whole.index(stop)] + "\n"


def test_generate_names_words_that_the_model_never_saw(novel):
    out, errors = run("generate", novel, "--prompt", "The zebra barks?", "--max-length", "3")
    assert errors == "The model never saw 'zebra', '?' of the prompt, and reads <unk> there.\n"
    assert out.startswith("The zebra barks?")


def test_evaluate_gives_perplexity_beside_the_baselines(novel, test_text):
    out, _ = run("evaluate", novel, test_text)
    for name in ("perplexity", "nats per token", "bits per character", "unigram baseline", "5-gram baseline"):
        assert name in out
    measured = json.loads(run("evaluate", novel, test_text, "--json")[0])
    text = test_text.read_text()
    assert measured["perplexity"] == pytest.approx(bothways.load(novel).perplexity([text]), rel=1e-5)
    assert measured["characters"] == len(text)
    assert measured["interval"][0] < measured["perplexity"] < measured["interval"][1]
    assert measured["baselines"].keys() == {"unigram", "5-gram"}


def test_evaluate_says_how_many_words_are_unknown_and_how_many_texts_are_empty(documents, place):
    data = write_csv(place / "odd.csv", ["text"], [["The zebra, sleeps."], [""], ["The cat"], [" "]])
    out, errors = run("evaluate", documents, data, "--text", "text")
    assert "1 unknown token (11.1%), scored as one type" in errors
    assert "2 empty texts left out." in errors
    assert "9 tokens, 25 characters" in out


def test_a_two_way_model_is_scored_in_bits_of_the_same_text(two_way, test_text):
    measured = json.loads(run("evaluate", two_way, test_text, "--json")[0])
    baseline = measured["baselines"]["unigram"]
    assert (measured["tokens"], measured["characters"]) == (baseline["tokens"], baseline["characters"])
    ratio = measured["bits_per_character"] / baseline["bits_per_character"]
    assert ratio == pytest.approx(measured["nats"] / baseline["nats"])
    assert measured["perplexity"] == pytest.approx(bothways.load(two_way).perplexity([test_text.read_text()]), rel=1e-5)


def test_predict_scores_each_text_word_by_word(novel):
    texts = ["The cat sleeps.", "The dog barks."]
    out, _ = run("predict", novel, *texts)
    lines = out.splitlines()
    for text in texts:
        words = bothways.load(novel).score_words(text)
        at = lines.index(f"{sum(word.log_probability for word in words):.3f}\t{text}")
        assert lines[at + 1 : at + 1 + len(words)] == [f"  {word.log_probability:8.3f}\t{word.token}" for word in words]
    found = [
        json.loads(line)
        for line in run("predict", novel, "--json", text="".join(f"{text}\n" for text in texts))[0].splitlines()
    ]
    assert [one["text"] for one in found] == texts
    assert found[0]["log_probability"] == pytest.approx(sum(share for _, share in found[0]["tokens"]), abs=1e-5)


def test_info_shows_what_the_model_is_and_reached(novel):
    out, _ = run("info", novel)
    assert "tokens of one text" in out
    assert "validation perplexity" in out
    assert "5-gram baseline" in out
    assert "hidden_size = 8" in out


# Stopping and going on


def weights(folder):
    return load_file(folder / "weights.safetensors")


def start(corpus, out, *more):
    command = [sys.executable, "-c", "from bothways.cli import main; main()", "train", "language", str(corpus)]
    return subprocess.Popen(
        [*command, *OPTIONS, "--out", str(out), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ctrl_c_and_kill_and_resume_end_in_the_same_weights(place, corpus):
    more = ["--epochs", "30", "--patience", "30", "--averaging", "0.9"]
    train(corpus, place / "whole", *more)
    out, state = place / "stopped", place / "stopped.training" / "seed-0.safetensors"
    with start(corpus, out, *more) as process:
        for line in process.stderr:
            if line.startswith("epoch  3"):
                break
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert said == ""
    assert "the same command with --resume goes on where it was" in errors.splitlines()[-1]
    assert bothways.load(out).generate(max_length=3)
    message = refused("train", "language", corpus, "--out", out, *OPTIONS, *more)
    assert "holds an unfinished training. Go on with --resume, or start again with --force." in message
    before = state.stat().st_mtime_ns
    with start(corpus, out, *more, "--resume") as process:
        deadline = time.monotonic() + 120
        while state.exists() and state.stat().st_mtime_ns == before and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
    assert state.exists(), "the training was over before it was killed"
    message = refused("train", "language", corpus, "--out", out, *OPTIONS, *more, "--resume", "--lr", "0.5")
    assert "was written with other data or settings" in message
    train(corpus, out, *more, "--resume")
    for name, weight in weights(place / "whole").items():
        assert (weights(out)[name] == weight).all(), name


def test_resuming_nothing_is_refused(place, corpus):
    message = refused("train", "language", corpus, "--out", place / "never", *OPTIONS, "--resume")
    assert "holds no checkpoint to resume from. Run the command without --resume." in message


# Bad input: one line, exit 1


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, [], "does not exist"),
        ("", [], "holds no text"),
        (" \n\n", [], "holds no text"),
        ("a b c d\n" * 2, ["--validation-size", "0"], "There are 10 tokens to train on, fewer than one window of 16."),
        ("a b c d e f g h " * 4, [], "There is no text to validate on. Give more text, or set --validation-size 0."),
        ("a b c d\n" * 40, ["--text", "text"], "is plain text, which has no columns"),
        ("a b c d\n" * 40, ["--cell-type", "ltsm"], "Did you mean 'lstm'?"),
        ("a b c d\n" * 40, ["--window", "0"], "window is 0, but it must be at least 1."),
        ("a b c d\n" * 40, ["--cell-type", "sru", "--weight-dropout", "0.1"], "sru has no recurrent weights"),
        ("a b c d\n" * 40, ["--unit", "bpe", "--vocabulary-size", "99"], "unit 'bpe' needs at least 258"),
        ("a b c d\n" * 40, ["--out", "/proc/no/model"], "cannot be written"),
    ],
)
def test_bad_input_to_train_is_refused_in_one_line(tmp_path, content, options, message):
    if content is not None:
        (tmp_path / "data.txt").write_text(content)
    said = refused("train", "language", tmp_path / "data.txt", "--out", tmp_path / "model", *OPTIONS, *options)
    assert message in said
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "model.training").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--temperature", "-1"], "temperature is -1.0, but it must be at least 0."),
        (["--top-p", "0"], "top_p is 0.0, but it must be in (0, 1]."),
        (["--top-p", "1.1"], "top_p is 1.1, but it must be in (0, 1]."),
        (["--top-k", "0"], "top_k is 0, but it must be at least 1."),
        (["--stop", ""], "stop is an empty text, which is everywhere. Leave it out, or give some characters."),
    ],
)
def test_bad_options_of_generate_are_refused_in_one_line(novel, options, message):
    assert message in refused("generate", novel, "--prompt", "The", *options)


def test_generate_is_refused_for_a_classifier_and_for_a_two_way_model(place, two_way):
    options = [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    run("train", "classify", toy_csv(place / "reviews.csv", 60), "--out", place / "reviews", *options)
    said = refused("generate", place / "reviews", "--prompt", "joy")
    assert "was trained to 'classify', which writes no text." in said
    assert "'bothways predict'" in said
    for more in ([], ["--json"], ["--samples", "2"]):
        said = refused("generate", two_way, "--prompt", "The", *more)
        assert "it cannot write. Train one without --two-way to generate." in said


def test_texts_in_the_other_form_are_refused(novel, documents, test_text, place):
    table = write_csv(place / "one.csv", ["text"], [["The cat sleeps."]])
    said = refused("evaluate", novel, table, "--text", "text")
    assert "was trained on plain text, but one.csv is the rows of a table. Give texts in the form" in said
    said = refused("evaluate", documents, test_text)
    assert "was trained on the rows of a table, but test.txt is plain text. Give texts in the form" in said
    said = refused("train", "language", test_text, "--validation", table, "--out", place / "x", *OPTIONS)
    assert "Give both in the same form." in said


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("evaluate", ["--label", "x"]),
        ("evaluate", ["--skip-unlabelled"]),
        ("evaluate", ["--confusion", "x.png"]),
        ("evaluate", ["--reliability", "x.png"]),
        ("predict", ["--file", "a.csv", "--out", "b.csv"]),
    ],
)
def test_options_of_other_tasks_are_refused(novel, test_text, command, options):
    arguments = [test_text] if command == "evaluate" else []
    said = refused(command, novel, *arguments, *options)
    assert f"{options[0]} is of no use to a model of task 'language'. Leave it out." in said


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "settings.json"])
def test_a_damaged_model_folder_is_refused(novel, tmp_path, name):
    broken = tmp_path / "broken"
    shutil.copytree(novel, broken)
    content = (broken / name).read_bytes()
    (broken / name).write_bytes(content[: len(content) // 2])
    assert f"{name} is cut or altered" in refused("generate", broken)
    (broken / name).unlink()
    assert f"{name} is missing" in refused("generate", broken)


# The terminal


def test_control_characters_do_not_reach_the_terminal(place):
    """Neither of a prompt, nor of a corpus whose characters the model writes again."""
    (place / "escape.txt").write_text("\x1b[31mred\x07 \x1b[0m\x9b1m bell\n" * 40, encoding="utf-8")
    model = place / "escape"
    out, errors = train(place / "escape.txt", model, "--unit", "character", "--epochs", "6", "--lr", "0.1")
    printed = [out, errors]
    assert "\x1b" in bothways.load(model).generate(max_length=200, seed=1)[0]
    for arguments in (
        ("generate", model, "--max-length", "200", "--seed", "1"),
        ("generate", model, "--max-length", "100", "--samples", "2"),
        ("generate", model, "--max-length", "100", "--json"),
        ("generate", model, "--prompt", "\x1b[32mgreen\x08\x7f"),
        ("predict", model, "\x1b[32mgreen\x07"),
        ("predict", model, "\x1b[32mgreen\x07", "--json"),
        ("evaluate", model, place / "escape.txt"),
        ("info", model),
    ):
        printed += run(*arguments)
    for text in printed:
        assert not any(char in text for char in "\x1b\x07\x9b\x08\x7f")


def test_tabs_and_line_ends_of_a_text_are_printed_as_they_are(novel):
    prompt = "def f():\n\treturn\u00a01\n"
    assert run("generate", novel, "--prompt", prompt, "--max-length", "1")[0].startswith(prompt)


def test_a_prompt_of_half_characters_does_no_harm(novel):
    """Bytes that are no text reach a command as halves of surrogate pairs."""
    command = [
        sys.executable,
        "-c",
        "from bothways.cli import main; main()",
        "generate",
        str(novel),
        "--max-length",
        "2",
    ]
    for more in ([], ["--json"]):
        done = subprocess.run([*command, *more, "--prompt", b"The \xff cat"], capture_output=True)
        assert done.returncode in (0, 1), done.stderr
        assert b"Traceback" not in done.stderr
        (done.stdout + done.stderr).decode("utf-8")


def test_writing_and_scores_need_no_torch(novel, corpus):
    for command in (
        ["generate", novel, "--max-length", "3"],
        ["predict", novel, "The cat"],
        ["evaluate", novel, corpus],
    ):
        assert run_bare(*command) == run(*command)


def test_each_piece_is_shown_before_the_next_is_made(novel, monkeypatch):
    make, shown = LanguageModelRuntime.pieces, []

    def watched(self, *arguments):
        text = ""
        for number, piece in make(self, *arguments):
            shown.append(sys.stdout.buffer.getvalue().decode() == text)
            text += piece
            yield number, piece

    monkeypatch.setattr(LanguageModelRuntime, "pieces", watched)
    run("generate", novel, "--max-length", 20, "--seed", 1)
    assert len(shown) > 5
    assert all(shown)


def test_a_reader_of_both_ways_is_refused_and_nothing_is_written(corpus, tmp_path):
    _, errors = train(corpus, tmp_path / "peeking", "--bidirectional", code=1)
    assert errors.startswith("bothways: bidirectional is True, but a network that reads both ways has read the answer")
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_of_other_tokens_than_its_language_model_is_refused(novel, tmp_path):
    data = toy_csv(tmp_path / "reviews.csv", 40)
    options = ["--pretrained", novel, "--unit", "character"]
    _, errors = run("train", "classify", data, "--out", tmp_path / "model", *options, code=1)
    assert errors.splitlines()[-1] == (
        f"bothways: unit is 'character', but {novel} was trained with 'word'. "
        "Leave it out, or pre-train with unit 'character'."
    )
    assert not (tmp_path / "model").exists()


def test_ctrl_c_while_writing_ends_with_130(novel):
    # A test run in the background of a shell hands on an interrupt that is ignored.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-u", "-c", f"{heard}from bothways.cli import main; main()", "generate", str(novel)]
    with subprocess.Popen(
        [*command, "--max-length", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode().strip() == "bothways: Stopped by Ctrl-C."

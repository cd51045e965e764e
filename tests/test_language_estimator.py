"""Language models from Python: scikit-learn's contract, the promises of the model folder, and what is refused."""

import io
import math

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score

import bothways
from bothways import LanguageModel
from bothways.errors import DataError, NotFittedError, OutputError, SettingsError
from bothways.settings import LanguageSettings
from toys import LANGUAGE, toy_sentences, toy_stream

SENTENCES = toy_sentences(60)
STREAM = toy_stream(60)
OTHERS = [*toy_sentences(9, seed=5), "A word never seen: zebra!", "", "the"]


def small(**changed):
    return LanguageModel(**{**LANGUAGE, **changed})


@pytest.fixture(scope="module")
def model():
    """Of documents of words."""
    return small().fit(SENTENCES)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "toy"
    model.save(path)
    return path


# scikit-learn's contract


def test_parameters_are_the_settings():
    assert set(LanguageModel().get_params()) == {setting.name for setting in LanguageSettings.declared()}
    assert LanguageModel().get_params() == LanguageSettings().to_dict()


def test_get_and_set_params():
    model = LanguageModel(hidden_size=7)
    assert model.set_params(hidden_size=9, cell_type="gru") is model
    assert (model.hidden_size, model.cell_type) == (9, "gru")


def test_init_stores_what_it_is_given_and_fit_refuses_it():
    model = LanguageModel(cell_type="ltsm")
    assert model.cell_type == "ltsm"
    with pytest.raises(SettingsError, match="Did you mean 'lstm'"):
        model.fit(SENTENCES)


def test_clone_copies_settings_and_nothing_learned(model):
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "trained_")


def test_the_score_is_the_log_of_the_perplexity_and_can_be_cross_validated(model):
    assert model.score(OTHERS) == pytest.approx(-math.log(model.perplexity(OTHERS)))
    parts = KFold(2)
    expected = [
        small(epochs=1).fit([SENTENCES[row] for row in train]).score([SENTENCES[row] for row in held])
        for train, held in parts.split(SENTENCES)
    ]
    assert cross_val_score(small(epochs=1), SENTENCES, cv=parts).tolist() == expected


def test_joblib_pickles_in_memory(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    again = joblib.load(buffer)
    assert again.perplexity(OTHERS) == model.perplexity(OTHERS)
    assert again.generate(seed=3) == model.generate(seed=3)


def test_a_pandas_series_is_the_same_as_a_list(model):
    series = pd.Series(SENTENCES, index=range(100, 160))
    assert small().fit(series).perplexity(pd.Series(OTHERS)) == model.perplexity(OTHERS)


def test_fitting_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    small(epochs=1).fit(SENTENCES)
    assert torch.equal(torch.rand(3), expected)


# One text is a stream, several are documents


def test_several_texts_are_documents(model):
    assert not model.trained_.tokens.whole
    scored = model.score_words("The cat sleeps.")
    assert [word.token for word in scored] == ["The", "cat", "sleeps", ".", "<eos>"]


def test_one_text_is_a_stream_and_its_lines_end_with_eos():
    model = small(epochs=1).fit(STREAM.replace("\n", "\r\n"))
    assert model.trained_.tokens.whole
    assert [word.token for word in model.score_words("The cat\nsleeps.\n")] == [
        "The",
        "cat",
        "<eos>",
        "sleeps",
        ".",
        "<eos>",
    ]
    assert model.trained_.facts["characters"] + model.trained_.scores["characters"] == len(STREAM)
    assert model.perplexity(STREAM) == small(epochs=1).fit(STREAM).perplexity([STREAM])


def test_validation_texts_that_are_given_choose_the_epoch():
    others = toy_sentences(9, seed=1)
    trained = small().fit(SENTENCES, validation=others).trained_
    assert trained.facts["tokens"] == sum(len(ids) - 1 for ids in trained.tokens.documents(SENTENCES))
    assert trained.scores["tokens"] == sum(len(ids) - 1 for ids in trained.tokens.documents(others))
    with pytest.raises(SettingsError, match="Give both in the same form"):
        small().fit(SENTENCES, validation=STREAM)


def test_without_validation_the_last_epoch_is_kept():
    model = small(validation_size=0.0).fit(SENTENCES)
    assert (model.best_epoch_, model.trained_.scores) == (2, None)


# Scores


def test_the_perplexity_is_that_of_the_scored_words(model):
    losses = [-word.log_probability for text in OTHERS for word in model.score_words(text)]
    assert model.perplexity(OTHERS) == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)


@pytest.mark.parametrize("text", [OTHERS[0], "the film " * 300], ids=["short", "longer than a window"])
def test_scored_words_are_what_the_network_says_of_one_long_read(model, text):
    (ids,) = model.trained_.tokens.documents([text])
    losses, _ = model.trained_.model.losses(torch.tensor(ids[None].astype(np.int64)), torch.tensor([len(ids)]))
    found = [word.log_probability for word in model.score_words(text)]
    np.testing.assert_allclose(found, -losses.numpy(), atol=1e-5)


@pytest.mark.parametrize("two_way", [False, True])
def test_alone_is_in_company(model, folder, two_way):
    if two_way:
        model = small(two_way=True, epochs=1).fit(SENTENCES)
    texts = [*OTHERS, "the film " * 300, *SENTENCES]  # more than are read side by side, one longer than a piece
    runner = model._runner()
    together = runner.losses(runner.tokens.sequences(texts))
    for text, losses in zip(texts, together, strict=True):
        (alone,) = runner.losses(runner.tokens.sequences([text]))
        np.testing.assert_allclose(losses, alone, atol=1e-5)


def test_probabilities_of_the_next_word_sum_to_one(model):
    """Score a text with every possible word at its end: each of the vocabulary, or the end."""
    tokens = model.trained_.tokens
    (ids,) = tokens.documents(["The cat"])
    candidates = [np.array([*ids[:-1], word]) for word in range(tokens.size)]
    shares = [math.exp(-losses[-1]) for losses in model._runner().losses(candidates)]
    assert sum(shares) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("prompt", ["The cat", "The", "The dog then here,"])
def test_the_greedy_word_is_the_likeliest(model, prompt):
    tokens = model.trained_.tokens
    (ids,) = tokens.documents([prompt])
    words = range(2, tokens.size)  # the end among them
    losses = [found[-1] for found in model._runner().losses([np.array([*ids[:-1], word]) for word in words])]
    likeliest = words[int(np.argmin(losses))]
    (text,) = model.generate(prompt, temperature=0, max_length=1)
    assert text.removeprefix(prompt).strip() == ("" if likeliest == tokens.eos else tokens.spoken(likeliest))


# The promises


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"cell_type": "gru", "tied": False, "negatives": 5},
        {"cell_type": "rnn", "weight_dropout": 0.3, "embedding_dim": 5},
        {"cell_type": "minlstm", "unit": "bpe", "vocabulary_size": 290},
        {"two_way": True, "cell_type": "sru", "unit": "character", "tied": False},
    ],
    ids=str,
)
def test_saved_is_loaded_is_exported(changed, tmp_path):
    model = small(epochs=1, **changed).fit(STREAM if "unit" in changed else SENTENCES)
    model.save(tmp_path / "model")
    loaded, exported = LanguageModel.load(tmp_path / "model"), bothways.load(tmp_path / "model")
    assert loaded.get_params() == model.get_params()
    texts = [*OTHERS, "line one\n\nline two\n", "the film " * 40]
    assert loaded.perplexity(texts) == model.perplexity(texts)
    assert exported.perplexity(texts) == pytest.approx(model.perplexity(texts), rel=1e-5)
    for text in texts:
        ours, theirs = model.score_words(text), exported.score_words(text)
        assert [word.token for word in ours] == [word.token for word in theirs]
        np.testing.assert_allclose(
            [word.log_probability for word in ours], [word.log_probability for word in theirs], atol=1e-5
        )
    if not model.two_way:
        options = {"seed": 4, "samples": 3, "max_length": 20, "top_k": 9}
        texts = model.generate("The cat ", **options)
        assert loaded.generate("The cat ", **options) == texts
        assert exported.generate("The cat ", **options) == texts
        assert "The cat " + "".join(exported.stream("The cat ", **{**options, "samples": 1})) == texts[0]


def test_a_loaded_model_is_saved_as_it_was(folder, tmp_path):
    LanguageModel.load(folder).save(tmp_path / "again")
    for name in ("weights.safetensors", "model.onnx", "tokenizer.json", "metrics.json", "baseline.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_only_plain_files_are_saved(folder):
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".onnx", ".csv", ".png", ".md"}


def test_the_card_says_how_good_it_is_beside_the_baselines(model, folder):
    card = (folder / "README.md").read_text()
    for name, score in {"this network": model.trained_.scores, **model.trained_.baseline_scores}.items():
        assert f"{name} | {score['perplexity']:.2f}" in card
    assert "bothways generate FOLDER" in card


# Writing


def test_a_prompt_begins_every_text(model):
    texts = model.generate("The dog", samples=4, max_length=5)
    assert all(text.startswith("The dog") for text in texts)
    assert model.generate("", max_length=3) == model.generate(max_length=3)


def test_unknown_words_of_a_prompt_are_named(model, folder):
    assert model.unknown_words("The zebra barks, zebra?") == ["zebra", "?"]
    assert bothways.load(folder).unknown_words("The zebra") == ["zebra"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temprature": 1.0}, r"'temprature' is not a setting of this task\. Did you mean 'temperature'\?"),
        ({"temperature": -0.1}, "temperature is -0.1, but it must be at least 0."),
        ({"temperature": "hot"}, "temperature is 'hot', but it must be a number."),
        ({"top_p": 0.0}, r"top_p is 0.0, but it must be in \(0, 1\]\."),
        ({"top_p": 1.5}, r"top_p is 1.5, but it must be in \(0, 1\]\."),
        ({"top_p": float("nan")}, r"top_p is nan, but it must be in \(0, 1\]\."),
        ({"top_k": 0}, "top_k is 0, but it must be at least 1."),
        ({"max_length": 0}, "max_length is 0, but it must be at least 1."),
        ({"samples": 0}, "samples is 0, but it must be at least 1."),
        ({"repetition_penalty": 0.9}, "repetition_penalty is 0.9, but it must be at least 1."),
        ({"stop": ""}, "stop is an empty text"),
        ({"seed": -1}, "seed is -1, but it must be at least 0."),
    ],
)
def test_options_that_cannot_be_are_refused(model, options, message):
    for write in (model.generate, model.stream):
        if "samples" in options and write == model.stream:
            continue
        with pytest.raises(SettingsError, match=message) as caught:
            write("The cat", **options)
        assert "\n" not in str(caught.value)


def test_a_stream_of_several_texts_is_refused(model):
    with pytest.raises(SettingsError, match="stream writes one text, but samples is 3. Use generate for several."):
        model.stream("The cat", samples=3)


def test_a_two_way_model_scores_and_does_not_write():
    model = small(two_way=True, epochs=1).fit(SENTENCES)
    assert model.perplexity(OTHERS) > 1
    for write in (model.generate, model.stream):
        with pytest.raises(SettingsError, match="it cannot write. Train one without --two-way to generate."):
            write("The cat")


# Bad input


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("", "The text is empty. Give some text to train on."),
        (" \n ", "The text is empty. Give some text to train on."),
        ([], "The texts are empty. Give some text to train on."),
        (["", " "], "The texts are empty. Give some text to train on."),
        (["a", None], r"texts\[1\] is NoneType 'None', but it must be a str"),
        (["a b c d"] * 2, "tokens to train on, fewer than one window of 16"),
        ("a b c d " * 9 + "\n", "There is no text to validate on"),
    ],
)
def test_texts_that_cannot_be_trained_on_are_refused(texts, message):
    with pytest.raises(DataError, match=message) as caught:
        small().fit(texts)
    assert "\n" not in str(caught.value)


def test_using_it_before_fitting_is_refused():
    for use in (lambda model: model.generate(), lambda model: model.perplexity(["a"]), lambda model: model.save("x")):
        with pytest.raises(NotFittedError, match=r"is not trained yet\. Call fit\(texts\), or load a folder\."):
            use(LanguageModel())


def test_texts_without_anything_to_predict_are_refused(model):
    with pytest.raises(DataError, match="The texts hold no token to predict. Give some text."):
        model.perplexity([])
    with pytest.raises(DataError, match="texts is one str, but it must be a list of texts"):
        model.perplexity("a b")


def test_an_existing_folder_is_not_overwritten(model, folder):
    with pytest.raises(OutputError, match="Choose another place with --out, or replace it with --force"):
        model.save(folder)


def test_texts_of_any_kind_are_scored(model, folder):
    texts = ["", " ", "\x00\x01", "the\x00film", "𝔘𝔫𝔦 🎬 中文", "w " * 3_000, "\ud800", "\n\n"]
    runner = bothways.load(folder)
    assert runner.perplexity(texts) == pytest.approx(model.perplexity(texts), rel=1e-5)
    for text in texts:
        assert runner.generate(text, max_length=2)[0].startswith(text)

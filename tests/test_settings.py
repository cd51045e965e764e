from dataclasses import fields
from typing import get_args

import pytest

from bothways.declaring import Setting
from bothways.errors import SettingsError
from bothways.settings import (
    POOLINGS,
    ClassifierSettings,
    ForecasterSettings,
    GenerationSettings,
    IntentSettings,
    LanguageSettings,
    ProblemSettings,
    TaggerSettings,
    TranslatorSettings,
)


@pytest.mark.parametrize(
    "kind",
    [
        ClassifierSettings,
        LanguageSettings,
        TaggerSettings,
        IntentSettings,
        ForecasterSettings,
        TranslatorSettings,
        ProblemSettings,
        GenerationSettings,
    ],
)
def test_every_setting_has_a_default_that_is_good_and_a_help(kind):
    kind().check()
    for setting in kind.declared():
        assert setting.help.strip()
        assert not setting.help.endswith(".")


@pytest.mark.parametrize(
    "kind",
    [
        ClassifierSettings,
        LanguageSettings,
        TaggerSettings,
        IntentSettings,
        ForecasterSettings,
        TranslatorSettings,
        ProblemSettings,
    ],
)
def test_declared_settings_are_the_fields_in_the_order_text_encoder_training(kind):
    declared = kind.declared()
    assert [setting.name for setting in declared] == [field.name for field in fields(kind)]
    sections = [setting.section for setting in declared]
    order = ["problem", "text", "sentences", "series", "encoder", "training", "writing"]
    assert sections == sorted(sections, key=order.index)


def test_dictionary_and_back_is_the_same():
    settings = ClassifierSettings(cell_type="gru", hidden_size=7, class_weight="balanced")
    assert ClassifierSettings.from_dict(settings.to_dict()).to_dict() == settings.to_dict()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"cell_type": "ltsm"},
            "cell_type is 'ltsm', but it must be one of: gru, lstm, mingru, minlstm, rnn, sru. Did you mean 'lstm'?",
        ),
        ({"hidden_size": 0}, "hidden_size is 0, but it must be at least 1."),
        ({"dropout": 1.0}, "dropout is 1.0, but it must be in [0, 1)."),
        ({"lr": 0}, "lr is 0, but it must be above 0."),
        ({"lr": float("nan")}, "lr is nan, but it must be above 0."),
        ({"lr": float("inf")}, "lr is inf, but it must be below 1e+09."),
        ({"embedding_lr": float("inf")}, "embedding_lr is inf, but it must be below 1e+09."),
        ({"seed": 2**63}, "seed is 9223372036854775808, but it must be below 2**63."),
        ({"epochs": 2.5}, "epochs is 2.5, but it must be a whole number."),
        ({"epochs": True}, "epochs is True, but it must be a whole number."),
        ({"bidirectional": 1}, "bidirectional is 1, but it must be True or False."),
        ({"class_weight": "even"}, "class_weight is 'even', but it must be one of: balanced."),
        ({"pooling": "max+men"}, "pooling is 'men', but it must be one of: attention, last, max, mean."),
        ({"freeze_vectors": True}, "there are no vectors to freeze"),
    ],
)
def test_a_bad_value_is_refused_with_what_would_be_right(values, message):
    with pytest.raises(SettingsError) as caught:
        ClassifierSettings(**values).check()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gradient_may_be_as_long_as_it_likes_and_a_seed_may_have_many_digits():
    ClassifierSettings(max_grad_norm=float("inf"), seed=2**63 - 1).check()


def test_all_bad_values_are_named_at_once():
    with pytest.raises(SettingsError) as caught:
        ClassifierSettings(hidden_size=0, dropout=2, lr=-1, vocabulary_size=1).check()
    for name in ("hidden_size", "dropout", "lr", "vocabulary_size"):
        assert name in str(caught.value)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        SettingsError, match=r"'hiden_size' is not a setting of this task. Did you mean 'hidden_size'\?"
    ):
        ClassifierSettings.from_dict({"hiden_size": 3})


def test_numpy_numbers_are_numbers():
    import numpy as np

    ClassifierSettings(epochs=np.int64(3), lr=np.float32(0.1)).check()


def test_choices_are_those_of_the_layers():
    from bothways import nn, settings
    from bothways.models.classifier import CELLS

    assert get_args(settings.CellType) == tuple(CELLS)
    assert set(POOLINGS) == set(get_args(nn.PoolingKind))
    assert get_args(settings.Direction) == get_args(nn.Direction)
    assert get_args(settings.Stack) == get_args(nn.Stack)


def test_tag_schemes_are_those_that_are_read():
    from bothways import settings
    from bothways.decoding.schemes import SCHEMES

    assert get_args(settings.TagScheme) == ("auto", *SCHEMES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"scheme": "bioe"},
            "scheme is 'bioe', but it must be one of: auto, bio, bioes, io, none. Did you mean 'bioes'?",
        ),
        ({"decoder": "crv"}, "decoder is 'crv', but it must be one of: crf, softmax. Did you mean 'crf'?"),
        ({"spelling_size": -1}, "spelling_size is -1, but it must be at least 0."),
        ({"spelling_dim": 0}, "spelling_dim is 0, but it must be at least 1."),
        ({"min_count": 0}, "min_count is 0, but it must be at least 1."),
        ({"seeds": 0}, "seeds is 0, but it must be at least 1."),
        ({"monitor": "macro_f1"}, "monitor is 'macro_f1', but it must be one of: accuracy, f1, loss, sentence."),
        ({"freeze_vectors": True}, "there are no vectors to freeze"),
    ],
)
def test_a_bad_value_of_a_tagger_is_refused(values, message):
    with pytest.raises(SettingsError) as caught:
        TaggerSettings(**values).check()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"problem": "addin"},
            "problem is 'addin', but it must be one of: adding, copy, first-token, pixels, rows. Did you mean",
        ),
        ({"length": 1}, "length is 1, but it must be at least 2."),
        ({"held_out": 0}, "held_out is 0, but it must be at least 1."),
        (
            {"batches_per_epoch": 0, "batch_size": 0},
            "batches_per_epoch is 0, but it must be at least 1. batch_size is 0",
        ),
        ({"target": -0.1}, "target is -0.1, but it must be at least 0."),
        ({"convolution": 0}, "convolution is 0, but it must be at least 1."),
        (
            {"cell_type": "lstm", "convolution": 4},
            "convolution is 4, but the gates of cell_type 'lstm' see its state. Use 1, or 'mingru',",
        ),
        (
            {"cell_type": "rnn", "start": "chrono"},
            "start is 'chrono', but an rnn has no gates. Use 'torch', 'orthogonal' or 'identity'.",
        ),
        (
            {"cell_type": "sru", "start": "orthogonal"},
            "start is 'orthogonal', but cell_type 'sru' has no recurrent matrix. Use 'torch' or 'chrono'.",
        ),
        (
            {"cell_type": "lstm", "start": "identity"},
            "start is 'identity', but cell_type is 'lstm'. It is for an rnn; use 'torch' or 'chrono'.",
        ),
    ],
)
def test_a_bad_value_of_a_memory_problem_is_refused(values, message):
    with pytest.raises(SettingsError) as caught:
        ProblemSettings(**values).check()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({"cell_type": "gru"}, "chrono"),
        ({"cell_type": "minlstm", "problem": "copy"}, "chrono"),
        ({"cell_type": "rnn"}, "torch"),
        ({"cell_type": "gru", "problem": "pixels"}, "torch"),
        ({"cell_type": "gru", "problem": "pixels", "start": "chrono"}, "chrono"),
        ({"cell_type": "gru", "start": "torch"}, "torch"),
    ],
)
def test_gates_start_open_for_as_long_as_drawn_sequences_are_unless_said_otherwise(values, start):
    assert ProblemSettings(**values).start_chosen == start


def test_drawn_problems_are_those_that_can_be_drawn():
    from bothways import settings
    from bothways.data.problems import ProblemName

    drawn = [name for name in get_args(settings.ProblemChoice) if name not in settings.IMAGE_PROBLEMS]
    assert drawn == list(get_args(ProblemName))


def test_an_optional_setting_knows_its_plain_type():
    setting = Setting("x", str | None, None, "help", "text")
    assert setting.optional
    assert setting.plain_type is str
    assert get_args(setting.annotation)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ForecasterSettings(embedding_lr=0.01),
            "embedding_lr is 0.01, but series have no tokens",
        ),
        (ForecasterSettings(embedding_moment="shared"), "embedding_moment is 'shared', but series have no tokens"),
        (TaggerSettings(model="hmm", pretrained="lm"), "model is 'hmm', which counts words and tags, to the same"),
        (
            TaggerSettings(model="hmm", vectors="glove.txt", freeze_vectors=True),
            "these are set: vectors, freeze_vectors. Leave them out",
        ),
        (TaggerSettings(model="hmm", seeds=2), "these are set: seeds. Leave them out, or use 'network'."),
    ],
)
def test_a_new_training_refuses_what_it_would_not_use_and_an_old_one_is_read(settings, message):
    with pytest.raises(SettingsError) as caught:
        settings.refuse_unused()
    assert message in str(caught.value)
    assert type(settings).from_dict(settings.to_dict()).to_dict() == settings.to_dict()

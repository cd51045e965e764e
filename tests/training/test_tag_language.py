"""A tagger that reads what a language model makes of its words."""

import copy

import numpy as np
import pytest
import torch

from bothways import LanguageModel, SequenceTagger, load
from bothways.data.lexicon import LanguageWords
from bothways.data.tokenizer import Tokenizer
from bothways.errors import ModelFolderError, SettingsError
from bothways.estimators.tagger import tagged
from bothways.settings import TaggerSettings
from bothways.training.tag_preparation import prepare_tags
from toy_tags import TAGGER, told_later
from toys import LANGUAGE

WORDS, TAGS = told_later(40)
TEXTS = [" ".join(words) for words in WORDS]
CHANGED = {**LANGUAGE, "epochs": 1, "unit": "space", "lowercase": True}


@pytest.fixture(scope="module", params=[True, False], ids=["two-way", "one-way"])
def reader(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("language") / "reader"
    model = LanguageModel(**CHANGED, two_way=request.param).fit(TEXTS[:30])
    model.save(path)
    return model, path


@pytest.fixture(scope="module")
def tagger(reader):
    return SequenceTagger(**TAGGER, pretrained=str(reader[1])).fit(WORDS, TAGS)


def test_a_word_is_read_as_the_language_model_reads_it_in_its_sentence(reader, tagger):
    """Each sentence alone, between its borders, by the language model's own network."""
    model, trained = reader[0].trained_, tagger.trained_
    sentences = [WORDS[0], ["never", "Seen"], WORDS[1][:1]]
    batch = trained.lexicon.batch(sentences, rounded=True)
    assert not batch.enclosed[1, 4:].any()  # two words between two borders
    found = trained.model.language(torch.from_numpy(batch.enclosed), torch.from_numpy(batch.lengths))
    for words, states in zip(sentences, found, strict=True):
        ids = np.concatenate(
            [[model.tokens.eos], *model.tokens.tokenizer.encode([" ".join(words)]), [model.tokens.eos]]
        )
        tokens = torch.from_numpy(ids.astype(np.int64))[None]
        with torch.no_grad():
            reading = model.model.read(model.model.embedding(tokens), tokens, torch.tensor([len(ids)]))
        parts = [part for part in (reading.forward, reading.backward) if part is not None]
        torch.testing.assert_close(states[: len(words)], torch.cat(parts, dim=-1)[0, 1:-1])


@pytest.mark.parametrize("unit", ["space", "word"])
@pytest.mark.parametrize("lowercase", [True, False])
def test_a_word_has_the_id_that_the_language_models_tokenizer_gives_it(unit, lowercase):
    """However it is written: letters apart from their accents, capitals, a sigma at the end."""
    words = ["café", "cafe\u0301", "CAFÉ", "ΟΔΟΣ", "οδος", "οδοσ", "İstanbul", "STRASSE", "straße", "new", "\ufb01n"]
    tokenizer = Tokenizer.train([" ".join(words[:-1])] * 3, unit=unit, lowercase=lowercase)
    found = LanguageWords(tokenizer.vocabulary, lowercase, border=len(tokenizer))
    for word in words:
        ((there,),) = tokenizer.encode([word])
        assert found.ids([word]).tolist() == [there], word


def test_what_the_language_model_knows_of_the_words_is_said(tmp_path):
    LanguageModel(**{**CHANGED, "lowercase": False}).fit(["so then here so then here"] * 20).save(tmp_path / "few")
    sentences = [["So", "then", "here", "they"], ["so", "so", "so", "so"]] * 4
    tags = [["A", "B", "B", "A"], ["A", "A", "B", "B"]] * 4
    tagger = SequenceTagger(**{**TAGGER, "validation_size": 0}, pretrained=str(tmp_path / "few")).fit(sentences, tags)
    assert any("it knows 75.0% of the words" in note for note in tagger.trained_.notes)


def test_the_language_model_is_not_trained_further(reader, tagger):
    theirs, ours = reader[0].trained_.model.state_dict(), tagger.trained_.model.language.state_dict()
    assert ours
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name])


def test_saved_is_loaded_is_exported(tagger, tmp_path):
    tagger.save(tmp_path / "tagger")
    again, exported = SequenceTagger.load(tmp_path / "tagger"), load(tmp_path / "tagger")
    sentences = [*WORDS[:5], ["never", "seen"]]
    for one, other, third in zip(
        *(model.predict_marginals(sentences) for model in (tagger, again, exported)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
        np.testing.assert_allclose(one, third, atol=1e-4)


def test_what_the_language_model_says_of_a_word_decides_with_the_rest(tagger):
    other = copy.deepcopy(tagger)
    with torch.no_grad():
        for weight in other.trained_.model.language.parameters():
            weight.add_(0.5)
    assert not np.allclose(other.predict_marginals(WORDS[:1])[0], tagger.predict_marginals(WORDS[:1])[0], atol=1e-4)


def test_another_language_model_at_the_same_place_is_other_data(reader, tmp_path):
    reader[0].save(tmp_path / "reader")
    settings = TaggerSettings(**TAGGER, pretrained=str(tmp_path / "reader"))
    here = [prepare_tags(tagged(WORDS, TAGS, name="X"), None, settings).identity for _ in range(2)]
    assert here[0] == here[1]
    changed = copy.deepcopy(reader[0])
    with torch.no_grad():
        next(changed.trained_.model.encoder.parameters()).add_(1)
    changed.save(tmp_path / "reader", force=True)
    assert prepare_tags(tagged(WORDS, TAGS, name="X"), None, settings).identity != here[0]


def test_what_reads_no_words_or_writes_on_a_condition_is_refused(tmp_path):
    LanguageModel(**{**CHANGED, "unit": "character"}).fit(TEXTS).save(tmp_path / "letters")
    with pytest.raises(SettingsError, match="reads characters, but a tagger tags words"):
        SequenceTagger(**TAGGER, pretrained=str(tmp_path / "letters")).fit(WORDS, TAGS)
    LanguageModel(**CHANGED).fit(TEXTS, ["a", "b"] * 20).save(tmp_path / "writer")
    with pytest.raises(SettingsError, match="reads texts on a condition"):
        SequenceTagger(**TAGGER, pretrained=str(tmp_path / "writer")).fit(WORDS, TAGS)
    with pytest.raises(ModelFolderError, match="is not a folder"):
        SequenceTagger(**TAGGER, pretrained=str(tmp_path / "none")).fit(WORDS, TAGS)

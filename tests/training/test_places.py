"""Where a training keeps its state: what is taken away, what is kept, what is refused."""

import pytest

from bothways.errors import Interrupted, OutputError
from bothways.settings import ClassifierSettings, TaggerSettings
from bothways.training.from_files import train_classifier_from_file
from bothways.training.listening import Silence
from bothways.training.places import check_places, refuse_inside
from bothways.training.tagging_from_files import train_tagger_from_file
from stopping import StopAt
from toys import SMALL, toy_csv


def conll(path):
    path.write_text("".join(f"{word}\t{tag}\n\n" for word, tag in [("Ada", "B-PER"), ("ran", "O")] * 20))
    return path


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_begun_again_a_training_never_meets_an_older_ones_checkpoint(tmp_path, task):
    """Of another seed or of the refit it would make resuming fail for good."""
    if task == "classify":
        settings, train = ClassifierSettings(**SMALL, seeds=2, refit=True), train_classifier_from_file
        data = toy_csv(tmp_path / "data.csv", 60)
    else:
        settings, train = TaggerSettings(hidden_size=4, embedding_dim=4, epochs=1, seeds=2), train_tagger_from_file
        data = conll(tmp_path / "data.conll")
    state = tmp_path / "model.training"
    state.mkdir()
    old = [state / f"{name}.safetensors" for name in ("seed-1", "refit")]
    for file in old:
        file.write_bytes(b"of an older training")
    with pytest.raises(Interrupted):
        train(data, tmp_path / "model", settings, force=True, listener=StopAt(1))
    assert not any(file.exists() for file in old)
    trained = train(data, tmp_path / "model", settings, resume=True)
    assert len(trained.by_seed) == 2
    assert not state.exists()


def test_older_checkpoints_stay_until_the_first_new_one_is_written(tmp_path):
    class Impatient(Silence):
        def started(self, **_):
            raise KeyboardInterrupt

    state = tmp_path / "model.training"
    state.mkdir()
    old = [state / f"{name}.safetensors" for name in ("seed-0", "seed-1", "refit")]
    for file in old:
        file.write_bytes(b"of an older training")
    settings = ClassifierSettings(**SMALL, seeds=2)
    with pytest.raises(Interrupted):
        train_classifier_from_file(
            toy_csv(tmp_path / "data.csv", 60), tmp_path / "model", settings, force=True, listener=Impatient()
        )
    assert all(file.read_bytes() == b"of an older training" for file in old)


@pytest.mark.parametrize("name", ["x" * 250, "x" * 300])
def test_a_name_too_long_for_the_model_or_its_state_is_refused_in_one_line(tmp_path, name):
    with pytest.raises(OutputError, match="cannot be written: File name too long. Choose another --out."):
        check_places(tmp_path / name, resume=False, force=False)


def test_a_folder_beside_the_model_or_around_it_is_allowed_also_by_a_link(tmp_path):
    out = tmp_path / "models" / "one"
    for folder in (tmp_path / "models" / "log", tmp_path / "models", tmp_path / "models" / "one-log"):
        refuse_inside(folder, out, "--tensorboard")
    (tmp_path / "link").symlink_to(out)
    with pytest.raises(OutputError, match="which is the model's alone. Choose another folder with --tensorboard.$"):
        refuse_inside(tmp_path / "link" / "log", out, "--tensorboard")

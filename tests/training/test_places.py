"""Where a training keeps its state: what is taken away, what is kept, what is refused."""

import pytest

from bothways.errors import Interrupted, OutputError
from bothways.settings import ClassifierSettings, TaggerSettings
from bothways.training.from_files import train_classifier_from_file
from bothways.training.places import forget_others, refuse_inside
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


def test_the_first_checkpoint_stays_until_it_is_replaced(tmp_path):
    for name in ("seed-3", "seed-4", "refit"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    (tmp_path / "train.arrow").write_bytes(b"")
    forget_others(tmp_path, tmp_path / "seed-3.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed-3.safetensors", "train.arrow"]


def test_a_folder_beside_the_model_or_around_it_is_allowed_also_by_a_link(tmp_path):
    out = tmp_path / "models" / "one"
    for folder in (tmp_path / "models" / "log", tmp_path / "models", tmp_path / "models" / "one-log"):
        refuse_inside(folder, out, "--tensorboard")
    (tmp_path / "link").symlink_to(out)
    with pytest.raises(OutputError, match="which is the model's alone. Choose another folder with --tensorboard.$"):
        refuse_inside(tmp_path / "link" / "log", out, "--tensorboard")

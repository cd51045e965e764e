"""Where a training keeps its state: what is taken away, what is kept, what is refused."""

import pytest

from bothways.data.files import refuse_trained_on
from bothways.errors import DataError, DivergedError, Interrupted, OutputError
from bothways.models.classifier import Classifier
from bothways.settings import ClassifierSettings, TaggerSettings
from bothways.training.from_files import train_classifier_from_file
from bothways.training.listening import Silence
from bothways.training.places import check_places, refuse_inside, workplace
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


def test_two_trainings_are_never_under_way_in_one_place(tmp_path):
    with workplace(tmp_path / "model.training") as place:
        (place / "train.arrow").write_bytes(b"of the first")
        with (
            pytest.raises(
                OutputError, match=r"^Another training is under way in .*model\.training\. Wait for it to end"
            ),
            workplace(tmp_path / "model.training"),
        ):
            pass
        assert (place / "train.arrow").read_bytes() == b"of the first"
    assert not place.exists()


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_validation_data_that_lies_in_the_training_data_is_refused(tmp_path, task):
    folder = tmp_path / "data"
    folder.mkdir()
    if task == "classify":
        settings, train, data = ClassifierSettings(**SMALL), train_classifier_from_file, toy_csv(folder / "dev.csv", 60)
    else:
        settings, train, data = TaggerSettings(epochs=1), train_tagger_from_file, conll(folder / "dev.conll")
    with pytest.raises(
        DataError, match=r"dev\.\w+ \(--validation\) lies in the training data .*, and would be trained on"
    ):
        train(folder, tmp_path / "model", settings, validation=data)


def test_a_training_that_diverged_leaves_no_state_that_the_next_would_meet(tmp_path, monkeypatch):
    data = toy_csv(tmp_path / "data.csv", 60)
    with monkeypatch.context() as patch:
        forward = Classifier.forward
        patch.setattr(Classifier, "forward", lambda self, *given: forward(self, *given) * float("nan"))
        with pytest.raises(DivergedError, match="The training diverged in epoch 1"):
            train_classifier_from_file(data, tmp_path / "model", ClassifierSettings(**SMALL))
    assert not (tmp_path / "model.training").exists()
    assert train_classifier_from_file(data, tmp_path / "model", ClassifierSettings(**SMALL)).best_epoch


def test_validation_data_by_a_link_and_the_training_folder_itself_are_refused_and_folders_in_it_are_not(tmp_path):
    folder, far = tmp_path / "data", tmp_path / "blobs"
    (folder / "dev").mkdir(parents=True)
    far.mkdir()
    (folder / "valid.csv").symlink_to(toy_csv(far / "x.csv", 60))
    for held, said in ((folder / "valid.csv", "lies in"), (folder, "is")):
        with pytest.raises(DataError, match=rf"\(--validation\) {said} the training data"):
            refuse_trained_on(folder, held, "validation")
    refuse_trained_on(folder, toy_csv(folder / "dev" / "dev.csv", 60), "validation")
    refuse_trained_on(far / "x.csv", far / "x.csv", "validation")

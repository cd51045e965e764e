import json
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways import bundle
from bothways.bundle import (
    CHECKSUMS,
    FORMAT_VERSION,
    SETTINGS,
    describe,
    finite,
    literal,
    new_folder,
    open_folder,
    write_json,
)
from bothways.errors import BothwaysError, ModelFolderError, OutputError
from bothways.settings import ClassifierSettings


def make(path, content="one", **options):
    with new_folder(path, **options) as folder:
        write_json(folder / SETTINGS, describe("classify", content=content))
        (folder / "weights.bin").write_bytes(b"weights of " + content.encode())
    return path


def test_what_was_written_is_read(tmp_path):
    folder = open_folder(make(tmp_path / "model"))
    assert folder.task == "classify"
    assert folder.description["content"] == "one"
    assert folder.file("weights.bin").read_bytes() == b"weights of one"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_existing_model_is_replaced_only_by_force(tmp_path):
    make(tmp_path / "model")
    with pytest.raises(
        OutputError, match=r"model exists\. Choose another place with --out, or replace it with --force\."
    ):
        make(tmp_path / "model", "two")
    make(tmp_path / "model", "two", force=True)
    assert open_folder(tmp_path / "model").description["content"] == "two"


def test_a_folder_that_is_no_model_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(OutputError, match="exists and is not a model folder, so it is not replaced"):
        make(tmp_path / "thesis", force=True)
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "years of work"


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("a bug")])
def test_the_old_model_survives_a_fault_while_the_new_one_is_written(tmp_path, fault):
    make(tmp_path / "model")
    with (
        pytest.raises(type(fault) if not isinstance(fault, OSError) else OutputError),
        new_folder(tmp_path / "model", force=True) as folder,
    ):
        (folder / "half").write_text("half")
        raise fault
    assert open_folder(tmp_path / "model").description["content"] == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_old_model_survives_a_fault_while_the_folders_change_places(tmp_path, monkeypatch):
    make(tmp_path / "model")
    rename = type(tmp_path).rename

    def fail(self, target):
        if self.name.endswith(".new"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", fail)
    with pytest.raises(OutputError, match="Input/output error. Nothing was replaced"):
        make(tmp_path / "model", "two", force=True)
    assert open_folder(tmp_path / "model").description["content"] == "one"


@pytest.fixture
def killed(tmp_path):
    """A place whose new folder was about to take the old one's place when the process was killed."""
    make(tmp_path / "model")
    make(tmp_path / ".model.new", "two")
    (tmp_path / "model").rename(tmp_path / ".model.old")
    return tmp_path / "model"


def test_a_kill_between_the_two_renames_leaves_the_old_model(killed):
    assert open_folder(killed).description["content"] == "one"
    assert not killed.with_name(".model.old").exists()


def test_after_a_kill_between_the_two_renames_the_old_model_is_replaced_only_by_force(killed):
    with pytest.raises(OutputError, match=r"model exists\."):
        bundle.refuse_existing(killed, force=False)
    make(killed, "three", force=True)
    assert open_folder(killed).description["content"] == "three"
    assert [path.name for path in killed.parent.iterdir()] == ["model"]


def test_a_hidden_folder_never_takes_the_place_of_a_model_that_is_there(tmp_path):
    make(tmp_path / "model", "new")
    make(tmp_path / ".model.old", "old")
    assert open_folder(tmp_path / "model").description["content"] == "new"


def test_the_names_are_flushed_after_the_folders_have_changed_places(tmp_path, monkeypatch):
    make(tmp_path / "model")
    seen = []
    monkeypatch.setattr(
        bundle, "_flush_names", lambda folder: seen.append((folder, sorted(path.name for path in tmp_path.iterdir())))
    )
    make(tmp_path / "model", "two", force=True)
    assert seen == [
        (tmp_path / ".model.new", [".model.new", "model"]),
        (tmp_path, [".model.old", "model"]),
    ]


@pytest.mark.parametrize("place", [".", "/", "", ".."])
def test_a_place_without_a_name_of_its_own_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=r"^'[./]+' names no folder of its own to write\. Name a new one, such as"):
        bundle.refuse_existing(place, force=True)


def test_a_model_is_opened_from_inside_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path / "model"))
    assert open_folder(".").description["content"] == "one"


@pytest.mark.parametrize(
    "content", ["null", "[]", '"text"', "7", '{"format_version": null}', '{"format_version": 1e999}']
)
def test_settings_that_hold_something_else_are_refused(tmp_path, content):
    path = make(tmp_path / "model")
    (path / SETTINGS).write_text(content)
    with pytest.raises(ModelFolderError, match=r"settings\.json is cut or altered"):
        open_folder(path)


@pytest.mark.parametrize("content", ["null", "[]", '"settings.json"', "7", "{"])
def test_checksums_that_hold_something_else_are_refused(tmp_path, content):
    path = make(tmp_path / "model")
    (path / CHECKSUMS).write_text(content)
    with pytest.raises(ModelFolderError, match=r"checksums\.json is cut or altered"):
        open_folder(path)


def damage_cut(path):
    (path / "weights.bin").write_bytes(b"wei")


def damage_altered(path):
    (path / "weights.bin").write_bytes(b"weights of 0ne")


def damage_missing(path):
    (path / "weights.bin").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_cut, "is cut or altered: its checksum differs"),
        (damage_altered, "is cut or altered: its checksum differs"),
        (damage_missing, "is incomplete: weights.bin is missing"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, damage, message):
    path = make(tmp_path / "model")
    damage(path)
    with pytest.raises(ModelFolderError, match=message):
        open_folder(path).file("weights.bin")


def test_a_folder_is_refused_for_a_missing_file_that_nobody_asks_for(tmp_path):
    path = make(tmp_path / "model")
    damage_missing(path)
    with pytest.raises(ModelFolderError, match="is incomplete: weights.bin is missing"):
        open_folder(path)


def test_a_missing_folder_or_description_is_refused(tmp_path):
    with pytest.raises(ModelFolderError, match="is not a folder. Train a model with 'bothways train'"):
        open_folder(tmp_path / "nothing")
    with pytest.raises(ModelFolderError, match="holds no model: settings.json is missing"):
        open_folder(tmp_path)
    path = make(tmp_path / "model")
    (path / CHECKSUMS).unlink()
    with pytest.raises(ModelFolderError, match="checksums.json is missing"):
        open_folder(path)


def test_altered_settings_are_refused(tmp_path):
    path = make(tmp_path / "model")
    (path / SETTINGS).write_text((path / SETTINGS).read_text().replace("one", "two"))
    with pytest.raises(ModelFolderError, match=r"settings\.json is cut or altered"):
        open_folder(path)
    (path / SETTINGS).write_text('{"format_version": 1, ')
    with pytest.raises(ModelFolderError, match=r"settings\.json is cut or altered"):
        open_folder(path)


def test_a_newer_format_is_refused_with_what_to_do(tmp_path):
    path = make(tmp_path / "model")
    description = json.loads((path / SETTINGS).read_text()) | {"format_version": FORMAT_VERSION + 1}
    write_json(path / SETTINGS, description)
    with pytest.raises(ModelFolderError, match=r"has format 2, .* reads up to 1\. Run: pip install --upgrade bothways"):
        open_folder(path)


def test_a_place_that_cannot_be_written_is_refused_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder that you may write to"):
        bundle.refuse_existing(tmp_path / "file" / "model", force=False)


def test_a_name_too_long_for_a_file_is_refused_in_one_line():
    with pytest.raises(ModelFolderError, match="File name too long"):
        open_folder("I really enjoyed it. " * 20)
    with pytest.raises(OutputError, match="File name too long"):
        bundle.refuse_existing("x" * 300, force=False)


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    make(tmp_path / "v1")
    (tmp_path / "model").symlink_to("v1")
    for content in ("new", "newer"):
        make(tmp_path / "model", content, force=True)
        assert (tmp_path / "model").is_symlink()
        assert open_folder(tmp_path / "model").description["content"] == content
        assert open_folder(tmp_path / "v1").description["content"] == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "v1"]
    (tmp_path / "dangling").symlink_to("v3")
    make(tmp_path / "dangling", "third")
    assert open_folder(tmp_path / "v3").description["content"] == "third"


@given(st.text())
def test_literal_text_has_no_control_characters(text):
    shown = literal(text)
    assert all(char.isprintable() or category(char) == "Zs" or char in "\u200c\u200d" for char in shown)
    assert "".join(text.split()) == "".join(shown.split()) or not text.isprintable()


@pytest.mark.parametrize("text", ["\u3000你好", "می\u200cخواهم", "👨\u200d👩\u200d👧", "Ça va\u202f?", "10\u00a0km"])
def test_literal_text_keeps_wide_spaces_and_what_joins_letters(text):
    assert literal(text) == text


def test_every_error_is_also_the_builtin_that_people_expect():
    for kind in (ModelFolderError, OutputError):
        assert issubclass(kind, BothwaysError)
    assert issubclass(ModelFolderError, ValueError)
    assert issubclass(OutputError, OSError)


def test_a_folder_that_only_looks_like_a_model_is_not_replaced_by_force(tmp_path):
    """Many programs keep a settings.json of their own."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / SETTINGS).write_text("{}")
    for force in (False, True):
        with pytest.raises(OutputError, match="project exists and is not a model folder, so it is not replaced"):
            bundle.refuse_existing(tmp_path / "project", force=force)


def test_a_disk_of_its_own_is_refused_before_anything_starts(tmp_path, monkeypatch):
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "volume")
    with pytest.raises(OutputError, match=r"volume is a disk of its own, .* Name a folder in it\.$"):
        bundle.refuse_existing(tmp_path / "volume", force=False)
    bundle.refuse_existing(tmp_path / "volume" / "model", force=False)


def test_json_of_results_holds_null_for_what_is_no_finite_number_and_any_name(tmp_path):
    content = {"loss": float("nan"), "rows": [float("inf"), 1.5], "name": "caf\udce9 é"}
    write_json(tmp_path / "a.json", finite(content))
    read = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert read == {"loss": None, "rows": [None, 1.5], "name": "caf\udce9 é"}


def test_settings_may_be_infinite(tmp_path):
    """No gradient is longer than that."""
    settings = ClassifierSettings(max_grad_norm=float("inf"))
    settings.check()
    write_json(tmp_path / "a.json", settings.to_dict())
    assert ClassifierSettings.from_dict(json.loads((tmp_path / "a.json").read_text())).max_grad_norm == float("inf")

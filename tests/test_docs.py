"""The documentation says what is so: examples run, reference pages are those of the code, links lead somewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

import bothways
from toy_pairs import turned
from toy_tags import asked, names
from toys import SMALL, toy_csv, toy_texts

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    """The code blocks of one language in a page, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def reference():
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_pages_are_those_of_the_code():
    made = reference()
    advice = "run: python docs/make_reference.py"
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == made.settings_page(), advice
    assert (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8") == made.commands_page(), advice


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def readme_place(tmp_path_factory):
    place = tmp_path_factory.mktemp("readme")
    for name, seed in (("reviews.csv", 0), ("test.csv", 1), ("new.csv", 2), ("valid.csv", 3)):
        toy_csv(place / name, 120, seed=seed)
    words = ["joy", "gloom", "the", "a", "film", "plot", "scene", "and", "then", "was", "seen", "by", "people", "here"]
    (place / "novel.txt").write_text("\n".join(f"I am {text}" for text in toy_texts(60)[0]) + "\n", encoding="utf-8")
    for name, seed in (("train.conll", 0), ("dev.conll", 1)):
        sentences = [zip(*some, strict=True) for some in zip(*names(30, seed=seed), strict=True)]
        rows = ["".join(f"{word}\t{tag}\n" for word, tag in some) for some in sentences]
        (place / name).write_text("\n".join(rows), encoding="utf-8")
    (place / "snips").mkdir()
    for name, rows in zip(("seq.in", "seq.out", "label"), asked(30), strict=True):
        lines = (row if isinstance(row, str) else " ".join(row) for row in rows)
        (place / "snips" / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    days = (f"{date(2026, 1, 1) + timedelta(day)},{100 + 9 * (day % 7) + day % 5}" for day in range(200))
    (place / "sales.csv").write_text("\n".join(["day,sold", *days]) + "\n", encoding="utf-8")
    for part, count in (("train", 60), ("val", 9)):
        for side, texts in zip(("en", "de"), turned(count, seed=count), strict=True):
            (place / f"{part}.{side}").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    (place / "glove.6B.100d.txt").write_text("".join(f"{word} {'0.1 ' * 99}0.2\n" for word in words))
    return place


def test_every_example_of_the_readme_runs(tmp_path_factory):
    """Shell and Python blocks run in order in one folder, as a reader would, on small files of the same names."""
    place = readme_place(tmp_path_factory)
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    ran = 0
    for language, code in re.findall(r"^```(sh|python)\n(.*?)^```$", text, flags=re.S | re.M):
        if re.search(r"^(pip install|git clone|make )", code, flags=re.M):
            continue  # setting up is what made this test run
        command = ["bash", "-ec", code] if language == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran >= 2


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_python_examples_of_the_docs_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), {"__name__": "__main__"})


def test_the_examples_run(tmp_path_factory):
    done = subprocess.run([sys.executable, ROOT / "examples" / "waves.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) > 0.9

    folder = tmp_path_factory.mktemp("examples") / "model"
    bothways.TextClassifier(**SMALL).fit(*toy_texts(60)).save(folder)
    text = "the film joy then gloom"
    command = [sys.executable, ROOT / "examples" / "onnx_alone.py", folder, text]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shares = [float(line.split("\t")[1]) for line in done.stdout.splitlines()]
    expected = bothways.load(folder).predict_proba([text])[0]
    assert shares == pytest.approx(expected.tolist(), abs=6e-4)

import csv
import json
import math
import re
from html.parser import HTMLParser
from statistics import mean, stdev

import pytest

from bothways.errors import DataError
from bothways.lab.comparing import take_place
from bothways.lab.entries import Entry, Question, Result, Scoring
from bothways.lab.report import shown, write_report
from bothways.lab.standings import COLUMNS, rows, standings, verdict

ACCURACY = Scoring("accuracy", "accuracy", "majority")
ERROR = Scoring("mean squared error", "mse", "last value", lower_is_better=True)


def result(cell="rnn", direction="both", seed=0, score=0.8, *, length=None, **more):
    facts = {
        "baselines": {"majority": 0.5, "linear": 0.7},
        "history": [{"epoch": 1, "accuracy": score - 0.1}, {"epoch": 2, "accuracy": score}],
        "best_epoch": 2, "parameters": 100, "seconds": 3.0, "steps_per_second": 1000.0, "predicted_per_second": 2000.0,
        "memory": 300.0, "trivial": "majority", "fresh_gradients": [1.0, 0.1], "gradients": [1.0, 0.9],
    }  # fmt: skip
    return Result(Entry(cell, direction, seed, length), score=score, **{**facts, **more})


def make_folder(folder, results, question):
    take_place(question, folder, force=False)
    for one in results:
        (folder / "runs" / f"{one.entry.name}.json").write_text(json.dumps(one.to_dict()))
    return folder


@pytest.fixture
def question(tmp_path):
    data = tmp_path / "<b>reviews & co.csv"
    data.write_text("text,label\n")
    return Question("classify", {}, data, reading={"text": "<script>alert(1)</script>", "label": None})


def test_a_standing_is_the_mean_and_deviation_over_seeds_and_the_best_comes_first():
    scores = {"rnn": [0.7, 0.8, 0.75], "gru": [0.9, 0.8, 0.86]}
    results = [result(cell, "both", seed, one) for cell, some in scores.items() for seed, one in enumerate(some)]
    found = standings(results, ACCURACY)
    assert [one.cell for one in found] == ["gru", "rnn"]
    for one in found:
        assert one.score == pytest.approx(mean(scores[one.cell]))
        assert one.deviation == pytest.approx(stdev(scores[one.cell]))
    assert [one.cell for one in standings(results, ERROR)] == ["rnn", "gru"]


def test_what_failed_stands_last_and_does_not_count_in_a_mean():
    results = [result("gru", seed=0), Result(Entry("gru", "both", 1), failed="no"),
               Result(Entry("lstm", "both", 0), failed="out of memory"), result("rnn", score=0.1)]  # fmt: skip
    found = standings(results, ACCURACY)
    assert [one.cell for one in found] == ["gru", "rnn", "lstm"]
    assert found[0].score == 0.8
    assert math.isnan(found[2].score)
    assert "lstm" not in " ".join(verdict(found, ACCURACY))


def test_a_score_that_was_lost_stands_behind_all_others_and_is_no_best_mean():
    results = [result("gru", score=math.nan), result("rnn", score=0.1)]
    for counted in (ACCURACY, ERROR):
        found = standings(results, counted)
        assert [one.cell for one in found] == ["rnn", "gru"]
        said = verdict(found, counted)
        assert f"The {counted.name} of gru both is no finite number: training went astray." in said
        assert any("rnn both has the best mean" in line for line in said)
        assert not any("nan" in line for line in verdict(standings(results[:1], counted), counted))


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_a_score_that_was_lost_among_seeds_leaves_the_others_their_report(tmp_path, question, lost):
    results = [
        result("gru", seed=0, score=lost), result("gru", seed=1, score=0.8),
        result("rnn", seed=0, score=0.7), result("rnn", seed=1, score=0.8),
    ]  # fmt: skip
    report = write_report(make_folder(tmp_path / "out", results, question))
    assert "The accuracy of gru both is no finite number: training went astray." in report.verdict
    shown_of = {row[0]: row[2] for row in shown(report)[1]}
    assert shown_of["rnn"] == f"0.7500 ± {stdev([0.7, 0.8]):.4f}"
    assert shown_of["gru"] == f"{lost:.4f}"
    of = {row["cell"]: row for row in csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines())}
    assert of["gru"]["deviation"] == ""
    assert float(of["rnn"]["deviation"]) == pytest.approx(stdev([0.7, 0.8]), abs=1e-6)


def test_a_pace_that_was_not_measured_is_no_part_of_the_mean():
    paces = [0.0, 900.0, 1_100.0]
    (found,) = standings([result(seed=seed, steps_per_second=pace) for seed, pace in enumerate(paces)], ACCURACY)
    assert found.pace == 1_000.0
    (found,) = standings([result(steps_per_second=0.0)], ACCURACY)
    assert rows([found], ACCURACY)[0][COLUMNS.index("steps/s training")] is None


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"gru": [0.90, 0.91], "rnn": [0.70, 0.71]}, "further from all others than a deviation"),
        ({"gru": [0.90, 0.80], "rnn": [0.83, 0.82]}, "not told apart from it: rnn both"),
        ({"gru": [0.90], "rnn": [0.70]}, "one seed nothing says how much of a difference is luck"),
    ],
)
def test_the_verdict_claims_no_more_than_the_seeds_allow(scores, words):
    results = [result(cell, "both", seed, one) for cell, some in scores.items() for seed, one in enumerate(some)]
    (said,) = verdict(standings(results, ACCURACY), ACCURACY)
    assert "gru both has the best mean accuracy" in said
    assert words in said


def test_a_baseline_that_wins_is_said_to_win_and_one_that_is_level_to_be_level():
    results = [result(score=0.65)]
    assert any("The linear baseline wins: 0.7000" in line for line in verdict(standings(results, ACCURACY), ACCURACY))
    level = [result(score=0.7)]
    assert any("The linear baseline is level" in line for line in verdict(standings(level, ACCURACY), ACCURACY))
    lower = verdict(standings([result(score=0.75)], ERROR), ERROR)
    assert any("The majority baseline wins: 0.5000" in line for line in lower)
    assert not [line for line in verdict(standings([result(score=0.4)], ERROR), ERROR) if "baseline" in line]


def test_each_length_of_a_problem_has_a_verdict_and_a_picture_by_length(tmp_path):
    results = [result(cell, "forward", 0, score, length=length, baselines={"trivial": 0.1})
               for cell, length, score in
               [("rnn", 5, 0.9), ("gru", 5, 0.8), ("rnn", 50, 0.1), ("gru", 50, 1.0)]]  # fmt: skip
    folder = make_folder(tmp_path / "out", results, Question("problem", {"problem": "first-token"}))
    report = write_report(folder)
    assert [line for line in report.verdict if "best mean" in line] == [
        "At length 5: rnn forward has the best mean accuracy, 0.9000; with one seed nothing says how much of a "
        "difference is luck.",
        "At length 50: gru forward has the best mean accuracy, 1.0000; with one seed nothing says how much of a "
        "difference is luck.",
    ]
    assert report.pictures[0].file == "length.png"


def test_what_shows_the_longest_sequences_alone_says_so(tmp_path):
    results = [result("gru", way, length=length, baselines={"trivial": 0.1})
               for way in ("backward", "both") for length in (5, 50)]  # fmt: skip
    folder = make_folder(tmp_path / "out", results, Question("problem", {"problem": "first-token"}))
    every, *longest = write_report(folder).pictures
    assert every.file == "length.png"
    assert len(longest) == 3
    for picture in longest:
        assert "at length 50" in picture.title
        assert "Only the longest sequences are in it, of length 50." in picture.caption
    alone = make_folder(tmp_path / "alone", results[1::2], Question("problem", {"problem": "first-token"}))
    assert not [one for one in write_report(alone).pictures if "length" in one.title or "longest" in one.caption]


@pytest.mark.parametrize(
    ("task", "settings", "directions", "words"),
    [
        ("problem", {}, ["forward"], "Distances are from the step at which reading ends."),
        ("problem", {}, ["backward"], "reading ends: the last one, or read backwards the first."),
        ("classify", {}, ["forward", "both"], "the far end of its line is where its reading from the right ends"),
        ("problem", {"problem": "copy"}, ["backward", "both"], "Distances are from the last step."),
        ("tag", {}, ["backward", "both"], "Distances are from a sentence's middle word, before it and behind it."),
    ],
)
def test_the_picture_of_gradients_says_from_where_it_measures(tmp_path, task, settings, directions, words):
    folder = make_folder(tmp_path / "out", [result("gru", way) for way in directions], Question(task, settings))
    assert words in next(one for one in write_report(folder).pictures if one.file == "gradients.png").caption


class Page(HTMLParser):
    """What a browser would find in a page: tags with their attributes, and texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_escapes_what_users_wrote_and_loads_nothing(tmp_path, question):
    bad = result(notes=["<img src=http://example.org/x>"])
    failed = Result(Entry("gru", "both", 0), failed="<script>alert(2)</script>")
    page = Page(write_report(make_folder(tmp_path / "out", [bad, failed], question)).path.read_text())
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]
    sources = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    texts = " ".join(page.texts)
    for written in ("<script>alert(1)</script>", "<script>alert(2)</script>", "<b>reviews & co", "<img src=http"):
        assert written in texts


def test_table_and_page_show_the_same_figures(tmp_path, question):
    results = [result("rnn", seed=seed, score=score, test=score - 0.1) for seed, score in enumerate([0.7, 0.8])]
    report = write_report(make_folder(tmp_path / "out", results, question))
    (row,) = csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines())
    assert float(row["score"]) == pytest.approx(0.75)
    assert float(row["deviation"]) == pytest.approx(stdev([0.7, 0.8]), abs=1e-6)
    assert float(row["test"]) == pytest.approx(0.65)
    assert float(row["trivial"]) == 0.5
    header, rows = shown(report)
    text = report.path.read_text()
    for name, value in zip(header, rows[0], strict=True):
        assert name in text
        assert value in text
    assert rows[0][2] == f"0.7500 ± {stdev([0.7, 0.8]):.4f}"
    assert [line[:2] for line in rows[1:]] == [["majority", "baseline"], ["linear", "baseline"]]


def test_the_baselines_of_seeds_that_held_out_other_rows_are_their_mean(tmp_path, question):
    results = [result(cell, seed=seed, baselines={"majority": share})
               for cell in ("rnn", "gru") for seed, share in enumerate([0.5, 0.6])]  # fmt: skip
    _, rows = shown(write_report(make_folder(tmp_path / "out", results, question)))
    assert rows[-1][:3] == ["majority", "baseline", "0.5500"]


def test_a_report_of_failures_alone_has_their_reasons_and_no_picture(tmp_path, question):
    results = [Result(Entry("rnn", "both", seed), failed=f"reason {seed}") for seed in range(2)]
    report = write_report(make_folder(tmp_path / "out", results, question))
    assert not report.pictures
    assert "seed 0: reason 0; seed 1: reason 1" in report.path.read_text()


def test_a_folder_without_a_comparison_or_without_a_result_is_refused(tmp_path, question):
    with pytest.raises(DataError, match="holds no comparison"):
        write_report(tmp_path)
    with pytest.raises(DataError, match="holds no network that is done"):
        write_report(make_folder(tmp_path / "out", [], question))


def test_numbers_of_the_page_are_no_longer_than_people_read(tmp_path, question):
    report = write_report(make_folder(tmp_path / "out", [result(score=1 / 3)], question))
    assert not re.findall(r"\d\.\d{5,}", re.sub(r"base64,[^\"]*", "", report.path.read_text()))

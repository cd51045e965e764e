"""The report of a comparison: a table, what may be said of it, and pictures, in one page that opens without a network.

Whatever comes from users, such as names of files and columns, is escaped; the page loads nothing.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, replace
from datetime import date
from html import escape
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from bothways.errors import DataError, OutputError, counted
from bothways.lab.comparing import ASKED, PAGE, PICTURES, TABLE, read_results
from bothways.lab.entries import Question, scoring
from bothways.lab.pictures import (
    Cost,
    Curve,
    Picture,
    Point,
    draw_by_distance,
    draw_comparison_curves,
    draw_cost,
    draw_gradient_norms,
)
from bothways.lab.standings import Standing, deviation_of, mean_baselines, standings, verdict, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bothways.lab.entries import Result, Scoring

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #888; font-weight: 600; }
td:first-child, td:nth-child(2), th:first-child, th:nth-child(2), td.reason { text-align: left; }
td.reason { white-space: normal; color: #a02020; }
tr.baseline td { color: #555; font-style: italic; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #444; max-width: 48rem; }
code { background: #f3f3f3; padding: .1rem .3rem; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1.2rem; }
"""


@dataclass(frozen=True)
class Report:
    """What a comparison found, and where its page stands."""

    path: Path
    question: Question
    scoring: Scoring
    standings: list[Standing]
    verdict: list[str]
    pictures: list[Picture]


def write_report(folder: Path) -> Report:
    """Write table.csv, the pictures and report.html of a comparison's folder, from what its runs left there.

    Raises:
        DataError: the folder holds no comparison, or no network of it is done.
        OutputError: the folder cannot be written.
    """
    try:
        question = Question.from_dict(json.loads((folder / ASKED).read_text(encoding="utf-8"))["question"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} holds no comparison. Make one with 'bothways compare'.") from error
    results = read_results(folder)
    if not results:
        raise DataError(f"{folder} holds no network that is done. Run the same 'bothways compare' again.")
    counted = scoring(results)
    found = standings(results, counted)
    said = verdict(found, counted)
    try:
        write_table(found, counted, folder / TABLE)
        (folder / PICTURES).mkdir(exist_ok=True)
        pictures = draw(results, counted, folder / PICTURES, question)
        report = Report(folder / PAGE, question, counted, found, said, pictures)
        aside = folder / f".{PAGE}.new"
        aside.write_text(page(report), encoding="utf-8")
        aside.replace(folder / PAGE)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return report


def draw(results: Sequence[Result], scoring: Scoring, folder: Path, question: Question) -> list[Picture]:
    """Draw what the results have to show; of a problem of several lengths all but one picture are of the longest.

    Where all were trained for the same time, the cost is that of prediction.
    """
    same_time = question.minutes is not None
    done = [one for one in results if one.failed is None]
    if not done:
        return []
    pictures = []
    lengths = {one.entry.length for one in done if one.entry.length is not None}
    if len(lengths) > 1:
        points = [_point(one) for one in done]
        trivial = {(float(one.entry.length or 0), _trivial(one, scoring)) for one in done}
        levels = sorted((length, level) for length, level in trivial if level is not None)
        pictures.append(
            draw_by_distance(
                points, folder / "length.png", metric=scoring.name, distance="length (steps)",
                baselines={"trivial": levels},
            )
        )  # fmt: skip
    longest = max(lengths, default=None)
    done = [one for one in done if one.entry.length == longest]
    at = f" at length {longest}" if len(lengths) > 1 else ""
    metric = f"{scoring.name}{at}"
    lines = {name: score for name, score in mean_baselines(done).items() if name in (scoring.trivial, "linear", "hmm")}
    pictures.append(
        draw_comparison_curves(
            [_curve(one, [row.get(scoring.column) for row in one.history]) for one in done],
            folder / "curves.png", metric=metric, baselines=lines,
        )
    )  # fmt: skip
    costs = [
        Cost(
            one.entry.cell, one.entry.direction, one.entry.seed,
            1e6 / one.predicted_per_second if same_time and one.predicted_per_second else one.seconds,
            _finite(one.score),
        )
        for one in done
    ]  # fmt: skip
    pictures.append(
        draw_cost(
            costs, folder / "cost.png", metric=metric, baselines=lines,
            cost="prediction (seconds for a million steps)" if same_time else "training (seconds)",
            higher_is_better=not scoring.lower_is_better,
        )
    )  # fmt: skip
    traced = [one for one in done if one.gradients]
    if traced:
        pictures.append(_draw_gradients(traced, folder / "gradients.png", f"norm of the gradient{at}", question))
    if not at:
        return pictures
    only = f"Only the longest sequences are in it, of length {longest}."
    return [pictures[0], *(_noted(picture, only) for picture in pictures[1:])]


def _draw_gradients(traced: Sequence[Result], path: Path, metric: str, question: Question) -> Picture:
    picture = draw_gradient_norms(
        [_curve(one, one.fresh_gradients) for one in traced], [_curve(one, one.gradients) for one in traced],
        path, metric=metric,
    )  # fmt: skip
    return _noted(picture, _measured_from(question, {one.entry.direction for one in traced}))


def _noted(picture: Picture, sentence: str) -> Picture:
    return replace(picture, caption=f"{picture.caption} {sentence}")


def _measured_from(question: Question, directions: set[str]) -> str:
    """Say from where the distances of gradients are measured."""
    if question.task == "tag":
        return "Distances are from a sentence's middle word, before it and behind it."
    if question.settings.get("problem") == "copy":  # which asks for an answer at each of the last steps
        return "Distances are from the last step."
    said = "Distances are from the step at which reading ends"
    if "backward" in directions:
        said += ": the last one, or read backwards the first"
    if "both" in directions:
        said += (
            "; of a network that reads both ways from the last, so that the far end of its line is where its reading "
            "from the right ends: a line that falls and rises again there vanishes from both ends"
        )
    return f"{said}."


def page(report: Report) -> str:
    """The whole page as HTML; pictures are in it."""
    question = report.question
    asked = "what networks remember" if question.task == "problem" else f"networks that {question.task}"
    subject = question.name or question.data
    if question.task == "problem":
        subject = question.settings.get("problem", "first-token")
    parts = [
        f"<h1>Compared: {escape(asked)}</h1>",
        f"<p>{escape(str(subject))}. {escape(_conditions(report))} {date.today().isoformat()}.</p>",
        *(f"<p><strong>{escape(line)}</strong></p>" for line in report.verdict),
        "<h2>Table</h2>",
        f'<div class="wide">{_table(report)}</div>',
        f"<p>{escape(_how_to_read(report))}</p>",
    ]
    for picture in report.pictures:
        content = base64.b64encode((report.path.parent / PICTURES / picture.file).read_bytes()).decode()
        parts += [
            f"<h2>{escape(picture.title[:1].upper() + picture.title[1:])}</h2>",
            f'<figure><img alt="{escape(picture.title)}" src="data:image/png;base64,{content}">'
            f"<figcaption>{escape(picture.caption)}</figcaption></figure>",
        ]
    parts += ["<h2>Settings</h2>", _settings(question), *_notes(report)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>bothways: {escape(asked)} compared</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def shown(report: Report) -> tuple[list[str], list[list[str]]]:
    """The table for people: its header and its rows as text, the baselines below each length's networks."""
    tested = any(one.tests for one in report.standings)
    lengths = any(one.length is not None for one in report.standings)
    failed = any(one.failed for one in report.standings)
    header = [
        "cell", "direction", *(["length"] if lengths else []), report.scoring.name, *(["test"] if tested else []),
        "parameters", "steps/s train", "steps/s predict", "MiB", "seconds", "best epoch",
        *(["failed"] if failed else []),
    ]  # fmt: skip
    table = []
    for length in dict.fromkeys(one.length for one in report.standings):
        some = [one for one in report.standings if one.length == length]
        at = [] if not lengths else [str(length)]
        for one in some:
            figures = [
                f"{one.results[0].parameters:,}", "" if math.isnan(one.pace) else f"{one.pace:,.0f}",
                f"{one.mean('predicted_per_second'):,.0f}", "" if one.memory is None else f"{one.memory:,.0f}",
                f"{one.mean('seconds'):,.0f}", f"{one.mean('best_epoch'):.1f}",
            ] if one.results else [""] * 6  # fmt: skip
            table.append([
                one.cell, one.direction, *at, _spread(one.scores),
                *([_spread(one.tests)] if tested else []), *figures, *([one.reasons] if failed else []),
            ])  # fmt: skip
        for name, score in mean_baselines([result for one in some for result in one.results]).items():
            rest = [""] * (len(header) - 3 - len(at))
            table.append([name, "baseline", *at, f"{score:.4f}", *rest])
    return header, table


def _table(report: Report) -> str:
    header, rows = shown(report)
    cells = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = [f"<table><thead><tr>{cells}</tr></thead><tbody>"]
    for row in rows:
        kind = ' class="baseline"' if row[1] == "baseline" else ""
        values = "".join(
            f'<td class="reason">{escape(value)}</td>' if name == "failed" else f"<td>{escape(value)}</td>"
            for name, value in zip(header, row, strict=True)
        )
        lines.append(f"<tr{kind}>{values}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _conditions(report: Report) -> str:
    """Under which conditions all were trained, in words."""
    question = report.question
    seeds = max((len(one.results) + len(one.failed) for one in report.standings), default=0)
    each = "the same number of epochs at most, unless patience ends a training"
    if question.minutes is not None:
        early = ", unless patience ends one" if "patience" in question.settings else ""
        each = f"{question.minutes:g} minutes of training each{early}"
    return f"{counted(seeds, 'training')} of each cell and direction, {each}."


def _how_to_read(report: Report) -> str:
    """What the figures of the table are."""
    where = "validation data, which also chose each network's best epoch: expect slightly less on new data"
    if report.question.task == "problem":
        where = "sequences that were used for nothing else"
    better = "lower is better" if report.scoring.lower_is_better else "higher is better"
    return (
        f"{report.scoring.name.capitalize()} is of {where}; {better}; after ± stands one standard deviation over "
        "seeds, each of which has weights, an order of batches and, if no validation file is given, held-out rows of "
        "its own. Steps are tokens, words or times. MiB is the most that a network's whole process held, seconds are "
        "those of training with validation."
    )


def _settings(question: Question) -> str:
    """What was asked that is not the default, as a list."""
    facts: dict[str, Any] = {
        "data": question.name or question.data, "validation": question.validation, "test": question.test,
        **question.reading, **question.settings,
    }  # fmt: skip
    given = {name: value for name, value in facts.items() if value is not None}
    if not given:
        return "<p>All settings are the defaults.</p>"
    items = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in given.items())
    return f"<dl>{items}</dl><p>All other settings are the defaults.</p>"


def _notes(report: Report) -> list[str]:
    """What was said while the data was read, each once."""
    said = dict.fromkeys(note for one in report.standings for result in one.results for note in result.notes)
    if not said:
        return []
    return ["<h2>Notes</h2>", "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in said) + "</ul>"]


def _trivial(result: Result, scoring: Scoring) -> float | None:
    return result.baselines.get(scoring.trivial or "")


def _curve(result: Result, values: Sequence[float | None]) -> Curve:
    return Curve(result.entry.cell, result.entry.direction, result.entry.seed, values)


def _point(result: Result) -> Point:
    entry = result.entry
    return Point(entry.cell, entry.direction, entry.seed, float(entry.length or 0), _finite(result.score))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _spread(scores: Sequence[float]) -> str:
    """Mean and deviation for people; the mean alone where there is no deviation, nothing of no scores."""
    if not scores:
        return ""
    score, deviation = mean(scores), deviation_of(scores)
    return f"{score:.4f}" if deviation is None or math.isnan(deviation) else f"{score:.4f} ± {deviation:.4f}"

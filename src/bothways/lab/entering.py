"""One network of a comparison in a process of its own: its memory is its own, and its end no one else's.

The process reads what to do from standard input as one JSON object, and says how it goes on standard output, a JSON
object a line: {"began": true} when training begins, {"share": 0.25}, {"epoch": {...}}. The result is written to a file,
as one piece. It ends with 0; with 1 and {"refused": "..."} where the data or the settings cannot be used, or with
{"failed": "..."} and a traceback in its folder at a fault of ours; and with 130 after Ctrl-C.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from bothways.bundle import finite, write_json
from bothways.errors import BothwaysError, Interrupted, ResumeError
from bothways.lab.entries import Entry, Question
from bothways.training.listening import Silence

TRACEBACK = "traceback.txt"

_PAUSE = 0.1  # seconds between two lines on how far it is


class Speaker(Silence):
    """Say on a stream how a training goes; when nobody listens any more, the training ends."""

    def __init__(self, stream: IO[str], *, minutes: float | None) -> None:
        self._stream = stream
        self._minutes = minutes
        self._epochs = 1
        self._began = self._said = 0.0

    def say(self, **facts: Any) -> None:
        """Write one line."""
        print(json.dumps(facts), file=self._stream, flush=True)

    def started(self, *, epochs: int, done: int) -> None:
        """Say that all that could be refused was taken."""
        self._epochs, self._began = epochs, time.monotonic()
        self.say(began=True)

    def stepped(self, *, epoch: int, batch: int, batches: int, steps: int) -> None:
        """Say how far it is, a few times a second."""
        now = time.monotonic()
        if now - self._said >= _PAUSE:
            self._said = now
            share = (epoch - 1 + batch / batches) / self._epochs
            if self._minutes is not None:
                share = max(share, (now - self._began) / (60 * self._minutes))
            self.say(share=min(1.0, share))

    def epoch_ended(self, row: dict[str, float], *, best: bool) -> None:
        """Say what an epoch scored."""
        self.say(epoch=row)


def main() -> int:
    """Train what standard input asks for."""
    # Whatever a library prints must not come between our lines.
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    question, entry = Question.from_dict(asked["question"]), Entry(**asked["entry"])
    folder, out = Path(asked["folder"]), Path(asked["out"])
    speaker = Speaker(stream, minutes=question.minutes)
    try:
        from bothways.lab.contests import enter

        found = asked["baselines"]
        try:
            result = enter(question, entry, folder, speaker, baselines=found)
        except ResumeError:
            # Damaged, or of another version of the package: nothing to go on from.
            shutil.rmtree(folder)
            folder.mkdir()
            result = enter(question, entry, folder, speaker, baselines=found)
        aside = out.with_name(out.name + ".new")
        write_json(aside, finite(result.to_dict()))
        aside.replace(out)
    except (Interrupted, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        return 1
    except BothwaysError as error:
        speaker.say(refused=str(error))
        return 1
    except Exception as error:
        with suppress(OSError):  # the disk may be what is full
            (folder / TRACEBACK).write_text(traceback.format_exc(), encoding="utf-8")
        speaker.say(failed=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

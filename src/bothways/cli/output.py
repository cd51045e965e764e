"""Standard output: JSON that every encoding can carry, and a fault in writing told in one line."""

import json
import sys
from typing import Any


def print_json(content: Any) -> None:
    """Print a value as one line of JSON, with escapes only where standard output cannot show a character."""
    text = json.dumps(content, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(content)
    print(text)


def output_fault() -> OSError | None:
    """Send what was printed on its way; give the fault if that fails, and keep the interpreter from trying again."""
    if sys.stdout is None:
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = None
        return error
    return None

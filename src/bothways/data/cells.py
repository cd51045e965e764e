"""One value of a table: its kind, and its one spelling as text.

The same value is spelt the same from every format, so that a model trained on one file meets its labels in another:
true and false in lower case, whole numbers without a point (1.0 is "1", as pandas writes whole numbers beside missing
ones), other numbers by the shortest digits that give them back. A missing value, and NaN, has no spelling.
"""

from __future__ import annotations

import math
from typing import Literal

Value = str | int | float | bool | None
Kind = Literal["string", "integer", "float", "boolean", "null", "list", "object", "other"]

_KINDS: dict[type, Kind] = {
    str: "string",
    int: "integer",
    float: "float",
    bool: "boolean",
    type(None): "null",
    list: "list",
    dict: "object",
}

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
# Above this, neighbouring whole numbers are no longer told apart by a float.
_LARGEST_WHOLE = 2.0**53


def kind_of(value: object) -> Kind:
    """Name the kind of a value of JSON: NaN is null, and a whole number that 64 bits cannot hold is other."""
    if isinstance(value, float) and math.isnan(value):
        return "null"
    if isinstance(value, int) and not _SMALLEST <= value <= _LARGEST:
        return "other"
    return _KINDS[type(value)]


def spell(value: Value) -> str | None:
    """Write one value as text; None for a missing value and for NaN."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return None
    return str(int(value)) if abs(value) <= _LARGEST_WHOLE and value.is_integer() else repr(value)

"""Foreign text on a terminal or in a log: it can neither move the cursor nor forge a line."""

import json
from typing import Any


def escape_controls(text: str) -> str:
    """The text with everything that is not printable (control, format and separator characters) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that reads well and holds no control or format character; what JSON does not know is its `str`."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    # Outside of its strings JSON has printable characters and line ends only, so what is replaced is in a string.
    return "\n".join(
        line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
        for line in text.split("\n")
    )

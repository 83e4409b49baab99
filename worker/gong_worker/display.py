"""Foreign text on a terminal or in a log: it can neither move the cursor, nor forge a line, nor name a person."""

import hashlib
import json
import re
from typing import Any

from gong_worker.domain.keyed_hash import keyed_hash

# No space and no @: neither a name of several words nor an address is an id.
_LIKE_AN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/|~+=#-]{0,127}")

# Made once: every line of a JSON log is written with it.
_ON_ONE_LINE = json.JSONEncoder(ensure_ascii=False, default=str)


def foreign_id(text: str, hash_key: bytes | None = None) -> str:
    """An id that somebody else chose, if it looks like one (length, characters); else a digest of it.

    The digest is the same each time, so lines of one event are still found together. Made with a key, it confirms no
    guess to whoever lacks the key.
    """
    if _LIKE_AN_ID.fullmatch(text):
        return text
    if hash_key is not None:
        return keyed_hash(hash_key, text.encode(errors="surrogatepass"))
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:16]}"


def escape_controls(text: str) -> str:
    """The text with everything that is not printable (control, format and separator characters) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that reads well and holds no control or format character; what JSON does not know is its `str`."""
    if indent is None:
        text = _ON_ONE_LINE.encode(value)
        if text.isprintable():
            return text
    else:
        text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    # Outside of its strings JSON has printable characters and line ends only, so what is replaced is in a string.
    return "\n".join(
        line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
        for line in text.split("\n")
    )

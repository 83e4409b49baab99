"""What a text may say once an encoding is taken off it: how a person is found in a URL, in quoted JSON, in HTML."""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote, unquote_plus

_Decoder = Callable[[str], str]
#: One encoding in another, such as JSON with a URL in it; a third one is not taken off.
LAYERS: Final = 2

# As JSON, and Python's repr, write a character; any other one behind a backslash stands for itself.
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_LETTERS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def readings(text: str) -> Iterator[str]:
    """The text, and whatever it says with up to LAYERS encodings taken off, each once."""
    seen = {text}
    layer: list[tuple[str, _Decoder | None]] = [(text, None)]
    yield text
    for _ in range(LAYERS):
        decoded = [
            (decode(one), decode)
            for one, before in layer
            for mark, decode in _DECODERS
            # A + that was encoded is a +.
            if mark in one and not (decode is _query and before is unquote)
        ]
        layer = []
        for one, decode in decoded:
            if one not in seen:
                seen.add(one)
                layer.append((one, decode))
                yield one


def marks(name: str) -> tuple[str, ...]:
    """A text of ASCII that quotes this name of ASCII has one of these, whatever its case."""
    return (name, "%", "\\", "&", *(("+",) if " " in name else ()))


def folded(text: str) -> str:
    """The same for a text in whatever case, its accents in one character with their letter or in one of their own."""
    if text.isascii():
        return text.lower()
    return composed(unicodedata.normalize("NFD", text).casefold())


def composed(text: str) -> str:
    """The same for a text whose accents are in one character with their letter or in one of their own."""
    return unicodedata.normalize("NFC", text)


def _unescaped(text: str) -> str:
    found = _ESCAPE.sub(_character, text)
    # A character beyond the first 65,536 is two escapes in JSON.
    return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if digits is None:
        return _LETTERS.get(match[4], match[4])
    code = int(digits, 16)
    return chr(code) if code <= 0x10FFFF else match[0]


def _query(text: str) -> str:
    """In the query of a URL a + is a space."""
    return unquote_plus(text) if "://" in text and "?" in text else text


#: Each with a character without which there is nothing to take off.
_DECODERS: Final[tuple[tuple[str, _Decoder], ...]] = (
    ("%", unquote),
    ("+", _query),
    ("\\", _unescaped),
    ("&", html.unescape),
)

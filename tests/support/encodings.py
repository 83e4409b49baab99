"""Addresses, and the forms and encodings in which docs/privacy.md says that they are found."""

import html
import json
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import strategies as st

from gong_worker.domain.readings import LAYERS

Encoding = Callable[[str], str]

FORMS: dict[str, Encoding] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "accents in one character": lambda text: unicodedata.normalize("NFC", text),
    "accents apart": lambda text: unicodedata.normalize("NFD", text),
}
ENCODINGS: dict[str, Encoding] = {
    "percent": lambda text: quote(text, safe=""),
    "percent in lower case": lambda text: "".join(
        f"%{byte:02x}" if byte > 127 or chr(byte) in "@+%\"'&" else chr(byte) for byte in text.encode()
    ),
    "percent for all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON for all": lambda text: "".join(f"\\u{unit:04x}" for unit in _units(text)),
    "repr": lambda text: "".join(f"\\x{ord(one):02x}" if ord(one) < 256 else one for one in text),
    "HTML": html.escape,
    "HTML, decimal": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(one):X};" for one in text),
}
"""Those that docs/privacy.md names."""

_DOMAIN = st.sampled_from(["example.com", "Müller.example", "xn--bcher-kva.example", "пример.example"])


def _units(text: str) -> list[int]:
    """As JSON counts them."""
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2)]


@st.composite
def addresses(draw: st.DrawFn, letters: str = "aZ09éßüДяж名𝒜'+&\"%._-") -> str:
    """Addresses with what encodings change; within a text they stand between < and >."""
    local = draw(st.text(letters, min_size=1, max_size=8))
    return f"{local}@{draw(_DOMAIN)}"


@st.composite
def encoded(draw: st.DrawFn, address: str) -> str:
    """An address in whatever form, in up to two encodings."""
    forms = draw(st.lists(st.sampled_from(sorted(FORMS)), max_size=2))
    layers = draw(st.lists(st.sampled_from(sorted(ENCODINGS)), max_size=LAYERS))
    for change in [*(FORMS[name] for name in forms), *(ENCODINGS[name] for name in layers)]:
        address = change(address)
    return address

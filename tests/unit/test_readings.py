"""In which encodings a person is found in a text."""

import html
import json
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from gong_worker.domain.person import Person
from gong_worker.domain.readings import LAYERS, readings

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


@given(st.data())
def test_an_address_is_found_in_every_encoding(data: st.DataObject) -> None:
    """In each form and each encoding that docs/privacy.md names, and in each of them within another one."""
    address = data.draw(addresses())
    text = data.draw(encoded(address))
    assert Person(address).in_text(f"no answer for <{text}>"), text


@given(st.data())
def test_another_address_is_not_found(data: st.DataObject) -> None:
    """In no form and no encoding is a person found where another one is quoted."""
    address, other = (data.draw(addresses("aZ09éü名𝒜+._-")) for _ in range(2))
    if Person(address).normalized != Person(other).normalized:
        assert not Person(address).in_text(f"<{data.draw(encoded(other))}>")


@given(st.text(alphabet="%&\\+;#xu04@a?/:"))
def test_any_text_is_read(text: str) -> None:
    """Broken encodings are no error; a text is its own first reading, and none comes twice."""
    found = list(readings(text))
    assert found[0] == text and len(found) == len(set(found))


def test_a_space_in_a_query_is_a_plus() -> None:
    """An encoded address behind one is found, as `quote_plus` writes it."""
    query = quote_plus("mail someone@example.com")
    assert Person("someone@example.com").in_text(f"https://portal.example/?q={query}")


def test_a_third_layer_is_not_taken_off() -> None:
    """What is not looked for, as docs/privacy.md says."""
    text = quote(quote(quote("someone@example.com", safe=""), safe=""), safe="")
    assert not Person("someone@example.com").in_text(text)

"""Texts and times are stored exactly, on whatever database."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gong_worker.ledger.columns import MAX_KEY_BYTES, bounded, escape, json_text, unescape

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_escaping_is_lossless(text: str) -> None:
    """Any string comes back, and what is stored has no NUL and is valid UTF-8."""
    stored = escape(text)
    assert unescape(stored) == text
    assert "\x00" not in stored
    assert stored.encode().decode() == stored


@pytest.mark.parametrize("text", ["plain", "C:\\new\\0", "😀 é", "\\u0000"])
def test_ordinary_text_is_stored_as_it_is(text: str) -> None:
    """Dashboards read what was sent."""
    assert escape(text) == bounded(text) == text


@given(ANY_TEXT, st.integers(0, 3000))
def test_keys_fit_the_index(text: str, times: int) -> None:
    """However long, a key is short enough to be indexed, and shortening it again changes nothing."""
    key = bounded(text * times)
    assert len(escape(key).encode()) <= MAX_KEY_BYTES
    assert bounded(key) == key


@given(
    st.recursive(
        ANY_TEXT | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)
    )
)
def test_json_is_stored_exactly(value: object) -> None:
    """Payloads with NUL, lone surrogates or big numbers come back as they were."""
    text = json_text(value)
    assert json.loads(text) == value
    assert "\x00" not in text
    assert text.encode().decode() == text


def test_json_stays_readable() -> None:
    """Ordinary text is not turned into escapes."""
    assert json_text({"title": "Größe 😀"}) == '{"title":"Größe 😀"}'

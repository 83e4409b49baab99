"""In which encodings a person is found in a text."""

from collections.abc import Callable
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from gong_worker.domain.person import Person
from gong_worker.domain.readings import marks, readings
from tests.support.encodings import addresses, encoded


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


@given(st.text(alphabet="ab +", min_size=1).filter(str.strip), st.sampled_from([quote, quote_plus]))
def test_a_mark_tells_which_texts_to_read(name: str, encode: Callable[[str], str]) -> None:
    """The ledger is searched for the name and for these alone: no text that has the person may be without them."""
    text = f"https://portal.example/?q={encode(name)}"
    if Person(tracking_id=name).in_text(text):
        assert any(mark in text for mark in marks(name))


def test_a_third_layer_is_not_taken_off() -> None:
    """What is not looked for, as docs/privacy.md says."""
    text = quote(quote(quote("someone@example.com", safe=""), safe=""), safe="")
    assert not Person("someone@example.com").in_text(text)

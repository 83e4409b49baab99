"""Reading Retry-After."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gong_worker.domain.retry_after import MAX_SECONDS, parse_retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.text(max_size=40), st.text(max_size=40) | st.none())
def test_any_text_is_none_or_within_bounds(value, date):
    """Whatever a server sends, the wait is None or between a second and 86,700 s, never an exception."""
    seconds = parse_retry_after(value, date)
    assert seconds is None or 1 <= seconds <= MAX_SECONDS


@pytest.mark.parametrize("value", [None, "", "0", "-5", "1_0", "٣", "1.5", "1e3", "soon", "+7", "0x10"])
def test_what_is_no_positive_whole_number_is_nothing(value):
    """Only ASCII digits are seconds; zero and garbage leave the wait to our own backoff."""
    assert parse_retry_after(value, None) is None


@given(st.integers(1, 10**30))
def test_seconds_are_clamped(seconds):
    """A number of seconds is taken as it is, up to the ceiling."""
    assert parse_retry_after(f" {seconds} ", None) == min(seconds, MAX_SECONDS)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_a_date_counts_from_the_servers_clock(wait, clock_error):
    """An HTTP date means the same wait however wrong the server's clock is."""
    date = NOW + timedelta(seconds=clock_error)
    header = format_datetime(date + timedelta(seconds=wait), usegmt=True)
    expected = None if wait <= 0 else min(wait, MAX_SECONDS)
    assert parse_retry_after(header, format_datetime(date, usegmt=True)) == expected


def test_a_date_without_the_servers_date_is_nothing():
    """Without a Date header nobody knows how long it is until then."""
    assert parse_retry_after(format_datetime(NOW, usegmt=True), None) is None

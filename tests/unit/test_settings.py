"""Settings of the application: defaults, contradictions, secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gong_views.errors import SettingsError
from gong_worker.settings import LONGEST_HOLD_SECONDS, WorkerSettings


def load(**variables: object) -> WorkerSettings:
    return WorkerSettings.load(_env_file=None, **variables)


@given(st.floats(1.6, 3600))
def test_any_visibility_timeout_has_a_request_timeout_that_fits(visibility: float) -> None:
    """Left unset, the request timeout never contradicts the visibility timeout, and is never above 10 s."""
    settings = load(GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS=visibility)
    assert settings.request_timeout_seconds <= 10
    assert settings.request_timeout_seconds + LONGEST_HOLD_SECONDS < visibility


def test_two_timeouts_that_contradict_are_refused() -> None:
    """A call that could outlast its message's visibility stops the start, and both variables are named."""
    with pytest.raises(SettingsError) as caught:
        load(GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS=10, GONG_VIEWS_REQUEST_TIMEOUT_SECONDS=30)
    assert "GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS" in str(caught.value)
    assert "GONG_VIEWS_REQUEST_TIMEOUT_SECONDS" in str(caught.value)


def test_each_wrong_variable_is_named_at_once() -> None:
    """Two wrong settings are two lines: nobody has to start three times to learn of them."""
    with pytest.raises(SettingsError) as caught:
        load(GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS="soon", GONG_VIEWS_MAX_ATTEMPTS=0)
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "GONG_VIEWS_MAX_ATTEMPTS",
        "GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS",
    ]


def test_secrets_are_not_shown() -> None:
    """Neither the repr nor the masked settings hold a secret; the fingerprint tells credentials apart."""
    one = load(GONG_BEARER_TOKEN="tok-en-one", REDIS_URL="redis://:hush@localhost/0")
    other = load(GONG_BEARER_TOKEN="tok-en-two")
    shown = repr(one) + str(one.masked())
    assert "tok-en" not in shown
    assert "hush" not in shown
    assert one.credential_fingerprint != other.credential_fingerprint

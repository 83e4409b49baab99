"""The outcome table and the backoff."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gong_worker.domain.outcomes import (
    OUTCOME_NAMES,
    AlreadyReported,
    Ambiguous,
    Delivered,
    Misconfigured,
    Rejected,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from gong_worker.domain.policy import Complete, DeadLetterEvent, Requeue, Retry, RetryPolicy, decide

POLICY = RetryPolicy(max_attempts=8, base_seconds=5, max_seconds=900)

outcomes = st.one_of(
    st.builds(Delivered, st.sampled_from([200, 201, 204])),
    st.builds(AlreadyReported),
    st.builds(Rejected, st.sampled_from([400, 413, 415, 422])),
    st.builds(Throttled),
    st.builds(Unauthorized, st.sampled_from([401, 403])),
    st.builds(Misconfigured, st.sampled_from([301, 404, 405])),
    st.builds(ServerError, st.sampled_from([408, 500, 503])),
    st.builds(Unreachable, st.just("ConnectError")),
    st.builds(Ambiguous, st.just("ReadTimeout")),
)


@given(outcomes, st.integers(0, 100), st.floats(0, 0.999))
def test_only_gong_having_the_event_settles_it(outcome, spent, jitter):
    """An event counts as delivered only after Gong's own 2xx or a 409."""
    decision = decide(outcome, spent, POLICY, lambda: jitter)
    assert isinstance(decision, Complete) == isinstance(outcome, Delivered | AlreadyReported)


@given(outcomes, st.integers(0, 6))
def test_only_the_events_own_fault_or_spent_attempts_bury_it(outcome, spent):
    """A refused event dies at once; one that Gong could not answer lives while it has attempts left."""
    decision = decide(outcome, spent, POLICY, lambda: 0.0)
    assert isinstance(decision, DeadLetterEvent) == isinstance(outcome, Rejected)


@pytest.mark.parametrize("outcome", [ServerError(500), Ambiguous("ReadTimeout")])
def test_the_last_attempt_buries_as_exhausted(outcome):
    """After max_attempts spent attempts an event becomes a dead letter `exhausted`, not earlier."""
    assert isinstance(decide(outcome, 6, POLICY, lambda: 0.0), Retry)
    decision = decide(outcome, 7, POLICY, lambda: 0.0)
    assert isinstance(decision, DeadLetterEvent)
    assert decision.reason == "exhausted"


@given(st.integers(0, 1000))
def test_a_held_pipeline_costs_the_event_nothing(spent):
    """A 429 gives the event back and spends no attempt, however often it happens."""
    assert decide(Throttled(), spent, POLICY, lambda: 0.0) == Requeue()


@given(st.sampled_from([Unauthorized(401), Misconfigured(404)]), st.integers(0, 1000))
def test_a_refusal_of_all_spends_nothing_but_is_not_first_again(outcome, spent):
    """Refused as all others are, an event spends no attempt, and waits so that others go before it."""
    decision = decide(outcome, spent, POLICY, lambda: 0.0)
    assert isinstance(decision, Retry)
    assert (decision.spent, decision.delay_seconds > 0) == (False, True)


@pytest.mark.parametrize("outcome", [Unauthorized(403, errors=("blocked",)), Misconfigured(404)])
def test_refused_alone_spends_attempts_and_ends_as_refused(outcome):
    """Refused while others succeed, an event has its attempts, then is a dead letter with the status code told."""
    for spent in range(7):
        decision = decide(outcome, spent, POLICY, lambda: 0.0, own_fault=True)
        assert isinstance(decision, Retry)
        assert decision.spent
    decision = decide(outcome, 7, POLICY, lambda: 0.0, own_fault=True)
    assert isinstance(decision, DeadLetterEvent)
    assert decision.reason == "refused"
    assert f"HTTP {outcome.http_status}" in decision.errors[0]
    assert decision.errors[1:] == getattr(outcome, "errors", ())


@given(st.integers(0, 1000))
def test_an_unsent_request_spends_nothing(spent):
    """A request that never left spends no attempt."""
    decision = decide(Unreachable("ConnectError"), spent, POLICY, lambda: 0.0)
    assert isinstance(decision, Retry)
    assert not decision.spent


@given(st.integers(0, 10_000), st.floats(0, 0.999))
def test_backoff_is_bounded_and_jittered(spent, jitter):
    """A wait lies between half the base and the maximum, whatever the count."""
    assert 2.5 <= POLICY.delay_seconds(spent, lambda: jitter) <= 900


def test_backoff_doubles():
    """Without jitter the wait doubles from the base up to the maximum."""
    waits = [POLICY.delay_seconds(n, lambda: 1.0) for n in range(1, 10)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900]


def test_every_outcome_has_a_name_of_its_own():
    """The ledger can tell any two outcomes apart."""
    assert len(set(OUTCOME_NAMES.values())) == len(OUTCOME_NAMES) == 9

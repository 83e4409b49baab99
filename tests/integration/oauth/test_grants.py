"""Laws of the approval's row in the ledger, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from gong_worker.domain.grants import TokenCause
from gong_worker.ledger import AccessFacts, Ledger

CLIENT = "client"
DAY = AccessFacts("https://us-1.api.gong.io", "scope", 86_400, 1.5)


def put(ledger: Ledger, tokens: str = "sealed-1", access: AccessFacts | None = DAY) -> None:
    ledger.put_grant(CLIENT, tokens, by="ann", cause=TokenCause.LOGIN, access=access)


def generation(ledger: Ledger) -> int:
    grant = ledger.read_grant(CLIENT)
    assert grant is not None
    return grant.generation


def test_what_was_put_is_read(ledger: Ledger) -> None:
    """Each value comes back; the tokens only where they are asked for; the life counts from when it was asked for."""
    assert ledger.read_grant(CLIENT) is None
    put(ledger)
    grant = ledger.read_grant(CLIENT)
    assert grant is not None
    assert (grant.generation, grant.tokens, grant.base_url, grant.scope) == (1, None, DAY.base_url, "scope")
    assert (grant.cause, grant.granted_by, grant.refused_at, grant.renewing) == (
        TokenCause.LOGIN,
        "ann",
        None,
        False,
    )
    assert 86_390 < grant.seconds_left < 86_394
    assert 82_790 < grant.seconds_until_due < 82_799
    with_tokens = ledger.read_grant(CLIENT, with_tokens=True)
    assert with_tokens is not None and with_tokens.tokens == "sealed-1"
    assert ledger.read_grant("another") is None


def test_the_lease_goes_to_one(ledger: Ledger) -> None:
    """Of many that ask at once for the lease of a generation one gets it, until it has run out."""
    put(ledger)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: ledger.begin_renewal(CLIENT, 1, f"t{n}", lease_seconds=30), range(8)))
    assert sorted(taken, key=str) == [False, *[None] * 7]
    grant = ledger.read_grant(CLIENT)
    assert grant is not None and grant.renewing
    put(ledger)
    assert ledger.begin_renewal(CLIENT, 1, "t", lease_seconds=30) is None, "of tokens that are gone"
    assert ledger.begin_renewal(CLIENT, 2, "t", lease_seconds=0) is False
    assert ledger.begin_renewal(CLIENT, 2, "u", lease_seconds=30) is True, "taken over"


def test_a_pause_is_not_a_death(ledger: Ledger) -> None:
    """After a failure nobody renews for the length of the pause; who comes then takes nothing over."""
    put(ledger)
    assert ledger.begin_renewal(CLIENT, 1, "t", lease_seconds=30) is False
    ledger.renewal_failed(CLIENT, 1, "first", pause_seconds=30)
    assert ledger.begin_renewal(CLIENT, 1, "t", lease_seconds=30) is None
    first = ledger.read_grant(CLIENT)
    ledger.renewal_failed(CLIENT, 1, "second", pause_seconds=0)
    second = ledger.read_grant(CLIENT)
    assert first is not None and second is not None
    assert (second.failure, second.failing_since) == ("second", first.failing_since)
    assert ledger.begin_renewal(CLIENT, 1, "t", lease_seconds=30) is False


def test_a_lease_of_a_clock_that_was_set_back_has_run_out(ledger: Ledger) -> None:
    """On SQLite a lease or a pause further away than any can be holds nobody up; one as long as both is kept."""
    put(ledger)
    assert ledger.begin_renewal(CLIENT, 1, "dead", lease_seconds=3600) is False
    assert ledger.begin_renewal(CLIENT, 1, "t", lease_seconds=3595, pause_seconds=5) is None
    sqlite = ledger.engine.dialect.name == "sqlite"  # PostgreSQL's clock is the server's, not a worker's
    found = ledger.begin_renewal(CLIENT, 1, "t", lease_seconds=30, pause_seconds=5)
    assert found is (True if sqlite else None)
    ledger.renewal_failed(CLIENT, 1, "why", pause_seconds=3600)
    found = ledger.begin_renewal(CLIENT, 1, "t", lease_seconds=30, pause_seconds=5)
    assert found is (False if sqlite else None)


def test_what_comes_late_changes_nothing(ledger: Ledger) -> None:
    """A result or a refusal of a generation that others have followed is dropped; one that follows is kept."""
    put(ledger)
    assert ledger.store_renewal(CLIENT, 1, "sealed-2", access=DAY, cause=TokenCause.DUE)
    assert not ledger.store_renewal(CLIENT, 1, "late", access=DAY, cause=TokenCause.DUE)
    assert not ledger.refuse_grant(CLIENT, 1, "late", access_too=True)
    ledger.renewal_failed(CLIENT, 1, "late", pause_seconds=30)
    grant = ledger.read_grant(CLIENT, with_tokens=True)
    assert grant is not None
    assert (grant.generation, grant.tokens, grant.failure) == (2, "sealed-2", None)


def test_a_result_ends_a_refusal(ledger: Ledger) -> None:
    """Who was frozen with the answer in hand may write it after another was refused: it is what follows."""
    put(ledger)
    assert ledger.refuse_grant(CLIENT, 1, "invalid_grant", access_too=True)
    refused = ledger.read_grant(CLIENT)
    assert refused is not None and refused.refused_at is not None and refused.seconds_left == 0
    without = AccessFacts(None, "scope", 60, 0)
    assert ledger.store_renewal(CLIENT, 1, "sealed-2", access=without, cause=TokenCause.DUE)
    grant = ledger.read_grant(CLIENT)
    assert grant is not None
    assert (grant.refused_at, grant.failure, grant.failing_since) == (None, None, None)
    assert grant.base_url == DAY.base_url, "an answer without one leaves the one before"


def test_a_new_approval_forgets_the_old_one(ledger: Ledger) -> None:
    """Its generation follows; access, failure, lease and base URL of the old one are gone."""
    put(ledger)
    ledger.begin_renewal(CLIENT, 1, "t", lease_seconds=30)
    ledger.refuse_grant(CLIENT, 1, "invalid_grant", access_too=False)
    put(ledger, "sealed-2", None)
    grant = ledger.read_grant(CLIENT)
    assert grant is not None
    assert (grant.generation, grant.base_url, grant.expires_at, grant.failure) == (2, None, None, None)
    assert (grant.refused_at, grant.renewing) == (None, False)
    with ledger.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM oauth_grants")).scalar_one() == 1
    assert generation(ledger) == 2

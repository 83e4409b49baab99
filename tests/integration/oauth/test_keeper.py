"""Laws of the access token of one process among several."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from gong_worker.domain.grants import Grant, GrantState, TokenCause
from gong_worker.gong import GongClient
from gong_worker.ledger import Ledger
from gong_worker.ledger.models import OAUTH_GRANTS
from gong_worker.oauth import Vault
from gong_worker.operations import token_keeper
from gong_worker.operations.oauth import make_keeper
from gong_worker.operations.token_keeper import TokenKeeper
from gong_worker.settings import WorkerSettings
from gong_worker.simulator import SimulatorClient
from tests.integration.oauth.conftest import KEY, settings_of
from tests.support.servers import wait_until
from tests.support.simulator import sample_event

Keepers = Callable[[], TokenKeeper]


@pytest.fixture
def granted(ledger: Ledger, sim: SimulatorClient) -> None:
    """A refresh token, and nothing more."""
    approve(ledger, sim)


def approve(ledger: Ledger, sim: SimulatorClient) -> None:
    sealed = Vault(KEY).seal(sim.grant(), None)
    ledger.put_grant("sim-client", sealed, by="tests", cause=TokenCause.IMPORT)


def answer(keeper: TokenKeeper, event_id: str) -> str:
    """What Gong says to a call with its access token."""
    gong = GongClient(keeper, timeout_seconds=5)
    try:
        result = gong.send(sample_event(event_id))
        superseded = gong.superseded(result)
    finally:
        gong.close()
    return "superseded" if superseded else type(result.outcome).__name__


@pytest.mark.usefixtures("granted")
def test_the_first_look_brings_an_access_token(keeper: Keepers, ledger: Ledger, sim: SimulatorClient) -> None:
    """Of a refresh token alone the first keeper makes an access token, which others read without asking Gong."""
    first, second = keeper(), keeper()
    assert not first.usable()
    assert first.look() is GrantState.USABLE
    assert second.look() is GrantState.USABLE
    assert first.usable() and second.usable()
    assert first.access().authorization == second.access().authorization
    assert first.access().base_url == sim.url
    assert answer(second, "e-1") == "Delivered"
    grant = ledger.read_grant("sim-client")
    assert grant is not None and (grant.cause, grant.scope) == (
        TokenCause.IMPORT,
        "api:engagement-data:write",
    )
    assert sim.oauth()["refreshes"] == 1


@pytest.mark.usefixtures("granted")
def test_a_base_url_that_is_set_goes_before_the_one_that_is_told(
    ledger: Ledger, sim: SimulatorClient
) -> None:
    """`api_base_url_for_customer` counts only while GONG_BASE_URL is not set, or set to the general address."""
    sim.settings(api_base_url_for_customer="https://us-9.api.gong.io/")
    told = make_keeper(settings_of(sim), ledger, None)
    general = make_keeper(settings_of(sim, GONG_BASE_URL="https://api.gong.io"), ledger, None)
    fixed = make_keeper(settings_of(sim, GONG_BASE_URL="https://us-8.api.gong.io"), ledger, None)
    for one in (told, general, fixed):
        one.look()
    assert told.access().base_url == general.access().base_url == "https://us-9.api.gong.io"
    assert fixed.access().base_url == "https://us-8.api.gong.io"


@pytest.mark.usefixtures("granted")
@pytest.mark.parametrize("wrong", ["http://elsewhere.example", "ftp://x", "https://u:p@x"])
def test_an_address_that_no_token_may_go_to_is_not_used(
    keeper: Keepers, sim: SimulatorClient, wrong: str
) -> None:
    """A base URL in the answer that is no https address is left out: the token is kept, the default address counts."""
    sim.settings(api_base_url_for_customer=wrong)
    one = keeper()
    assert one.look() is GrantState.USABLE
    assert one.access().base_url == "https://api.gong.io"


@pytest.mark.usefixtures("granted")
def test_only_one_of_many_renews(keeper: Keepers, sim: SimulatorClient) -> None:
    """Keepers that find it due at once ask Gong once; nobody spends the refresh token again, all go on with the new."""
    sim.settings(token_latency_ms=100)
    keepers = [keeper() for _ in range(8)]
    start = threading.Barrier(len(keepers))

    def look(one: TokenKeeper) -> None:
        start.wait()
        wait_until(lambda: one.look() is GrantState.USABLE, "a token")

    with ThreadPoolExecutor(len(keepers)) as pool:
        list(pool.map(look, keepers))
    assert len({one.access().authorization for one in keepers}) == 1
    assert sim.oauth()["refreshes"] == 1
    assert sim.oauth()["refused"] == 0


@pytest.mark.usefixtures("granted")
def test_a_token_is_renewed_before_it_expires(keeper: Keepers, sim: SimulatorClient) -> None:
    """With a quarter of its life left a new one is fetched; a wrong clock of Gong's changes nothing."""
    sim.settings(access_token_seconds=6, oauth_clock_skew_seconds=-90_000)
    one = keeper()
    one.look()
    before = one.access()

    def renewed() -> bool:
        assert one.usable(), "there was a moment without a token"
        one.tend()
        return one.access() is not before

    wait_until(renewed, "the renewal")
    assert answer(one, "e-1") == "Delivered"


@pytest.mark.usefixtures("granted")
def test_a_401_renews_once_for_all(keeper: Keepers, ledger: Ledger, sim: SimulatorClient) -> None:
    """Calls of several processes that are refused with one token bring one renewal; the refusals say nothing then."""
    keepers = [keeper() for _ in range(4)]
    for one in keepers:
        one.look()
    sim.revoke(access_only=True)
    with ThreadPoolExecutor(len(keepers)) as pool:
        told = list(pool.map(lambda one: answer(one, "e-1"), keepers))
    assert told == ["superseded"] * 4
    assert sim.oauth() == {"codes": 0, "refreshes": 2, "reuses": 0, "refused": 0, "granted": 1}
    assert [answer(one, f"e-{number}") for number, one in enumerate(keepers)] == ["Delivered"] * 4
    grant = ledger.read_grant("sim-client")
    assert grant is not None and grant.cause is TokenCause.REFUSED


@pytest.mark.usefixtures("granted")
def test_a_token_that_is_refused_at_once_is_not_renewed_again(
    keeper: Keepers, sim: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 401 to a token that came of a 401 stands: renewing goes on only when it is old."""
    one = keeper()
    one.look()
    for _ in range(2):
        sim.revoke(access_only=True)
        last = answer(one, "e-1")
    assert last == "Unauthorized"
    assert sim.oauth()["refreshes"] == 2
    assert one.usable()
    monkeypatch.setattr(token_keeper, "YOUNG_SECONDS", 0.0)
    assert answer(one, "e-1") == "superseded"
    assert sim.oauth()["refreshes"] == 3


@pytest.mark.usefixtures("granted")
def test_a_token_of_the_future_is_not_young(keeper: Keepers, ledger: Ledger, sim: SimulatorClient) -> None:
    """One that came of a 401 before the clock was set back is renewed when it is refused."""
    one = keeper()
    one.look()
    sim.revoke(access_only=True)
    assert answer(one, "e-1") == "superseded"
    with ledger.engine.begin() as connection:
        connection.execute(sa.update(OAUTH_GRANTS).values(renewed_at=datetime.now(UTC) + timedelta(hours=1)))
    sim.revoke(access_only=True)
    assert answer(one, "e-1") == "superseded"
    assert answer(one, "e-1") == "Delivered"


@pytest.mark.usefixtures("granted")
def test_a_revoked_approval_needs_a_login(keeper: Keepers, ledger: Ledger, sim: SimulatorClient) -> None:
    """After a revocation one call is refused, then nothing is usable for anybody; a look finds a new approval."""
    first, second = keeper(), keeper()
    first.look()
    second.look()
    sim.revoke()
    assert answer(first, "e-1") == "superseded"
    assert not first.usable()
    assert second.look() is GrantState.LOGIN_NEEDED
    assert not second.usable()
    asked = sim.oauth()["refused"]
    first.look()
    second.look()
    assert sim.oauth()["refused"] == asked, "a refresh token that was refused is not tried again"
    approve(ledger, sim)
    assert second.look() is first.look() is GrantState.USABLE
    assert answer(second, "e-1") == "Delivered"


@pytest.mark.usefixtures("granted")
def test_a_lost_answer_costs_a_login_but_no_call(
    keeper: Keepers, ledger: Ledger, sim: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the answer to a renewal is lost its token is spent: that is told, and calls go on to the token's end."""
    monkeypatch.setattr(token_keeper, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(Grant, "due", True)
    sim.settings(access_token_seconds=6, refresh_reuse="refuse")
    one = keeper()
    one.look()
    sim.settings(token_endpoint="lost_reply")
    assert one.look() is GrantState.USABLE
    grant = ledger.read_grant("sim-client")
    assert grant is not None and grant.failing_since is not None
    monkeypatch.undo()
    monkeypatch.setattr(token_keeper, "PAUSE_SECONDS", 0.0)
    sim.settings(token_endpoint="up")
    assert one.look() is GrantState.ENDING
    assert one.usable()
    assert answer(one, "e-1") == "Delivered"
    wait_until(lambda: one.look() is GrantState.LOGIN_NEEDED, "the token's end")
    assert not one.usable()


@pytest.mark.usefixtures("granted")
def test_a_token_endpoint_that_is_down_is_asked_again(
    keeper: Keepers,
    ledger: Ledger,
    sim: SimulatorClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody hammers it: one failure holds all off for some seconds, is told once, and ends with the first success."""
    monkeypatch.setattr(token_keeper, "PAUSE_SECONDS", 2.0)
    sim.settings(token_endpoint="down")
    first, second = keeper(), keeper()
    with caplog.at_level(logging.INFO):
        assert [one.look() for one in (first, second, first)] == [GrantState.RENEWAL_NEEDED] * 3
    assert [one.action for one in caplog.records].count("oauth_renewal_failed") == 1
    grant = ledger.read_grant("sim-client")
    assert (
        grant is not None
        and grant.failure == "the token endpoint answered HTTP 503 (temporarily_unavailable)"
    )
    assert not grant.renewing
    sim.settings(token_endpoint="up")
    wait_until(lambda: second.look() is GrantState.USABLE, "the pause to be over")
    grant = ledger.read_grant("sim-client")
    assert grant is not None and grant.failing_since is None
    assert sim.oauth()["refreshes"] == 1


def test_a_wrong_client_secret_is_not_the_end_of_the_approval(ledger: Ledger, sim: SimulatorClient) -> None:
    """`invalid_client` names the variables to correct, and leaves the approval as it is."""
    approve(ledger, sim)
    one = make_keeper(settings_of(sim, GONG_OAUTH_CLIENT_SECRET="guess"), ledger, None)
    assert one.look() is GrantState.RENEWAL_NEEDED
    grant = ledger.read_grant("sim-client")
    assert grant is not None and grant.refused_at is None
    assert grant.failure is not None and "GONG_OAUTH_CLIENT_SECRET" in grant.failure


def test_nothing_is_usable_without_an_approval(keeper: Keepers, settings: WorkerSettings) -> None:
    """Without a row there is no token and no renewal; looking tells so."""
    one = keeper()
    assert one.look() is GrantState.MISSING
    assert not one.usable()
    assert settings.has_credentials


@pytest.mark.usefixtures("granted")
def test_a_401_while_the_token_endpoint_is_down_is_made_up_for(
    keeper: Keepers, sim: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal stands then; the renewal that it asked for is tried again without another call, until it works."""
    monkeypatch.setattr(token_keeper, "PAUSE_SECONDS", 0.2)
    one = keeper()
    one.look()
    sim.revoke(access_only=True)
    sim.settings(token_endpoint="down")
    assert answer(one, "e-1") == "Unauthorized"
    calls = sim.stats()["calls"]
    sim.settings(token_endpoint="up")
    before = one.access()
    wait_until(lambda: one.look() is GrantState.USABLE and one.access() is not before, "the renewal")
    assert sim.stats()["calls"] == calls
    assert answer(one, "e-1") == "Delivered"


@pytest.mark.usefixtures("granted")
def test_a_renewal_may_end_the_token_before(keeper: Keepers, sim: SimulatorClient) -> None:
    """Where a renewal ends the old access token, who calls with it is refused once, then goes on with the new."""
    sim.settings(access_token_seconds=2, old_access_token_seconds=0)
    first, second = keeper(), keeper()
    first.look()
    second.look()
    before = first.access()
    sim.settings(access_token_seconds=60)
    wait_until(lambda: first.look() and first.access() is not before, "the renewal")
    assert second.access().generation == before.generation
    if second.usable():
        assert answer(second, "e-1") == "superseded"
    second.look()
    assert answer(second, "e-1") == "Delivered"
    assert sim.oauth()["refreshes"] == 2

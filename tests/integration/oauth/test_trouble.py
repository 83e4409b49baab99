"""Laws of the access token when the key is wrong, the ledger away, or another keeper died in the middle."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gong_worker.domain.grants import GrantState, TokenCause
from gong_worker.gong_auth import Access
from gong_worker.ledger import Ledger, LedgerUnavailable, migrate, open_engine
from gong_worker.oauth import TokenEndpoint, TokenError, Tokens, Vault, VaultError, new_key
from gong_worker.operations import token_keeper
from gong_worker.operations.oauth import make_keeper
from gong_worker.operations.token_keeper import TokenKeeper
from gong_worker.simulator import SimulatorClient
from tests.integration.oauth.conftest import KEY, answering, settings_of
from tests.support.servers import free_port, wait_until

Keepers = Callable[[], TokenKeeper]


def approve(ledger: Ledger, sim: SimulatorClient, key: str = KEY) -> None:
    sealed = Vault(key).seal(sim.grant(), None)
    ledger.put_grant("sim-client", sealed, by="tests", cause=TokenCause.IMPORT)


def test_a_key_is_changed_without_a_login(ledger: Ledger, sim: SimulatorClient) -> None:
    """A new key before the old one reads what the old one sealed; the next renewal seals with the new one alone."""
    approve(ledger, sim)
    new = new_key()
    both = make_keeper(settings_of(sim, GONG_OAUTH_KEY=f"{new}\n{KEY}\n"), ledger, None)
    assert both.look() is GrantState.USABLE
    grant = ledger.read_grant("sim-client", with_tokens=True)
    assert grant is not None and grant.tokens is not None
    assert Vault(new).open(grant.tokens)[1] is not None
    with pytest.raises(VaultError):
        Vault(KEY).open(grant.tokens)


def test_with_another_key_nothing_is_usable(keeper: Keepers, ledger: Ledger, sim: SimulatorClient) -> None:
    """A keeper with another key says so, spends nothing, and leaves the tokens to those that can read them."""
    approve(ledger, sim, new_key())
    one = keeper()
    with pytest.raises(VaultError, match="GONG_OAUTH_KEY"):
        one.look()
    assert not one.usable()
    assert not one.superseded(one.access())
    assert sim.oauth()["refreshes"] == 0


def test_no_token_stands_anywhere_in_clear(
    keeper: Keepers, ledger: Ledger, sim: SimulatorClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the row, nor the log, nor what is shown of an object in a traceback holds a token."""
    with caplog.at_level(logging.DEBUG):
        approve(ledger, sim)
        one = keeper()
        one.look()
        sim.revoke()
        one.superseded(one.access())
    grant = ledger.read_grant("sim-client", with_tokens=True)
    shown = f"{grant!r} {one.access()!r} {caplog.text} {[vars(record) for record in caplog.records]}"
    tokens = Tokens("at-1", "rt-1", 60, None, None, 0.0)
    assert "at-1" not in repr(tokens) and "rt-1" not in repr(tokens)
    assert len(sim.tokens()) == 3
    for token in sim.tokens():
        assert token not in shown


def test_who_died_before_asking_is_taken_over(
    keeper: Keepers, ledger: Ledger, sim: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a lease has run out, another keeper renews after giving its holder a last moment."""
    monkeypatch.setattr(token_keeper, "TAKEOVER_SECONDS", 0.05)
    approve(ledger, sim)
    assert ledger.begin_renewal("sim-client", 1, "dead", lease_seconds=0) is False
    assert keeper().look() is GrantState.USABLE
    assert sim.oauth()["refreshes"] == 1


def test_who_wakes_in_the_last_moment_is_not_overtaken(
    keeper: Keepers, ledger: Ledger, sim: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the holder of a lease that ran out writes in that moment counts; its token is not spent a second time."""
    monkeypatch.setattr(token_keeper, "TAKEOVER_SECONDS", 20.0)
    approve(ledger, sim)
    first, second = keeper(), keeper()
    assert ledger.begin_renewal("sim-client", 1, "frozen", lease_seconds=0) is False
    looking = threading.Thread(target=second.look)
    looking.start()
    wait_until(lambda: (grant := ledger.read_grant("sim-client")) and grant.renewing, "the takeover")
    tokens = TokenEndpoint(
        f"{sim.url}/oauth2/generate-customer-token", "sim-client", "sim-client-secret", timeout_seconds=5
    ).renew(Vault(KEY).open(_sealed(ledger))[0])
    sealed = Vault(KEY).seal(tokens.refresh_token, tokens.access_token)
    facts = token_keeper.access_facts(tokens)
    assert ledger.store_renewal("sim-client", 1, sealed, access=facts, cause=TokenCause.DUE)
    second.stop()
    looking.join(30)
    assert second.usable() and first.look() is GrantState.USABLE
    assert sim.oauth()["refreshes"] == 1
    assert sim.oauth()["refused"] == 0


def test_who_is_refused_after_others_have_renewed_raises_no_alarm(
    keeper: Keepers,
    ledger: Ledger,
    sim: SimulatorClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that was frozen beyond its lease asks with a spent token: nobody is told to log in for that."""
    approve(ledger, sim)
    asking = TokenEndpoint.renew

    def late(endpoint: TokenEndpoint, refresh_token: str) -> Tokens:
        monkeypatch.setattr(TokenEndpoint, "renew", asking)
        tokens = endpoint.renew(refresh_token)
        sealed = Vault(KEY).seal(tokens.refresh_token, tokens.access_token)
        facts = token_keeper.access_facts(tokens)
        assert ledger.store_renewal("sim-client", 1, sealed, access=facts, cause=TokenCause.DUE)
        return endpoint.renew(refresh_token)

    monkeypatch.setattr(TokenEndpoint, "renew", late)
    sim.settings(refresh_reuse="refuse")
    assert keeper().look() is GrantState.USABLE
    assert sim.oauth()["refused"] == 1
    assert "oauth_refused" not in [vars(one).get("action") for one in caplog.records]


def _sealed(ledger: Ledger) -> str:
    grant = ledger.read_grant("sim-client", with_tokens=True)
    assert grant is not None and grant.tokens is not None
    return grant.tokens


@pytest.fixture
def file_ledger(tmp_path: Path) -> Iterator[tuple[Ledger, Path]]:
    """A ledger that can be taken away: its file is renamed."""
    path = tmp_path / "ledger.db"
    migrate(f"sqlite:///{path}")
    ledger = Ledger(open_engine(f"sqlite:///{path}"))
    yield ledger, path
    ledger.close()


def test_what_came_is_kept_until_the_ledger_takes_it(
    file_ledger: tuple[Ledger, Path], sim: SimulatorClient
) -> None:
    """A ledger that goes away while Gong answers gets the tokens when it is back: the old one is spent by then."""
    ledger, path = file_ledger
    approve(ledger, sim)
    sim.settings(token_latency_ms=3000)
    one = make_keeper(settings_of(sim, GONG_VIEWS_REQUEST_TIMEOUT_SECONDS=10), ledger, None)
    looking = threading.Thread(target=one.look)
    looking.start()
    wait_until(lambda: sim.oauth()["refreshes"] == 1, "the renewal to be asked for")
    away = path.rename(path.with_name("away.db"))
    with pytest.raises(LedgerUnavailable):
        ledger.read_grant("sim-client")
    looking.join(1.0)
    assert looking.is_alive() and not one.usable()
    away.rename(path)
    looking.join(30)
    assert one.usable()
    assert make_keeper(settings_of(sim), ledger, None).look() is GrantState.USABLE
    assert sim.oauth()["refreshes"] == 1


def test_an_access_token_outlives_the_ledger(file_ledger: tuple[Ledger, Path], sim: SimulatorClient) -> None:
    """While the ledger is away what is known goes on to count, and a 401 stands as it is."""
    ledger, path = file_ledger
    approve(ledger, sim)
    one = make_keeper(settings_of(sim), ledger, None)
    one.look()
    path.rename(path.with_name("away.db"))
    with pytest.raises(LedgerUnavailable):
        one.look()
    assert one.usable()
    assert not one.superseded(one.access())
    assert one.superseded(Access(sim.url, b"Bearer older", 1)), (
        "of an older token it says nothing in any case"
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>portal</html>", "without the tokens"),
        (b'{"access_token": "a b", "refresh_token": "r", "expires_in": 9}', "without the tokens"),
        (b'{"access_token": "a\\r\\nX: y", "refresh_token": "r", "expires_in": 9}', "without the tokens"),
        (b'{"access_token": "a", "refresh_token": "r"}', "without the tokens"),
        (b'{"access_token": "a", "refresh_token": "r", "expires_in": 0}', "without the tokens"),
        (b'{"access_token": "a", "refresh_token": "r", "expires_in": 1e300}', "without the tokens"),
        (b'{"access_token": "a", "refresh_token": "r", "expires_in": NaN}', "without the tokens"),
        (b"[" * 5000, "without the tokens"),
    ],
)
def test_an_answer_without_tokens_is_an_error(body: bytes, says: str) -> None:
    """A 200 that holds no usable tokens is told as such; nothing of it is repeated."""
    with answering(b"200 OK", body) as endpoint, pytest.raises(TokenError, match=says) as caught:
        endpoint.renew("rt-secret")
    assert "rt-secret" not in str(caught.value)


def test_words_of_an_error_are_not_repeated() -> None:
    """An answer's description may quote what was sent: only the code is told, and only one that looks like a code."""
    for body in (
        b'{"error": "server_error", "error_description": "bad token rt-secret"}',
        b'{"error": "rt-secret", "error_description": "x"}',
    ):
        with answering(b"500 Oops", body) as endpoint, pytest.raises(TokenError, match="HTTP 500") as caught:
            endpoint.renew("rt-secret")
        assert "rt-secret" not in str(caught.value)
    with pytest.raises(TokenError, match="did not answer"):
        TokenEndpoint(f"http://127.0.0.1:{free_port()}/t", "c", "s", timeout_seconds=1).renew("rt")


def test_a_server_without_rotation_leaves_the_refresh_token(sim: SimulatorClient) -> None:
    """An answer without a refresh token means that the one before goes on to count; a life may be a text."""
    with answering(b"200 OK", b'{"access_token": "a", "expires_in": "86400"}') as endpoint:
        tokens = endpoint.renew("rt")
    assert (tokens.access_token, tokens.refresh_token, tokens.lifetime_seconds) == ("a", "rt", 86_400)

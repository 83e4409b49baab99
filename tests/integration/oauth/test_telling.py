"""Laws of what an operator is told of an approval, before calls stop and after."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from gong_worker.alerts_settings import AlertSettings
from gong_worker.domain.alerts import AlertKind, kind_of
from gong_worker.domain.grants import TokenCause
from gong_worker.ledger import Ledger
from gong_worker.ledger.lazy import LazyLedger
from gong_worker.oauth import Vault, new_key
from gong_worker.operations.alert_conditions import look
from gong_worker.operations.preflight import Finding, Verdict, check_approval
from gong_worker.operations.services import Services, make_gate, redis_client
from gong_worker.operations.token_keeper import TokenKeeper
from gong_worker.runtime import ask_gong
from gong_worker.settings import WorkerSettings
from gong_worker.simulator import SimulatorClient
from tests.integration.oauth.conftest import KEY, settings_of

Keepers = Callable[[], TokenKeeper]


@pytest.fixture
def granted(ledger: Ledger, sim: SimulatorClient) -> None:
    sealed = Vault(KEY).seal(sim.grant(), None)
    ledger.put_grant("sim-client", sealed, by="tests", cause=TokenCause.IMPORT)


def refused(ledger: Ledger, *, access_too: bool) -> None:
    """As after a renewal that Gong has refused."""
    grant = ledger.read_grant("sim-client")
    assert grant is not None
    assert ledger.refuse_grant("sim-client", grant.generation, "invalid_grant", access_too=access_too)


def told(settings: WorkerSettings, ledger: Ledger) -> Finding:
    finding = check_approval(settings, ledger)
    assert finding.name == "oauth"
    return finding


def test_check_tells_each_state(
    settings: WorkerSettings, ledger: Ledger, keeper: Keepers, sim: SimulatorClient
) -> None:
    """`check` fails without a usable token or the right key, and warns while one that is not renewed still counts."""
    assert told(settings, ledger).verdict is Verdict.FAILED
    sealed = Vault(KEY).seal(sim.grant(), None)
    ledger.put_grant("sim-client", sealed, by="tests", cause=TokenCause.IMPORT)
    keeper().look()
    assert told(settings, ledger).verdict is Verdict.OK
    wrong = told(settings_of(sim, GONG_OAUTH_KEY=new_key()), ledger)
    assert wrong.verdict is Verdict.FAILED and "GONG_OAUTH_KEY" in (wrong.mend or "")
    refused(ledger, access_too=False)
    ending = told(settings, ledger)
    assert ending.verdict is Verdict.WARNING and "oauth login" in (ending.mend or "")
    refused(ledger, access_too=True)
    ended = told(settings, ledger)
    assert ended.verdict is Verdict.FAILED and "oauth login" in ended.text


@pytest.mark.usefixtures("granted")
def test_an_alert_comes_while_there_is_time(
    settings: WorkerSettings, ledger: Ledger, keeper: Keepers, redis_url: str
) -> None:
    """A token that is not renewed is told while calls go on with it; once it is gone the hold is told instead."""
    client = redis_client(redis_url)
    lazy = LazyLedger(settings.ledger_url, lambda: ledger)
    services = Services(settings, redis_url, client, lazy, make_gate(settings, client, ledger))

    def kinds() -> set[AlertKind | None]:
        found = look(services, AlertSettings())
        assert AlertKind.OAUTH in found.looked
        return {kind_of(condition.key) for condition in found.conditions} - {AlertKind.NO_WORKER}

    keeper().look()
    assert kinds() == set()
    refused(ledger, access_too=False)
    assert kinds() == {AlertKind.OAUTH}
    refused(ledger, access_too=True)
    services.gate.credential(usable=False, why="login_needed", renewed=False)
    assert kinds() == {AlertKind.UNAUTHORIZED}
    client.close()


@pytest.mark.usefixtures("granted")
def test_check_calls_with_the_token_that_is_there(
    sim: SimulatorClient, ledger: Ledger, keeper: Keepers, redis_url: str
) -> None:
    """`check --call` goes to the address of the token, renews nothing, and makes no call without a token."""
    url = ledger.engine.url.render_as_string(hide_password=False)
    settings = settings_of(sim, REDIS_URL=redis_url, DATABASE_URL=url)
    assert ask_gong(settings).verdict is Verdict.FAILED
    assert sim.stats()["calls"] == sim.oauth()["refreshes"] == 0
    keeper().look()
    assert ask_gong(settings).verdict is Verdict.OK
    assert sim.stats()["outcomes"] == {"refused": 1}
    assert sim.oauth()["refreshes"] == 1
    with ledger.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM attempts")).scalar_one() == 0

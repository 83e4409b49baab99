"""Dead letters made straight in the ledger, and the command line in this process: many, and soon."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gong_views import EventKey
from gong_views.canonical import payload_sha256
from gong_views.names import Lane
from gong_worker.cli import run as run_cli
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterReason
from gong_worker.ledger import AttemptFacts, Claimed, EventFacts, Ledger, MessageRef, migrate
from gong_worker.operations.services import Services, open_services
from gong_worker.settings import WorkerSettings
from tests.support.log_guard import GUARD
from tests.support.views import view


def bury(
    ledger: Ledger, events: Iterable[dict[str, Any]], error: Callable[[int], str], *, status: int = 400
) -> None:
    """Let each event be claimed, called and refused."""
    for number, event in enumerate(events):
        now = datetime.now(UTC)
        message = MessageRef(f"first-{event['eventId']}", Lane.LIVE, now, None, "shop")
        facts = EventFacts(event["contentId"], now, payload_sha256(event))
        key = EventKey(event["reportingSystem"], event["eventId"])
        claimed = ledger.claim(key, message, facts, now=now, lease_seconds=60)
        assert isinstance(claimed, Claimed)
        attempt = ledger.begin_attempt(claimed.claim, now=now)
        outcome = AttemptFacts(AttemptOutcome.REJECTED, status, f"req-{number}", None, 5, now)
        assert ledger.dead_letter_event(
            claimed.claim, attempt, outcome, now=now, reason=DeadLetterReason.REJECTED,
            errors=[error(number)], payload=event,
        )  # fmt: skip


def three_kinds(ledger: Ledger, each: int) -> None:
    """Three kinds of refusals: a viewer's address (which an edit mends), an unknown content, a title."""
    bury(
        ledger,
        (view(n, viewer={"email": f"dana.{n}@globex.example"}) for n in range(each)),
        lambda n: f"`viewer.email` dana.{n}@globex.example is not valid",
    )
    bury(ledger, (view(n) for n in range(each, 2 * each)), lambda n: f"contentId deck-{n + each} is unknown")
    bury(
        ledger,
        (view(n, reportingSystem="portal") for n in range(2 * each, 3 * each)),
        lambda n: "contentTitle 'Pricing overview' is too long",
        status=422,
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """A queue and a ledger with dead letters, and the environment that names them."""

    services: Services
    environment: dict[str, str]

    @property
    def ledger(self) -> Ledger:
        return self.services.ledger


@pytest.fixture
def desk(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Desk]:
    """No worker, no Gong."""
    migrate(database_url)
    environment = {
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "GONG_VIEWS_DATA_DIR": str(tmp_path),
        "GONG_VIEWS_CALLS_PER_SECOND": "3",
    }
    services = open_services(WorkerSettings(**environment))
    try:
        yield Desk(services, environment)
    finally:
        services.client.close()
        services.ledger.close()


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`command(environment, "status", "--json")`: the command in this process."""

    def call(environment: dict[str, str], *words: str) -> Done:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["gong-views", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_cli()
        done = Done(int(ended.value.code or 0), *capsys.readouterr())
        GUARD.said(" ".join(words), environment, stdout=done.out, stderr=done.err)
        return done

    return call

"""The preflight: every condition for working, each passed or with its mend. `gong-views check` shows it.

Nothing is changed but one key of the queue with an end of its own, and a write of the ledger that leaves nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import redis

from gong_views.embedded import redis_url_of
from gong_views.environment import ENV_FILE, read_variables
from gong_views.errors import GongViewsError
from gong_views.names import Lane
from gong_worker import notify
from gong_worker.alerts_settings import AlertSettings
from gong_worker.domain.grants import NO_ACCESS, GrantState, state_of
from gong_worker.ledger import Ledger, SchemaOutdated, check_schema, open_engine, place_of
from gong_worker.operations.services import make_gate
from gong_worker.queue.availability import away, check_writes, place
from gong_worker.queue.server import evicting, read_server, unfit
from gong_worker.queue.workers import Worker, ledgers_named, read_workers, redis_now
from gong_worker.settings import HOW_TO_AUTHENTICATE, WorkerSettings
from gong_worker.settings_registry import settings_classes, unknown_variables

#: Clocks that differ by more are said: times in logs and in the ledger would not agree.
CLOCK_SECONDS = 2.0

OpenClient = Callable[[str], redis.Redis]


class Verdict(StrEnum):
    """What a line of the preflight comes to. Only `failed` makes the whole of it fail."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and what to do unless it is ok."""

    name: str
    verdict: Verdict
    text: str
    mend: str | None = None


def ok(name: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(name, Verdict.OK, text)


def warning(name: str, text: str, mend: str) -> Finding:
    """It works, but costs something in some trouble."""
    return Finding(name, Verdict.WARNING, text, mend)


def failed(name: str, text: str, mend: str | None = None) -> Finding:
    """It does not work like this."""
    return Finding(name, Verdict.FAILED, text, mend)


def preflight(
    open_client: OpenClient, ask_gong: Callable[[WorkerSettings], Finding] | None = None
) -> list[Finding]:
    """Every finding, in the order in which one would mend them; with `ask_gong` also what it comes to."""
    findings = list(check_settings())
    try:
        settings = WorkerSettings.load()
    except GongViewsError:
        return findings  # said above; without it there is nothing to look at
    findings.append(_credentials(settings))
    findings += check_queue(settings, open_client)
    findings += check_ledger(settings)
    findings.append(check_permissions(settings))
    findings += check_alerts()
    if ask_gong is not None and settings.has_credentials:
        try:
            findings.append(ask_gong(settings))
        except (GongViewsError, redis.RedisError) as error:
            text = str(error) if isinstance(error, GongViewsError) else type(error).__name__
            findings.append(failed("call", f"not made: {text}"))
    return findings


def check_settings() -> Iterator[Finding]:
    """Unknown variables, and settings that are wrong or contradict each other."""
    try:
        problems = unknown_variables(read_variables())
    except GongViewsError as error:
        yield failed("settings", str(error))
        return
    for cls in settings_classes():
        try:
            cls.load()
        except GongViewsError as error:
            problems += [line for line in str(error).splitlines() if line not in problems]
    for problem in problems:
        yield failed("settings", problem)
    if not problems:
        yield ok("settings", "each is known, and they go together")


def _credentials(settings: WorkerSettings) -> Finding:
    if settings.has_credentials:
        return ok("credentials", "set")
    return failed("credentials", "not set: no worker will start", HOW_TO_AUTHENTICATE)


def check_queue(settings: WorkerSettings, open_client: OpenClient) -> Iterator[Finding]:
    """The queue's Redis: it answers, is fit, keeps what it is given, takes writes, and has workers."""
    try:
        client = open_client(redis_url_of(settings))
    except GongViewsError as error:
        yield failed("queue", str(error))
        return
    try:
        yield from _server(client)
        yield from _writes(client)
        yield _clock("queue clock", redis_now(client))
        yield _workers(settings, client)
        yield from _pace(settings, client)
    except redis.RedisError as error:
        yield failed("queue", away(error, place(client)))
    finally:
        client.close()


def _server(client: redis.Redis) -> Iterator[Finding]:
    try:
        facts = read_server(client)
    except redis.exceptions.NoPermissionError:
        yield warning(
            "queue",
            f"{place(client)} does not tell its version and policy: INFO is forbidden to this user",
            "allow it INFO (ACL: +info), or see to maxmemory-policy noeviction and the append-only file yourself",
        )
        return
    if (why := unfit(facts)) is not None and evicting(facts) is None:
        yield failed("queue", f"{facts.name} at {place(client)} cannot be used", why)
    else:
        yield ok("queue", f"{facts.name} at {place(client)}")
    if (why := evicting(facts)) is not None:
        yield failed("queue policy", f"maxmemory-policy {facts.eviction_policy}", why)
    else:
        yield ok("queue policy", f"maxmemory-policy {facts.eviction_policy or 'not told'}")
    if facts.append_only:
        yield ok("queue persistence", "append-only file on")
    else:
        yield warning(
            "queue persistence",
            "no append-only file: a restart of Redis may take queued events along",
            "CONFIG SET appendonly yes, and the same in redis.conf; a managed Redis may keep its data otherwise",
        )


def _writes(client: redis.Redis) -> Iterator[Finding]:
    writes = check_writes(client)
    if writes.workers is None and writes.producers is None:
        yield ok("queue writes", "taken")
    elif writes.workers is None:
        yield failed("queue writes", f"taken from workers only: {writes.producers}")
    else:
        yield failed("queue writes", writes.workers)


def _clock(name: str, theirs: datetime) -> Finding:
    off = (theirs - datetime.now(UTC)).total_seconds()
    if abs(off) <= CLOCK_SECONDS:
        return ok(name, f"within {CLOCK_SECONDS:g} s of this machine's")
    side = "ahead of" if off > 0 else "behind"
    mend = "keep both by NTP (chrony, systemd-timesyncd)"
    return warning(name, f"{abs(off):.0f} s {side} this machine's", mend)


def _workers(settings: WorkerSettings, client: redis.Redis) -> Finding:
    workers = read_workers(client)
    alive = sum(worker.alive for worker in workers)
    ledgers = _ledgers_named(settings, workers)
    if alive and len(ledgers) > 1:
        return warning(
            "workers",
            f"{alive} alive, but they and this command name several ledgers: {', '.join(ledgers)}",
            "unless these are one database, give all the same DATABASE_URL: events may be called twice",
        )
    if alive:
        return ok("workers", f"{alive} alive")
    return warning("workers", "none is alive", "start one: gong-views worker (on one machine: gong-views up)")


def _ledgers_named(settings: WorkerSettings, workers: list[Worker]) -> list[str]:
    try:
        return ledgers_named(workers, place_of(open_engine(settings.ledger_url)))
    except GongViewsError:
        return []  # said below


def _pace(settings: WorkerSettings, client: redis.Redis) -> Iterator[Finding]:
    try:
        gate = make_gate(settings, client, None, worker=False).status()
    except GongViewsError:
        return  # said above
    live, bulk = gate.shares[Lane.LIVE], gate.shares[Lane.BULK]
    text = (
        f"limit {gate.per_second_limit:g} calls a second, {gate.per_day_limit} a day; "
        f"live events may use {live.calls} now, bulk ones {bulk.calls}"
    )
    if not live.growth:
        yield ok("pace", text)
        return
    at, most = live.growth[-1]
    text += f"; {most} from {at.isoformat(timespec='seconds')}, since others were found to spend, too"
    yield warning("pace", text, "nothing, or let the company's other integrations call less (docs/pacing.md)")


def check_ledger(settings: WorkerSettings) -> Iterator[Finding]:
    """The ledger: it answers, has this version's schema, takes writes."""
    try:
        engine = open_engine(settings.ledger_url)
    except GongViewsError as error:
        yield failed("ledger", str(error))
        return
    ledger = Ledger(engine)
    try:
        check_schema(engine)
        name, clock = ledger.server()
        yield ok("ledger", f"{name}, with the schema of this version")
        ledger.ping()
        yield ok("ledger writes", "taken")
        if clock is not None:
            yield _clock("ledger clock", clock)
        if settings.uses_oauth:
            yield check_approval(settings, ledger)
    except SchemaOutdated as error:
        yield failed("ledger", str(error))
    except GongViewsError as error:
        yield failed("ledger", str(error), "start the database, or correct DATABASE_URL or its user's rights")
    finally:
        ledger.close()


def check_approval(settings: WorkerSettings, ledger: Ledger) -> Finding:
    """Whether there is an access token, which is renewed. Raises LedgerUnavailable."""
    from gong_worker.operations.oauth import find_approval

    grant, unreadable = find_approval(settings, ledger)
    state = state_of(grant)
    if unreadable is not None:
        return failed("oauth", "the tokens in the ledger cannot be read", unreadable)
    if grant is None or state in NO_ACCESS:
        return failed("oauth", NO_ACCESS[state])
    text = f"the access token is good until {grant.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if grant.failing_since is not None:
        login = "run gong-views oauth login" if state is GrantState.ENDING else "see to it before then"
        return warning("oauth", f"{text}, but it is not renewed: {grant.failure}", login)
    return ok("oauth", f"{text}, and renewed before")


def check_alerts() -> Iterator[Finding]:
    """Whether the addresses of alerts are understood; nothing when there are none."""
    addresses = AlertSettings.load().addresses
    if not addresses:
        return
    try:
        notify.refuse_unknown(addresses)
    except GongViewsError as error:
        yield failed("alerts", str(error))
    else:
        yield ok("alerts", f"{len(addresses)} addresses; gong-views alerts test sends a message")


def check_permissions(settings: WorkerSettings) -> Finding:
    """Whether other users of this machine can read what holds names and addresses, or secrets."""
    found = [path for path in _private_paths(settings) if readable_by_others(path)]
    if not found:
        return ok("permissions", "what we keep on this machine is for its owner only")
    paths = " ".join(str(path) for path in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return warning("permissions", f"other users can read {paths}{more}", f"chmod -R go= {paths}")


def _private_paths(settings: WorkerSettings) -> Iterator[Path]:
    data_dir = settings.data_dir.resolve()
    if data_dir.is_dir():
        yield data_dir
        yield from sorted(path for path in data_dir.rglob("*") if not path.is_symlink())
    url: Any = settings.ledger_url
    if url.startswith("sqlite:///") and not (ledger := Path(url.removeprefix("sqlite:///"))).is_relative_to(
        data_dir
    ):
        yield ledger
    if (named := read_variables().get(ENV_FILE)) is not None:
        yield Path(named.value)


def readable_by_others(path: Path) -> bool:
    """Whether group or others may read the file or enter the folder; False when it is gone."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False

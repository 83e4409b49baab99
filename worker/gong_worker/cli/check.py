"""`gong-views check`: the settings as they are understood, secrets masked, and whether the parts answer."""

from typing import Any

import click

from gong_views.errors import GongViewsError
from gong_worker.cli.output import JSON_OPTION, facts, show
from gong_worker.settings import WorkerSettings
from gong_worker.settings_report import settings_report


@click.command()
@JSON_OPTION
def check(as_json: bool) -> None:
    """Show the settings (secrets masked) and whether queue and ledger answer. Exit 1 when one does not."""
    settings = WorkerSettings.load()
    parts = {
        "queue": _queue(settings),
        "ledger": _ledger(settings),
        "credentials": "set" if settings.has_credentials else "not set: a worker will not start",
    }
    data: dict[str, Any] = {"settings": settings_report(), "parts": parts}
    shown = {name: f"{one['value']}  ({one['origin']})" for name, one in data["settings"].items()}
    show(data, as_json=as_json, text=lambda: facts({**shown, **parts}))
    if parts["queue"] != "answers" or parts["ledger"] != "answers":
        raise SystemExit(1)


def _queue(settings: WorkerSettings) -> str:
    import redis

    from gong_views.embedded import redis_url_of
    from gong_worker.operations.services import redis_client

    try:
        redis_client(redis_url_of(settings)).ping()
    except (redis.RedisError, GongViewsError) as error:
        return f"no answer: {type(error).__name__}"
    return "answers"


def _ledger(settings: WorkerSettings) -> str:
    from gong_worker.ledger import check_schema, open_engine

    try:
        check_schema(open_engine(settings.ledger_url))
    except GongViewsError as error:
        return str(error)
    return "answers"

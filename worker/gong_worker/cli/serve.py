"""`gong-views serve`: the HTTP intake."""

import os
from typing import Any

import click


@click.command()
@click.option("--host", help="address to listen on; default GONG_VIEWS_HTTP_HOST (127.0.0.1)")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="0: any free one; default GONG_VIEWS_HTTP_PORT (8080)"
)
def serve(host: str | None, port: int | None) -> None:
    """Take view events over HTTP (POST /v1/views), until SIGTERM or Ctrl-C.

    Other machines may connect only when GONG_VIEWS_API_KEYS is set.
    """
    from gong_views.aio import AsyncViewQueue
    from gong_worker import logs, tracing
    from gong_worker.alerts_settings import AlertSettings
    from gong_worker.operations.services import SharedServices
    from gong_worker.web import WebSettings, create_app
    from gong_worker.web.server import listen, run

    given: dict[str, Any] = {"GONG_VIEWS_HTTP_HOST": host, "GONG_VIEWS_HTTP_PORT": port}
    settings = WebSettings.load(**{name: value for name, value in given.items() if value is not None})
    logs.configure(as_json=os.environ.get("GONG_VIEWS_LOG_FORMAT") == "json")
    app = create_app(lambda source: AsyncViewQueue(source=source), settings, SharedServices())
    try:
        listener = listen(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        raise click.ClickException(
            f"cannot listen on {settings.host} port {settings.port}: {error}"
        ) from None
    if AlertSettings.load().addresses:
        from gong_worker.runtime import start_alerts  # slow to import

        start_alerts()
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    click.echo(f"taking events at http://{shown}:{listener.getsockname()[1]}/v1/views")
    tracing.configure("gong-views-intake")
    run(app, settings, listener)
    tracing.close()

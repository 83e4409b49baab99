"""`gong-views serve`: the HTTP way in."""

import logging
import signal
import socket
from typing import Any

import click

GRACE_SECONDS = 10  # what requests in flight get to finish at SIGTERM


@click.command()
@click.option("--host", help="address to listen on; default GONG_VIEWS_HTTP_HOST (127.0.0.1)")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="0: any free one; default GONG_VIEWS_HTTP_PORT (8080)"
)
def serve(host: str | None, port: int | None) -> None:
    """Take view events over HTTP (POST /v1/views), until SIGTERM or Ctrl-C.

    Other machines may connect only when GONG_VIEWS_API_KEYS is set.
    """
    import uvicorn

    from gong_views.queue import ViewQueue
    from gong_worker import logs
    from gong_worker.web import WebSettings, create_app

    given: dict[str, Any] = {"GONG_VIEWS_HTTP_HOST": host, "GONG_VIEWS_HTTP_PORT": port}
    settings = WebSettings.load(**{name: value for name, value in given.items() if value is not None})
    logs.configure()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # below that it tells of itself only
    app = create_app(lambda source: ViewQueue(source=source), settings)
    listener = _listen(settings.host, settings.port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # uvicorn raises the signal again once it has shut down in order: to be told to stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    click.echo(f"taking events at http://{shown}:{listener.getsockname()[1]}/v1/views")
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        raise click.ClickException(f"cannot listen on {host} port {port}: {error}") from None

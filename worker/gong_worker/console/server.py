"""The console's process: its socket, and who may use it."""

import getpass
import logging
import socket
from typing import Final

import uvicorn

from gong_views.errors import SettingsError
from gong_worker.console.app import create_app
from gong_worker.console.backend import Backend
from gong_worker.console.frame import Console
from gong_worker.console.sessions import Sessions
from gong_worker.console.settings import ConsoleSettings
from gong_worker.console.uploads import Uploads
from gong_worker.console.users import Users
from gong_worker.operations.services import SharedServices
from gong_worker.settings import WorkerSettings, is_loopback
from gong_worker.stopping import end_well_when_told

GRACE_SECONDS: Final = 2


def open_sessions(settings: ConsoleSettings) -> Sessions:
    """The sessions; raises SettingsError when other machines could connect and there is nobody to sign in."""
    users = Users(settings.users_path)
    nobody = not users.all() and settings.trust_header is None
    if nobody and not is_loopback(settings.host):
        raise SettingsError(
            f"there are no users in {users.path}, and the address {settings.host} is open to other machines: "
            "add one (gong-views console-user add NAME --role operator), or listen on 127.0.0.1"
        )
    try:
        local_name = getpass.getuser()
    except (KeyError, OSError):
        local_name = "unknown"
    return Sessions(
        users,
        idle_seconds=settings.idle_minutes * 60,
        longest_seconds=settings.session_hours * 3600,
        open_to_all=nobody,
        local_name=local_name,
    )


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, port 0 for any free one; raises OSError, and UnicodeError for an impossible host."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def run(settings: ConsoleSettings, sessions: Sessions, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    worker = WorkerSettings.load()
    console = Console(sessions, Backend(SharedServices(lambda: worker)), Uploads(settings))
    app = create_app(console, settings)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # Below WARNING it tells of itself.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    end_well_when_told()
    uvicorn.Server(config).run(sockets=[listener])

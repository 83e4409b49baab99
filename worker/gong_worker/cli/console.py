"""`gong-views console`: the operators' pages in a browser; and `console-user`: who may use them."""

import getpass
import sys
from pathlib import Path
from typing import Any

import click

from gong_worker.cli.output import JSON_OPTION, show, table


@click.command()
@click.option("--host", help="address to listen on; default GONG_VIEWS_CONSOLE_HOST (127.0.0.1)")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="0: any free one; default GONG_VIEWS_CONSOLE_PORT (8090)"
)
def console(host: str | None, port: int | None) -> None:
    """Serve the operators' pages to a browser, until SIGTERM or Ctrl-C.

    Other machines may connect only when there are users (gong-views console-user add).
    """
    from gong_worker import logs
    from gong_worker.alerts_settings import AlertSettings
    from gong_worker.console.settings import ConsoleSettings

    try:
        from gong_worker.console import server
    except ModuleNotFoundError as error:
        raise _without_extra(error) from None
    given: dict[str, Any] = {"GONG_VIEWS_CONSOLE_HOST": host, "GONG_VIEWS_CONSOLE_PORT": port}
    settings = ConsoleSettings.load(**{name: value for name, value in given.items() if value is not None})
    logs.configure()
    sessions = server.open_sessions(settings)
    try:
        listener = server.listen(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        raise click.ClickException(
            f"cannot listen on {settings.host} port {settings.port}: {error}"
        ) from None
    if AlertSettings.load().addresses:
        from gong_worker.runtime import start_alerts  # slow to import

        start_alerts()
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    click.echo(f"the console is at http://{shown}:{listener.getsockname()[1]}/")
    if sessions.open_to_all:
        click.echo("there are no users: whoever can connect on this machine is an operator", err=True)
    server.run(settings, sessions, listener)


@click.group("console-user")
def console_user() -> None:
    """Who may use the console, and as what."""


@console_user.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator"]), required=True)
@click.option("--payloads", is_flag=True, help="let a viewer see payloads and Gong's words about them")
@click.option(
    "--password-file", type=click.Path(dir_okay=False, path_type=Path), help="the password is its first line"
)
@click.option("--without-password", is_flag=True, help="a trusted proxy signs them in")
def add(name: str, role: str, payloads: bool, password_file: Path | None, without_password: bool) -> None:
    """Add a user, or change one. The password is asked for, or read from standard input if that is no terminal."""
    if without_password and password_file is not None:
        raise click.UsageError("--password-file and --without-password exclude each other")
    users, module = _users()
    password = None if without_password else _password(password_file)
    hashed = None if password is None else module.hash_password(password)
    users.add(module.User(name, module.Role(role), payloads, hashed))
    click.echo(f"{name} is {role} in {users.path}")


@console_user.command("list")
@JSON_OPTION
def list_users(as_json: bool) -> None:
    """Every user and their role."""
    users, _ = _users()
    rows = [
        {
            "name": user.name,
            "role": user.role.value,
            "payloads": user.sees_payloads,
            "password": user.password_hash is not None,
        }
        for _, user in sorted(users.all().items())
    ]
    show(
        {"users": rows},
        as_json=as_json,
        text=lambda: table(("name", "role", "payloads", "password"), (row.values() for row in rows)),
    )


@console_user.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a user; their sessions end at once."""
    users, _ = _users()
    users.remove(name)
    click.echo(f"{name} is removed from {users.path}")


def _users() -> tuple[Any, Any]:
    from gong_worker.console.settings import ConsoleSettings

    try:
        from gong_worker.console import users
    except ModuleNotFoundError as error:
        raise _without_extra(error) from None
    return users.Users(ConsoleSettings.load().users_path), users


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError):
            raise click.ClickException(f"cannot read the password in {file}") from None
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise click.ClickException("the two are not the same")
    return password


def _without_extra(error: ModuleNotFoundError) -> click.ClickException:
    return click.ClickException(
        f"{error.name} is not installed: the console needs pip install 'gong-views[console]'"
    )

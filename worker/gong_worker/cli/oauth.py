"""`gong-views oauth`: the approval of an OAuth client."""

import getpass
import sys
import webbrowser
from typing import TextIO

import click

from gong_worker.cli.loopback import wait_for_redirect
from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, at_time, facts, show
from gong_worker.domain.grants import USABLE, GrantState
from gong_worker.oauth import WRONG_KEY
from gong_worker.operations import oauth as use_cases
from gong_worker.operations.oauth import LoginRequest, OAuthReport
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services

LOGIN_SECONDS = 300.0
DEFAULT_PORT = 8765


@click.group()
def oauth() -> None:
    """Log in to Gong with an OAuth client, or bring a refresh token along."""


@oauth.command("key")
def key() -> None:
    """Print a new key for GONG_OAUTH_KEY; keep it in a file that GONG_OAUTH_KEY_FILE names."""
    from gong_worker.oauth import new_key

    click.echo(new_key())


@oauth.command("login")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="of this machine, for the redirect; http://127.0.0.1:PORT/callback has to be registered with the app in Gong",
)
@click.option("--redirect-uri", help="another registered address; what comes back there is then asked for")
@click.option("--code", "paste", is_flag=True, help="ask for what came back instead of listening for it")
@click.option("--no-browser", is_flag=True, help="only print the address to open")
@UTC_OPTION
@JSON_OPTION
def login(
    port: int, redirect_uri: str | None, paste: bool, no_browser: bool, utc: bool, as_json: bool
) -> None:
    """Have a technical administrator of Gong approve, and keep the tokens in the ledger, encrypted."""
    services = open_services()
    request = use_cases.new_login(services.settings, redirect_uri or f"http://127.0.0.1:{port}/callback")
    answer = _asked(request) if paste or redirect_uri else _heard(request, port, no_browser=no_browser)
    report = use_cases.finish_login(services, request, request.code_of(answer), by=getpass.getuser())
    _show(report, utc=utc, as_json=as_json)


@oauth.command("import")
@click.argument("file", type=click.File("r"), default="-")
@click.option("--replace", is_flag=True, help="also when an approval is in use, which is given up")
@UTC_OPTION
@JSON_OPTION
def import_token(file: TextIO, replace: bool, utc: bool, as_json: bool) -> None:
    """Begin with the refresh token in FILE (default: standard input), which is spent by it."""
    try:
        token = file.read().strip()
    except UnicodeDecodeError:
        token = ""
    if not token or any(character.isspace() for character in token):
        raise click.UsageError("there must be one refresh token and nothing else")
    services = open_services()
    if not replace and use_cases.oauth_report(services.settings, services.ledger).state in USABLE:
        raise click.UsageError(
            "an approval is in use (`gong-views oauth status`), and a token that Gong refuses would stop all calls: "
            "add --replace to give it up"
        )
    report = use_cases.import_grant(services, token, by=getpass.getuser())
    _show(report, utc=utc, as_json=as_json)
    if not report.usable:
        sys.exit(1)


@oauth.command("status")
@UTC_OPTION
@JSON_OPTION
def status(utc: bool, as_json: bool) -> None:
    """Who approved, until when the access token is good, and whether it is renewed. Exit 1 when no call can be made."""
    services = open_services()
    report = use_cases.oauth_report(services.settings, services.ledger)
    _show(report, utc=utc, as_json=as_json)
    if not report.usable:
        sys.exit(1)


def _asked(request: LoginRequest) -> str:
    click.echo(f"open: {request.url}", err=True)
    return str(click.prompt("the address that the browser was sent to, or the code in it", err=True))


def _heard(request: LoginRequest, port: int, *, no_browser: bool) -> str:
    def listening() -> None:
        click.echo(f"open: {request.url}", err=True)
        if not no_browser:
            webbrowser.open(request.url)

    try:
        answer = wait_for_redirect(port, listening, meant=request.is_answered_by, seconds=LOGIN_SECONDS)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror}; try another --port, or --code"
        ) from None
    if answer is None:
        raise click.ClickException(f"nothing came back within {LOGIN_SECONDS:g} s; try again, or with --code")
    return answer


def _show(report: OAuthReport, *, utc: bool, as_json: bool) -> None:
    def text() -> None:
        words = "not usable with this key" if report.key_fits is False else _WORDS[report.state]
        lines: dict[str, object] = {"state": words, "client": report.client_id}
        if report.granted_at is not None:
            lines["key"] = _KEY[report.key_fits]
            lines["granted"] = f"{at_time(report.granted_at, utc=utc)} by {report.granted_by}"
            lines["scope"] = report.scope
            lines["base URL"] = report.base_url
        for name, moment in (
            ("renewed", report.renewed_at), ("due", report.renewal_due_at), ("expires", report.expires_at),
        ):  # fmt: skip
            if moment is not None:
                lines[name] = at_time(moment, utc=utc)
        if report.failing_since is not None:
            lines["failing"] = f"since {at_time(report.failing_since, utc=utc)}: {report.failure}"
        facts(lines)

    show(to_json(report), as_json=as_json, text=text)


_KEY = {
    True: "opens the tokens",
    False: WRONG_KEY,
    None: "not checked: there is none here, or this database user may not read the tokens",
}
_WORDS = {
    GrantState.MISSING: "nobody has logged in: run gong-views oauth login",
    GrantState.USABLE: "usable",
    GrantState.ENDING: "usable until it expires, not renewed any more: run gong-views oauth login",
    GrantState.LOGIN_NEEDED: "not usable, and not renewed any more: run gong-views oauth login",
    GrantState.RENEWAL_NEEDED: "not usable until it is renewed; a worker tries again and again",
}

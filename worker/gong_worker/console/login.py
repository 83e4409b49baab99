"""Signing in and out: plain forms without a script, so that nobody reaches the pages' machinery before."""

import logging
from html import escape
from string import Template
from typing import Final
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from gong_worker.console.identity import LOGIN_PATH, SESSION, cookie_name
from gong_worker.console.login_limit import LoginLimit
from gong_worker.console.sessions import Sessions
from gong_worker.console.users import UsersProblem

log = logging.getLogger(__name__)

MAX_BODY: Final = 8_000
WRONG: Final = "The name or the password is wrong."
_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in · gong-views</title>
<link rel="stylesheet" href="/static/console.css">
</head>
<body class="login">
<main>
<h1>gong-views</h1>
<form method="post" action="/login">
$problem
<label for="name">Name</label>
<input id="name" name="name" value="$name" autocomplete="username" autocapitalize="none" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button>
</form>
</main>
</body>
</html>
""")


def login_router(sessions: Sessions) -> APIRouter:
    """`/login` and `/logout`."""
    router = APIRouter()
    limit = LoginLimit()
    at_once = CapacityLimiter(2)  # a check takes 64 MB and a processor

    @router.get(LOGIN_PATH)
    async def form(request: Request) -> Response:
        if request.scope[SESSION] is not None:
            return RedirectResponse("/", 303)
        return _page()

    @router.post(LOGIN_PATH)
    async def login(request: Request) -> Response:
        fields = await _fields(request)
        if fields is None:
            return PlainTextResponse("the form is too long\n", 413)
        name, password = fields.get("name", ""), fields.get("password", "")
        address = request.client.host if request.client is not None else ""
        if (wait := limit.wait_seconds(address, name)) > 0:
            log.warning("a login waits: too many failed", extra={"action": "login_limited", "peer": address})
            minutes = max(1, round(wait / 60))
            answer = _page(f"Too many failed logins: try again in {minutes} min.", name, status=429)
            answer.headers["Retry-After"] = str(round(wait) + 1)
            return answer
        # Counted before it is checked, so that guesses sent at once are counted too.
        limit.failed(address, name)
        try:
            user = await to_thread.run_sync(sessions.users.verified, name, password, limiter=at_once)
        except UsersProblem as error:
            return _page(str(error), name, status=503)
        if user is None:
            log.warning("a login failed", extra={"action": "login_failed", "peer": address})
            return _page(WRONG, name, status=401)
        limit.succeeded(address, name)
        log.info("a user signed in", extra={"action": "login", "peer": address, "by": user.name})
        response = RedirectResponse("/", 303)
        response.set_cookie(
            cookie_name(request.scope),
            sessions.open(user),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        sessions.close(request.scope[SESSION])
        response = RedirectResponse(LOGIN_PATH, 303)
        response.delete_cookie(
            cookie_name(request.scope), secure=request.url.scheme == "https", httponly=True
        )
        return response

    return router


async def _fields(request: Request) -> dict[str, str] | None:
    """The form's fields; None when there is more than a login needs."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}


def _page(problem: str = "", name: str = "", *, status: int = 200) -> HTMLResponse:
    shown = f'<p role="alert" class="problem">{escape(problem)}</p>' if problem else ""
    page = _PAGE.substitute(problem=shown, name=escape(name, quote=True))
    return HTMLResponse(page, status, headers={"Cache-Control": "no-store"})

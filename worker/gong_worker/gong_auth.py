"""How a call to Gong authenticates."""

from collections.abc import Generator

import httpx

from gong_worker.settings import WorkerSettings


class BearerAuth(httpx.Auth):
    """`Authorization: Bearer …` on every request."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """One request, with the header."""
        request.headers["Authorization"] = self._header
        yield request


def auth_of(settings: WorkerSettings) -> httpx.Auth:
    """The credential of the settings: Basic with key and secret, or a bearer token; ValueError without one."""
    if settings.gong_bearer_token is not None:
        return BearerAuth(settings.gong_bearer_token.get_secret_value())
    if settings.gong_access_key is None or settings.gong_access_key_secret is None:
        raise ValueError("no credentials")
    return httpx.BasicAuth(
        settings.gong_access_key.get_secret_value(), settings.gong_access_key_secret.get_secret_value()
    )

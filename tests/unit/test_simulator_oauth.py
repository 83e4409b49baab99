"""Laws of the simulator's authorisation server, asked over real HTTP."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from hashlib import sha256
from time import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from gong_worker.simulator import SimulatorClient
from tests.support.servers import wait_until
from tests.support.simulator import PATH, gong_client, sample_event

CLIENT = ("sim-client", "sim-client-secret")
TOKEN = "/oauth2/generate-customer-token"
CALLBACK = "http://127.0.0.1:5123/callback"
VERIFIER = "v" * 43


@pytest.fixture
def client(sim: SimulatorClient) -> Iterator[httpx.Client]:
    with gong_client(sim.url, auth=CLIENT) as made:
        yield made


def renew(client: httpx.Client, refresh_token: str, **changes: Any) -> httpx.Response:
    return client.post(TOKEN, data={"grant_type": "refresh_token", "refresh_token": refresh_token}, **changes)


def call(sim: SimulatorClient, access_token: str, event_id: str = "e-1") -> int:
    headers = {"Authorization": f"Bearer {access_token}"}
    with gong_client(sim.url, auth=None) as gong:
        return gong.put(PATH, json=sample_event(event_id), headers=headers).status_code


def approve(client: httpx.Client, **changes: str) -> dict[str, str]:
    """What comes back to the redirect address."""
    challenge = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    asked = {
        "client_id": "sim-client", "response_type": "code", "scope": "api:engagement-data:write",
        "redirect_uri": CALLBACK, "state": "s", "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    answer = client.get("/oauth2/authorize", params=asked | changes)
    assert answer.status_code == 302, answer.text
    location = urlsplit(answer.headers["location"])
    assert location._replace(query="").geturl() == CALLBACK
    return dict(parse_qsl(location.query))


def test_a_code_serves_once_with_its_verifier(sim: SimulatorClient, client: httpx.Client) -> None:
    """A code brings tokens that Gong takes, once, and only to whoever has its verifier and its redirect address."""
    asked = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    for wrong in ({"code_verifier": "w" * 43}, {"redirect_uri": "http://127.0.0.1:1/callback"}):
        code = approve(client)["code"]
        assert client.post(TOKEN, data={**asked, "code": code, **wrong}).json()["error"] == "invalid_grant"
    back = approve(client)
    assert back["state"] == "s"
    answer = client.post(TOKEN, data={**asked, "code": back["code"]})
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens["api_base_url_for_customer"] == sim.url
    assert (tokens["expires_in"], tokens["scope"]) == (86_400, "api:engagement-data:write")
    assert call(sim, tokens["access_token"]) == 200
    again = client.post(TOKEN, data={**asked, "code": back["code"]})
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_refresh_token_that_comes_again_ends_all(sim: SimulatorClient, client: httpx.Client) -> None:
    """Each renewal gives a new refresh token; the old one, used again, revokes whatever came of the approval."""
    first = sim.grant()
    tokens = renew(client, first).json()
    assert call(sim, tokens["access_token"]) == 200
    assert renew(client, first).json()["error"] == "invalid_grant"
    assert call(sim, tokens["access_token"], "e-2") == 401
    assert renew(client, tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert sim.oauth() == {"codes": 0, "refreshes": 1, "reuses": 1, "refused": 2, "granted": 0}


def test_an_old_refresh_token_may_be_refused_alone(sim: SimulatorClient, client: httpx.Client) -> None:
    """With `refresh_reuse` refuse the approval outlives a refresh token that comes again."""
    sim.settings(refresh_reuse="refuse")
    first = sim.grant()
    tokens = renew(client, first).json()
    assert renew(client, first).status_code == 400
    assert call(sim, tokens["access_token"]) == 200
    assert renew(client, tokens["refresh_token"]).status_code == 200


def test_tokens_expire_and_are_revoked(sim: SimulatorClient, client: httpx.Client) -> None:
    """An access token ends with its time and with a revocation; a refresh token with a revocation of everything."""
    sim.settings(access_token_seconds=1)
    tokens = renew(client, sim.grant()).json()
    assert call(sim, tokens["access_token"]) == 200
    wait_until(lambda: call(sim, tokens["access_token"]) == 401, "the token's end")
    sim.settings(access_token_seconds=60)
    tokens = renew(client, tokens["refresh_token"]).json()
    sim.revoke(access_only=True)
    assert call(sim, tokens["access_token"]) == 401
    tokens = renew(client, tokens["refresh_token"]).json()
    assert call(sim, tokens["access_token"]) == 409
    sim.revoke()
    assert call(sim, tokens["access_token"]) == 401
    assert renew(client, tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_old_access_token_may_end_with_its_renewal(sim: SimulatorClient, client: httpx.Client) -> None:
    """`old_access_token_seconds` 0: a renewal ends the access token before."""
    sim.settings(old_access_token_seconds=0)
    tokens = renew(client, sim.grant()).json()
    newer = renew(client, tokens["refresh_token"]).json()
    assert [call(sim, one["access_token"]) for one in (tokens, newer)] == [401, 200]


def test_the_token_endpoint_is_strict(sim: SimulatorClient, client: httpx.Client) -> None:
    """A wrong client, a secret in the address, a parameter given twice and another media type are refused."""
    token = sim.grant()
    wrong = renew(client, token, auth=("sim-client", "guess"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in wrong.headers
    in_address = client.post(f"{TOKEN}?grant_type=refresh_token&refresh_token={token}")
    as_json = client.post(TOKEN, json={"grant_type": "refresh_token", "refresh_token": token})
    twice = client.post(TOKEN, data={"grant_type": ["refresh_token"] * 2, "refresh_token": token})
    other = client.post(TOKEN, data={"grant_type": "password"})
    errors = [answer.json()["error"] for answer in (in_address, as_json, twice, other)]
    assert errors == ["invalid_request"] * 3 + ["unsupported_grant_type"]
    assert renew(client, token).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "api:calls:read"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_the_authorise_page_tells_the_client(
    client: httpx.Client, changes: dict[str, str], error: str
) -> None:
    """What is wrong with a request of a known client goes back to its redirect address."""
    assert approve(client, **changes) == {"state": "s", "error": error}


def test_a_strange_redirect_is_never_followed(sim: SimulatorClient, client: httpx.Client) -> None:
    """An unknown client or an address that is not registered is answered there and then; a no goes back."""
    asked = {
        "client_id": "sim-client",
        "response_type": "code",
        "redirect_uri": "https://evil.example/callback",
    }
    assert client.get("/oauth2/authorize", params=asked).status_code == 400
    assert client.get("/oauth2/authorize", params={**asked, "client_id": "x"}).status_code == 400
    assert client.get("/oauth2/nothing").status_code == 404
    sim.settings(oauth_approves=False)
    assert approve(client)["error"] == "access_denied"


def test_trouble_of_the_token_endpoint(sim: SimulatorClient, client: httpx.Client) -> None:
    """It may be down, lose the answer of what it did, and have a wrong clock that no lifetime depends on."""
    token = sim.grant()
    sim.settings(token_endpoint="down")
    assert renew(client, token).status_code == 503
    sim.settings(token_endpoint="lost_reply")
    with pytest.raises(httpx.RemoteProtocolError):
        renew(client, token)
    sim.settings(token_endpoint="up", oauth_clock_skew_seconds=7200)
    assert renew(client, token).json()["error"] == "invalid_grant"
    answer = renew(client, sim.grant())
    off = parsedate_to_datetime(answer.headers["date"]).timestamp() - time()
    assert 7000 < off < 7400
    assert answer.json()["expires_in"] == 86_400

"""What the console lets in, without a browser: raw requests and websockets."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from gong_worker.console.users import Role, User
from tests.console.served import PASSWORD, World, answers, console
from tests.support.processes import process
from tests.support.servers import Valkey, wait_until


def login(world: World, client: httpx.Client, name: str = "anna", password: str = PASSWORD) -> httpx.Response:
    """What the login form answers."""
    return client.post(
        f"{world.url}/login", data={"name": name, "password": password}, headers={"Origin": world.url}
    )


def socket_address(world: World, page: str) -> str:
    """Where the websocket of a page is."""
    found = re.search(r"'client_id': '([0-9a-f-]+)'", page) or re.search(
        r"client_id[^0-9a-f]+([0-9a-f-]{36})", page
    )
    assert found is not None
    return (
        f"{world.url.replace('http', 'ws')}/_nicegui_ws/socket.io/?EIO=4&transport=websocket&client_id={found[1]}"
        "&implicit_handshake=true&tab_id=1&document_id=1&next_message_id=0"
    )


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client with a cookie jar."""
    with httpx.Client() as client:
        yield client


def test_nothing_but_the_login_answers_a_stranger(world: World, client: httpx.Client) -> None:
    """Without a session every address leads to the login, and no websocket opens."""
    for path in (
        "/",
        "/dead-letters",
        "/session",
        "/_nicegui/3/static/nicegui.js",
        "/static/console.js",
        "/nowhere",
    ):
        answer = client.get(world.url + path)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/login"), path
    assert client.get(f"{world.url}/_nicegui_ws/socket.io/?EIO=4&transport=polling").status_code == 403
    assert client.get(f"{world.url}/healthz").json() == {"status": "alive"}
    with pytest.raises(InvalidStatus):
        connect(socket_address(world, "client_id: 00000000-0000-0000-0000-000000000000"), origin=world.url)  # type: ignore[arg-type]


def test_every_answer_has_its_headers_and_a_page_its_nonce(world: World, client: httpx.Client) -> None:
    """No page may be framed or load anything from elsewhere; an inline script without the answer's nonce is dead."""
    first = client.get(f"{world.url}/login")
    cookie = login(world, client).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    page, again = client.get(world.url), client.get(world.url)
    for answer in (first, page, client.get(f"{world.url}/healthz"), client.get(f"{world.url}/nowhere")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "http" not in answer.headers["content-security-policy"]
    policy = page.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce is not None and nonce[1] not in again.headers["content-security-policy"]
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-inline" not in scripts
    assert set(re.findall(r"<script\b([^>]*)", page.text)) and all(
        f'nonce="{nonce[1]}"' in tag for tag in re.findall(r"<script\b([^>]*)", page.text)
    )
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page.text)


def test_other_sites_can_neither_post_nor_open_the_websocket(world: World, client: httpx.Client) -> None:
    """With a right cookie, a request from another origin, another port or no origin at all is refused."""
    login(world, client)
    page = client.get(world.url).text
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    for origin in ("https://evil.example", "http://127.0.0.1:1", "null", None):
        headers = {} if origin is None else {"Origin": origin}
        assert client.post(f"{world.url}/logout", headers=headers).status_code == 403
        with pytest.raises(InvalidStatus):
            connect(socket_address(world, page), origin=origin, additional_headers={"Cookie": cookie})  # type: ignore[arg-type]
    sent = {"Origin": world.url, "Sec-Fetch-Site": "cross-site"}
    assert client.post(f"{world.url}/logout", headers=sent).status_code == 403
    with connect(
        socket_address(world, page),
        origin=world.url,
        additional_headers={"Cookie": cookie},  # type: ignore[arg-type]
    ) as socket:
        assert str(socket.recv(timeout=30)).startswith("0")
    client.post(f"{world.url}/logout", headers={"Origin": world.url})
    assert client.get(f"{world.url}/session").status_code == 303
    with httpx.Client() as thief:
        thief.headers["Cookie"] = cookie
        assert thief.get(f"{world.url}/session").status_code == 303, (
            "the cookie of a session that was signed out"
        )


def test_a_page_s_websocket_is_its_own_user_s(world: World, client: httpx.Client) -> None:
    """Nobody opens the websocket of another user's page; a removed user's is closed at the next message."""
    login(world, client)
    page = client.get(world.url).text
    with httpx.Client() as other:
        login(world, other, "vera")
        cookie = "; ".join(f"{name}={value}" for name, value in other.cookies.items())
        with pytest.raises(InvalidStatus):
            connect(socket_address(world, page), origin=world.url, additional_headers={"Cookie": cookie})  # type: ignore[arg-type]
        own = socket_address(world, other.get(world.url).text)
    vera = world.users.get("vera")
    assert vera is not None
    with connect(own, origin=world.url, additional_headers={"Cookie": cookie}) as socket:  # type: ignore[arg-type]
        socket.recv(timeout=30)
        world.users.remove("vera")
        socket.send("40")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=30)
        world.users.add(vera)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401


def test_guessing_is_slowed_down_and_told_to_nobody(world: World, client: httpx.Client) -> None:
    """A wrong password and an unknown name get one answer, and the eleventh guess from one address is not looked at."""
    client.headers["X-Forwarded-For"] = "192.0.2.9"  # as the trusted proxy of this world tells it
    answers = [login(world, client, name, "guess number twelve") for name in ("anna", "nobody")]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].text.replace("anna", "nobody") == answers[1].text
    codes = [login(world, client, "nobody", "guess").status_code for _ in range(9)]
    assert codes == [401] * 8 + [429]
    assert login(world, client).status_code == 429, "even the right one"
    too_long = client.post(f"{world.url}/login", content=b"x" * 9_000, headers={"Origin": world.url})
    assert too_long.status_code == 413
    log = world.process.log
    assert "login_failed" in log and "login_limited" in log and "guess" not in log
    client.headers["X-Forwarded-For"] = "192.0.2.10"
    client.headers["X-Forwarded-Proto"] = "https"
    answer = login(world, client)
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-") and "; Secure" in cookie


def test_a_proxy_s_word_counts_only_from_the_proxy(tmp_path: Path, valkey_server: Valkey) -> None:
    """The header names the user when it comes from a trusted address and exactly once; https makes secure cookies."""
    trusting = {
        "GONG_VIEWS_CONSOLE_TRUST_HEADER": "X-Forwarded-User",
        "GONG_VIEWS_CONSOLE_TRUSTED_PROXIES": "127.0.0.1",
    }
    database = f"sqlite:///{tmp_path}/ledger.db"
    with console(tmp_path, valkey_server, database, trusting) as world, httpx.Client() as client:
        world.users.add(User("pia", Role.VIEWER))
        answer = client.get(world.url, headers={"X-Forwarded-User": "pia", "X-Forwarded-Proto": "https"})
        assert (answer.status_code, "pia (viewer)" in answer.text) == (200, True)
        assert "max-age" in answer.headers["strict-transport-security"]
        for headers in (
            [],
            [("X-Forwarded-User", "nobody")],
            [("X-Forwarded-User", "pia"), ("X-Forwarded-User", "anna")],
        ):
            assert client.get(world.url, headers=headers).status_code == 403
    elsewhere = {**trusting, "GONG_VIEWS_CONSOLE_TRUSTED_PROXIES": "192.0.2.7"}
    (tmp_path / "elsewhere").mkdir()
    with (
        console(tmp_path / "elsewhere", valkey_server, database, elsewhere) as world,
        httpx.Client() as client,
    ):
        assert client.get(world.url, headers={"X-Forwarded-User": "anna"}).status_code == 403


def test_without_users_it_answers_this_machine_only(tmp_path: Path, valkey_server: Valkey) -> None:
    """On another address it does not start and says how to; on loopback a name that points here is refused."""
    environment = {
        "REDIS_URL": valkey_server.url,
        "GONG_VIEWS_DATA_DIR": str(tmp_path),
        "PYTHONUNBUFFERED": "1",
    }
    arguments = ["gong_worker", "console", "--port", "0"]
    with process([*arguments, "--host", "0.0.0.0"], tmp_path / "open.log", environment) as refused:
        assert refused.popen.wait(30) == 2
        assert "console-user add NAME --role operator" in refused.log
    with process(arguments, tmp_path / "local.log", environment) as running, httpx.Client() as client:
        found = wait_until(lambda: re.search(r"http://[0-9.]+:(\d+)/", running.log), "the address")
        wait_until(lambda: answers(found[0].rstrip("/")), "the console")
        answer = client.get(found[0])
        assert answer.status_code == 200 and "(operator)" in answer.text
        assert client.get(found[0], headers={"Host": f"rebound.example:{found[1]}"}).status_code == 403
        running.popen.terminate()
        assert running.popen.wait(30) == 0, "to be told to stop is no failure"

"""Who may come in, and from where."""

import pytest

from gong_views.errors import SettingsError
from gong_worker.web import WebSettings
from tests.support.views import view
from tests.web.conftest import KEY, KEYS, NEXT_KEY, OTHER_KEY, MakeApp, TestClient, queued


@pytest.mark.parametrize(
    ("headers", "source"),
    [
        ({"Authorization": f"Bearer {KEY}"}, "backend"),
        ({"Authorization": f"bearer {NEXT_KEY}"}, "backend"),
        ({"X-API-Key": OTHER_KEY}, "portal"),
    ],
)
def test_a_key_names_the_source(
    make_app: MakeApp, redis_url: str, headers: dict[str, str], source: str
) -> None:
    """Each key opens, by either header, and its name is the message's source."""
    with TestClient(make_app(api_keys=KEYS)) as client:
        assert client.post("/v1/views", json=view(1), headers=headers).status_code == 202
    assert [envelope.source for envelope in queued(redis_url)] == [source]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY + "0"},
        {"X-API-Key": "backend"},
        {"X-API-Key": "schlüssel-schlüssel".encode("latin-1")},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer wrong", "X-API-Key": "wrong"},
    ],
)
def test_no_valid_key(make_app: MakeApp, redis_url: str, headers: dict[str, str]) -> None:
    """401 without a valid key, whatever the body; nothing goes in."""
    with TestClient(make_app(api_keys=KEYS)) as client:
        answer = client.post("/v1/views", json=view(1), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert KEY not in answer.text
    assert queued(redis_url) == []


def test_health_needs_no_key(make_app: MakeApp) -> None:
    """Whoever watches the process needs no key."""
    with TestClient(make_app(api_keys=KEYS)) as client:
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    "keys",
    [
        "backend:short-key-15chr",
        KEY,
        f":{KEY}",
        f"a b:{KEY}",
        f"a:{KEY},b:{KEY}",
        f"a:{KEY} {KEY}",
        ",",
        "a:ü" * 9,
    ],
)
def test_bad_keys_stop_the_start(keys: str) -> None:
    """Weak, nameless and doubled keys are refused, naming the variable and repeating no key."""
    with pytest.raises(SettingsError, match="GONG_VIEWS_API_KEYS") as caught:
        WebSettings.load(api_keys=keys)
    for secret in (KEY, "short-key-15chr"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "web.internal", ""])
def test_without_keys_only_this_machine(host: str) -> None:
    """An address that other machines reach needs keys."""
    with pytest.raises(SettingsError, match="GONG_VIEWS_API_KEYS"):
        WebSettings.load(host=host)
    if host:
        assert WebSettings.load(host=host, api_keys=KEYS).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    """On the machine's own address no keys are needed."""
    assert WebSettings.load(host=host).keys == ()


def test_keys_are_not_shown() -> None:
    """A printed key or settings object does not show the secret."""
    settings = WebSettings.load(api_keys=KEYS)
    assert KEY not in repr(settings) + repr(settings.keys)

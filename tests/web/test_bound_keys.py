"""What a key may do: its scopes, and the reporting systems that it is bound to."""

from pathlib import Path

import pytest

from gong_views.errors import SettingsError
from gong_worker.web import WebSettings
from gong_worker.web.keys import Scope, parse_keys
from tests.support.views import view
from tests.web.conftest import KEY, NEXT_KEY, OTHER_KEY, MakeApp, TestClient, queued


def test_an_event_of_another_system_is_rejected(make_app: MakeApp, redis_url: str) -> None:
    """A bound key sends events of its reporting systems; one of another system is rejected by its index."""
    keys = f"shop@shop|content-hub:{KEY},portal@portal%7Cx:{NEXT_KEY},any:{OTHER_KEY}"
    events = [view(1, reportingSystem=name) for name in ("shop", "portal|x", "content-hub")]
    with TestClient(make_app(api_keys=keys)) as client:
        bound = client.post("/v1/views", json=events, headers={"X-API-Key": KEY})
        assert bound.status_code == 202
        assert [accepted["index"] for accepted in bound.json()["accepted"]] == [0, 2]
        [rejected] = bound.json()["rejected"]
        assert (rejected["index"], rejected["errors"][0]["field"]) == (1, "reportingSystem")
        other = client.post("/v1/views", json=events[0], headers={"X-API-Key": NEXT_KEY})
        assert other.status_code == 422
        assert client.post("/v1/views", json=events, headers={"X-API-Key": OTHER_KEY}).status_code == 202
    assert [(m.source, m.event["reportingSystem"]) for m in queued(redis_url)] == [
        ("shop", "shop"), ("shop", "content-hub"), ("any", "shop"), ("any", "portal|x"), ("any", "content-hub"),
    ]  # fmt: skip


def test_a_key_without_the_scope(make_app: MakeApp, redis_url: str) -> None:
    """403, and nothing goes in, for a key that may do other things only."""
    with TestClient(make_app(api_keys=f"grafana/read:{KEY},ops/read+ingest:{OTHER_KEY}")) as client:
        refused = client.post("/v1/views", json=view(1), headers={"X-API-Key": KEY})
        assert (refused.status_code, refused.headers["Content-Type"]) == (403, "application/problem+json")
        assert queued(redis_url) == []
        assert client.post("/v1/views", json=view(1), headers={"X-API-Key": OTHER_KEY}).status_code == 202


def test_keys_are_read_as_written() -> None:
    """Scopes and systems are optional; a plain key has the scope ingest and any system."""
    plain, full = parse_keys(f"a:{KEY}\n# b:{KEY}\n b/read+operate@x y|z:{OTHER_KEY}, ")
    assert (plain.scopes, plain.reporting_systems) == ({Scope.INGEST}, None)
    assert (full.name, full.scopes) == ("b", {Scope.READ, Scope.OPERATE})
    assert full.reporting_systems == {"x y", "z"}


def test_keys_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys may stand in a file, one a line; what is wrong names the variable and no key."""
    file = tmp_path / "keys"
    file.write_text(f"# backends\nshop:{KEY}\nportal@portal:{NEXT_KEY}\n")
    monkeypatch.setenv("GONG_VIEWS_API_KEYS_FILE", str(file))
    assert [key.name for key in WebSettings.load(host="0.0.0.0").keys] == ["shop", "portal"]
    for content in (f"no name {KEY}", f"a:{KEY}\nb:{KEY}"):
        file.write_text(content)
        with pytest.raises(SettingsError, match="GONG_VIEWS_API_KEYS") as caught:
            WebSettings.load()
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("entry", [f"a/:{KEY}", f"a/write:{KEY}", f"a@:{KEY}", f"a@x|:{KEY}", f"/read:{KEY}"])
def test_wrong_scopes_and_systems_stop_the_start(entry: str) -> None:
    """An unknown scope and an empty reporting system are refused, naming the variable and no key."""
    with pytest.raises(SettingsError, match="GONG_VIEWS_API_KEYS") as caught:
        WebSettings.load(api_keys=entry)
    assert KEY not in str(caught.value)

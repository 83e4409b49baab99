"""`/metrics`: right for all workers, by Prometheus's rules, and there while a part is away."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from gong_views.names import Lane
from gong_worker.ledger import Ledger, migrate, open_engine
from tests.integration.cli.letters import three_kinds
from tests.integration.ledger.support import claimed, deliver
from tests.support.servers import valkey, wait_until
from tests.support.views import view
from tests.web.conftest import KEY, KEYS, OTHER_KEY, READ_KEY, MakeApp, TestClient

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """Six dead letters, and a delivery that took 50 s."""
    migrate(ledger_url)
    ledger = Ledger(open_engine(ledger_url))
    three_kinds(ledger, 2)
    deliver(ledger, claimed(ledger, "m1", 49), 50)
    yield ledger
    ledger.close()


def _samples(text: str) -> Samples:
    found: Samples = {}
    for family in parsed(text):
        assert family.documentation, family.name
        for sample in family.samples:
            where = (sample.name, frozenset(sample.labels.items()))
            assert where not in found, where
            found[where] = sample.value
    return found


def _scrape(client: TestClient, key: str = READ_KEY) -> Samples:
    answer = client.get("/metrics", headers={"X-API-Key": key})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return _samples(answer.text)


def _value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"gong_views_{name}", frozenset(labels.items())]


def test_the_metrics_tell_what_is_there(make_app: MakeApp, ledger: Ledger) -> None:
    """Backlog, gate, budget, attempts, deliveries, latencies, letters and drift, by their documented names."""
    with TestClient(make_app(api_keys=KEYS)) as client:
        assert (
            client.post("/v1/views?lane=bulk", json=view(50), headers={"X-API-Key": KEY}).status_code == 202
        )
        wait_until(
            lambda: ("gong_views_drift_checked_timestamp_seconds", frozenset()) in _scrape(client),
            "a reconciliation",
        )
        found = _scrape(client)
        for key, status in ((OTHER_KEY, 403), ("nonsense", 401)):
            assert client.get("/metrics", headers={"X-API-Key": key}).status_code == status
        document = client.get("/openapi.json").json()["paths"]["/metrics"]["get"]
        assert list(document["responses"]["200"]["content"]) == ["text/plain"]
    for name, labels, value in (
        ("up", {"part": "queue"}, 1), ("up", {"part": "ledger"}, 1),
        ("backlog_messages", {"lane": "bulk"}, 1), ("backlog_messages", {"lane": "live"}, 0),
        ("workers_alive", {}, 0), ("gate_state", {"state": "open"}, 1), ("gate_hold", {"reason": "operator"}, 0),
        ("day_calls_limit", {}, 10_000), ("day_calls_reserve", {}, 500), ("calls_per_second_limit", {}, 3),
        ("events", {"status": "dead"}, 6), ("attempts_total", {"outcome": "rejected"}, 6),
        ("attempts_total", {"outcome": "delivered"}, 1), ("attempts_in_flight", {}, 0),
        ("deliveries_total", {"lane": "live", "resolution": "accepted"}, 1), ("duplicates", {"lane": "live"}, 0),
        ("dead_letters_open", {"reason": "rejected"}, 6), ("dead_letters_total", {"reason": "rejected"}, 6),
        ("delivery_latency_seconds_count", {"lane": "live"}, 1),
        ("delivery_latency_seconds_sum", {"lane": "live"}, 50), ("delivery_latency_seconds_count", {"lane": "bulk"}, 0),
        # Nothing counted the messages of these events in: they were written straight into the ledger.
        ("drift_messages", {"lane": "live", "direction": "uncounted"}, 7),
        ("drift_messages", {"lane": "live", "direction": "missing"}, 0),
    ):  # fmt: skip
        assert _value(found, name, **labels) == value, (name, labels)
    buckets = {
        float(dict(labels)["le"]): number
        for (name, labels), number in found.items()
        if name.endswith("latency_seconds_bucket") and ("lane", "live") in labels
    }
    assert len(buckets) == 16 and {number for end, number in buckets.items() if end < 50} == {0}
    assert {number for end, number in buckets.items() if end >= 60} == {1}

    documented = set(re.findall(r"^\| `(gong_views_\w+)`", PAGE, re.MULTILINE))
    absent = {"gong_views_drained_timestamp_seconds", "gong_views_gate_hold_until_timestamp_seconds"}
    told = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name, _ in found}
    assert told <= documented and documented - told <= absent


def test_a_part_that_is_away_leaves_the_rest(make_app: MakeApp, ledger: Ledger, ledger_url: str) -> None:
    """Without the ledger the queue's and the gate's metrics are there, without Redis the ledger's; `up` says which."""
    with valkey(appendfsync="no") as own:
        with TestClient(make_app(own.url, "sqlite:////nowhere/ledger.db")) as unkeyed:
            found = _scrape(unkeyed)
            assert (_value(found, "up", part="queue"), _value(found, "up", part="ledger")) == (1, 0)
            assert _value(found, "backlog_messages", lane="live") == 0
            assert not any(name.startswith("gong_views_deliveries") for name, _ in found)
        with TestClient(make_app(own.url, ledger_url)) as unkeyed:
            assert _value(_scrape(unkeyed), "up", part="queue") == 1
            own.kill()
            found = _scrape(unkeyed)
            assert (_value(found, "up", part="queue"), _value(found, "up", part="ledger")) == (0, 1)
            assert _value(found, "gate_state", state="unavailable") == 1
            assert _value(found, "deliveries_total", lane=Lane.LIVE.value, resolution="accepted") == 1
            assert not any(name.startswith("gong_views_backlog") for name, _ in found)

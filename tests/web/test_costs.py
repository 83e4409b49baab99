"""What a request may cost: memory, CPU time, and how many of them a key may send."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from gong_views import InvalidViewEvent, ViewEvent
from gong_views.json_input import MAX_EVENT_VALUES, read_json
from gong_worker.body_settings import MAX_BODY_VALUES
from gong_worker.web.rate_limit import BURST_SECONDS, RateLimit
from tests.support.views import view
from tests.web.conftest import KEY, KEYS, OTHER_KEY, MakeApp, TestClient
from tests.web.served import serving

SIZE = 4_990_000
LINES = "application/x-ndjson"


def _array(item: str, size: int) -> str:
    return "[" + ",".join([item] * (size // (len(item) + 1))) + "]"


def _properties(size: int) -> str:
    return f'{{"contentProperties":{_array("{}", size)}}}'


COSTLY = {
    "open braces": (LINES, "{\n" * (SIZE // 2)),
    "empty arrays": ("application/json", _array("[]", SIZE)),
    "an event of empty arrays": ("application/json", f'{{"x":{_array("[]", 3_900_000)}}}'),
    "an event of small objects": ("application/json", '{"x":' + _array('{"a":1}', 3_900_000) + "}"),
    "an event of wrong properties": (LINES, _properties(3_900_000)),
    "events of wrong properties": (LINES, "\n".join([_properties(4_900)] * 1_000)),
    "as many wrong properties as are read": (LINES, "\n".join([_properties(130)] * 1_000).ljust(SIZE)),
    "as many unknown fields as are read": (
        LINES, "\n".join([json.dumps({f"a{n}": 1 for n in range(95)})] * 1_000).ljust(SIZE)
    ),
    "blank lines": (LINES, " \n" * (SIZE // 2)),
    "quotes": ("application/json", '"",' * (SIZE // 3)),
    "a wide character": ("application/json", '{"x":"\U0001f600' + "a" * 3_900_000 + '"}'),
}  # fmt: skip


def _peak_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_the_cost_of_a_request(redis_url: str, tmp_path: Path) -> None:
    """No body of 5 MB costs more than 10 times its size in memory, nor more than 1 s of CPU time; nor do eight."""
    environment = {"REDIS_URL": redis_url, "GONG_VIEWS_HTTP_REQUESTS_PER_SECOND": "1000"}
    with serving(tmp_path, environment) as (running, url), httpx.Client(timeout=60) as client:
        server = psutil.Process(running.pid)

        def post(kind: str, body: str) -> int:
            answer = client.post(f"{url}/v1/views", content=body, headers={"Content-Type": kind})
            return answer.status_code

        def cost(name: str, times: int) -> tuple[float, float]:
            kind, body = COSTLY[name]
            Path(f"/proc/{running.pid}/clear_refs").write_text("5")  # the peak begins anew
            memory, before = server.memory_info().rss, server.cpu_times()
            with ThreadPoolExecutor(times) as pool:
                assert set(pool.map(lambda _: post(kind, body), range(times))) <= {400, 413, 422, 503}
            after = server.cpu_times()
            seconds = after.user + after.system - before.user - before.system
            return (_peak_bytes(running.pid) - memory) / len(body.encode()), seconds

        assert post("application/json", "{}") == 422
        costs = {name: cost(name, 1) for name in COSTLY}
        eight = cost("empty arrays", 8)
    assert {name: memory for name, (memory, _) in costs.items() if memory > 10} == {}
    assert {name: seconds for name, (_, seconds) in costs.items() if seconds > 1} == {}
    assert eight[0] < 8 * 10


def test_too_many_values() -> None:
    """An event of more values than the limit is refused, as text and as a mapping; signs in strings do not count."""
    values = [1] * (MAX_EVENT_VALUES - 40)
    fields = [{"name": "a", "value": values}]
    crm = [{"system": "Generic", "objects": [{"objectType": "Lead", "objectId": "1", "fields": fields}]}]
    event = view(1, crmContext=crm, contentTitle="[,{" * 5_000)
    assert ViewEvent.parse(event) == ViewEvent.parse(json.dumps(event))
    values += [1] * 80
    for data in (event, json.dumps(event)):
        with pytest.raises(InvalidViewEvent, match="holds more than 10,000 values"):
            ViewEvent.parse(data)
    assert read_json('"' + "," * (MAX_EVENT_VALUES + 1) + '"') == "," * (MAX_EVENT_VALUES + 1)


def test_too_many_values_in_a_request(make_app: MakeApp) -> None:
    """413 for a body of more values than the limit, which says to send it in parts."""
    events = [view(n, contentTitle="a,b", viewer=None) for n in range(900)]
    with TestClient(make_app()) as client:
        assert client.post("/v1/views", json=events).status_code == 202
        events[0]["x"] = [0] * MAX_BODY_VALUES
        answer = client.post("/v1/views", json=events)
    assert (answer.status_code, "in parts" in answer.json()["detail"]) == (413, True)


def test_a_key_that_asks_too_much(make_app: MakeApp) -> None:
    """429 with Retry-After for a key over its rate, whatever it asks; other keys go on; long bodies count more."""
    with TestClient(make_app(api_keys=KEYS, requests_per_second=1)) as client:

        def send(key: str, body: object) -> httpx.Response:
            return client.post("/v1/views", json=body, headers={"X-API-Key": key})

        statuses = [send(KEY, view(n)).status_code for n in range(int(BURST_SECONDS) + 5)]
        assert statuses[: int(BURST_SECONDS)] == [202] * int(BURST_SECONDS)
        assert statuses[-1] == 429
        refused = send(KEY, [])
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        assert send(OTHER_KEY, view(1, contentTitle="a" * 900_000)).status_code == 202
        assert send(OTHER_KEY, view(2)).status_code == 429


def test_the_rate_is_kept() -> None:
    """After the burst a key gets its rate exactly, and a debt is paid before the next request."""
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    taken = 0
    for tick in range(1_000):  # a request each 0.1 s for 100 s
        now = 100 + tick / 10
        taken += limit.wait_seconds("a") == 0
    assert taken == pytest.approx(2 * (BURST_SECONDS + 100), abs=2)
    limit.charge("b", 2 * BURST_SECONDS + 10)
    assert limit.wait_seconds("b") == pytest.approx(5.5, abs=0.01)
    now += 5.6
    assert limit.wait_seconds("b") == 0


def test_errors_of_one_answer_are_bounded(make_app: MakeApp) -> None:
    """Every wrong event is told by its index; past 2,000 errors with its first error only."""
    events = [{f"a{n}": n for n in range(60)}] * 100
    with TestClient(make_app()) as client:
        began = time.process_time()
        answer = client.post("/v1/views", json=events)
        assert time.process_time() - began < 2
    rejected = answer.json()["rejected"]
    assert [entry["index"] for entry in rejected] == list(range(100))
    assert sum(len(entry["errors"]) for entry in rejected) <= 2_100
    assert all(entry["errors"] for entry in rejected)

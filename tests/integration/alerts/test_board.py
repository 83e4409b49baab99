"""Who tells of an alert: decided by one script for all processes."""

import json
from typing import Any

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gong_views.names import ALERTS_KEY
from gong_worker.queue.alerts import AlertBoard, Phase
from tests.support.servers import Valkey

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("look"), st.booleans()),
        st.tuples(st.just("deliver"), st.booleans()),
        st.tuples(st.just("wait"), st.floats(0, 200)),
    ),
    max_size=40,
)


def shift(client: "redis.Redis", seconds: float) -> None:
    """Let the alerts' times be so much longer ago."""
    entries: Any = client.hgetall(ALERTS_KEY)
    for field, raw in entries.items():
        entry = json.loads(raw)
        entry["since"] -= seconds
        entry["telling"] -= seconds
        client.hset(ALERTS_KEY, field, json.dumps(entry))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_begin_and_end_alternate(redis_url: str, valkey_server: Valkey, steps: list[tuple[str, Any]]) -> None:
    """Whatever is seen, delivered and lost: no begin follows a begin that was delivered, no end comes without one."""
    with valkey_server.client() as client:
        client.delete(ALERTS_KEY)
        board, delivered, telling = AlertBoard(client), [], None
        for step, value in steps:
            if step == "look":
                due = board.stands("t", "held", "text", 60) if value else board.ended("t", "held")
                if due is not None:
                    telling = due[0]
            elif step == "deliver" and telling is not None:
                board.told("t", "held", telling, delivered=value)
                delivered += [telling] if value else []
                telling = None
            elif step == "wait":
                shift(client, value)
                if value > 90:
                    telling = None  # it took too long: another process would tell it now
        assert delivered == [Phase.BEGIN, Phase.END] * (len(delivered) // 2) + [Phase.BEGIN] * (
            len(delivered) % 2
        )


def test_a_late_answer_ends_nothing(redis_url: str, valkey_server: Valkey) -> None:
    """A process that froze while telling the begin does not end the alert that another has told meanwhile."""
    with valkey_server.client() as client:
        board = AlertBoard(client)
        assert board.stands("t", "held", "text", 0) is not None
        shift(client, 100)
        assert board.stands("t", "held", "text", 0) is not None
        board.told("t", "held", Phase.BEGIN, delivered=True)
        board.told("t", "held", Phase.BEGIN, delivered=True)
        assert board.stands("t", "held", "text", 0) is None
        assert [alert.told for alert in board.standing()] == [True]

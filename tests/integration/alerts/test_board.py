"""Who tells of an alert: decided by one script for all processes."""

import json
from dataclasses import dataclass, field
from typing import Any

import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gong_views.names import ALERTS_KEY
from gong_worker.queue.alerts import AlertBoard, Phase
from tests.support.servers import Valkey

#: What comes of telling: noted as delivered or as not, or the teller is killed before it notes anything.
TELLINGS = ("delivered", "refused", "killed after", "killed before")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("look"), st.booleans()),
        st.tuples(st.just("tell"), st.sampled_from(TELLINGS)),
        st.tuples(st.just("wait"), st.floats(0, 200)),
    ),
    max_size=40,
)
BEGIN, END = Phase.BEGIN, Phase.END


def shift(client: "redis.Redis", seconds: float) -> None:
    """Let the alerts' times be so much longer ago."""
    entries: Any = client.hgetall(ALERTS_KEY)
    for name, raw in entries.items():
        entry = json.loads(raw)
        entry["since"] -= seconds
        entry["telling"] -= seconds
        client.hset(ALERTS_KEY, name, json.dumps(entry))


@dataclass
class Watched:
    """One trouble and what was told of it. `unexplained`: words out of turn though no teller was killed before them."""

    client: "redis.Redis"
    told: list[Phase] = field(default_factory=list)
    unexplained: int = 0
    killed: bool = False
    telling: Phase | None = None
    since_claim: float = 0.0

    def look(self, *, stands: bool) -> None:
        """One look of a living process."""
        board = AlertBoard(self.client)
        due = board.stands("t", "held", "text", 60) if stands else board.ended("t", "held")
        if due is not None:
            assert self.telling is None, "two tell at once"
            self.telling, self.since_claim = due[0], 0.0

    def tell(self, outcome: str) -> None:
        """What comes of the telling that is under way."""
        phase, self.telling = self.telling, None
        if phase is None:
            return
        if outcome in ("delivered", "killed after"):
            in_turn = END if self.told[-1:] == [BEGIN] else BEGIN
            self.unexplained += phase is not in_turn and not self.killed
            self.told.append(phase)
            self.killed = False
        if outcome.startswith("killed"):
            self.killed = True
        else:
            AlertBoard(self.client).told("t", "held", phase, delivered=outcome == "delivered")

    def wait(self, seconds: float) -> None:
        """Time goes by; who tells for too long is killed."""
        shift(self.client, seconds)
        self.since_claim += seconds
        if self.since_claim > 60:
            self.tell("killed before")

    def settle(self, *, stands: bool) -> None:
        """It is so for long, and everything works."""
        self.tell("delivered")
        for _ in range(4):
            self.wait(200)
            self.look(stands=stands)
            self.tell("delivered")


SEARCH = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TOLD = [("look", True), ("wait", 61.0), ("look", True)]


@SEARCH
@given(steps=STEPS, stands=st.booleans())
@example(steps=[*TOLD, ("tell", "killed after")], stands=False)
@example(steps=[*TOLD, ("tell", "delivered"), ("look", False), ("tell", "killed after")], stands=True)
def test_the_last_word_is_right_and_no_living_teller_repeats_one(
    redis_url: str, valkey_server: Valkey, steps: list[tuple[str, Any]], stands: bool
) -> None:
    """Whoever may have had the beginning has the end at last; a word comes twice only after its teller was killed."""
    with valkey_server.client() as client:
        client.delete(ALERTS_KEY)
        watched = Watched(client)
        for step, value in steps:
            match step:
                case "look":
                    watched.look(stands=value)
                case "tell":
                    watched.tell(value)
                case "wait":
                    watched.wait(value)
        watched.settle(stands=stands)
        assert watched.unexplained == 0
        assert watched.told[-1:] == ([BEGIN] if stands else [END] if watched.told else [])


def test_a_late_answer_ends_nothing(redis_url: str, valkey_server: Valkey) -> None:
    """A process that froze while telling ends neither what another has told meanwhile nor the trouble after it."""
    with valkey_server.client() as client:
        board = AlertBoard(client)
        assert board.stands("t", "held", "text", 0) is not None
        shift(client, 100)
        assert board.stands("t", "held", "text", 0) is not None
        board.told("t", "held", BEGIN, delivered=True)
        board.told("t", "held", BEGIN, delivered=True)
        assert board.stands("t", "held", "text", 0) is None
        assert [alert.told for alert in board.standing()] == [True]
        board.told("t", "held", END, delivered=True)  # of an end that another one told, and another trouble's
        assert [alert.told for alert in board.standing()] == [True]

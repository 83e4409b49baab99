"""The gate as a worker uses it: acquire a slot, wait, confirm, call, report."""

import logging
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import redis

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import Outcome
from gong_worker.gate.arguments import micros, report_arguments, shortened
from gong_worker.gate.clock import Clock
from gong_worker.gate.hold_log import HoldLog
from gong_worker.gate.lane_throttle import LaneThrottle
from gong_worker.gate.rebuild import History, Recorded, compare, rebuild
from gong_worker.gate.scripts import Scripts, texts_of
from gong_worker.gate.settings import LIMITS, GateSettings, check_limits
from gong_worker.gate.status import holds_of, status_of, to_datetime
from gong_worker.gate.trouble import GateUnavailable, trouble_of
from gong_worker.gate.types import GateStatus, Go, Held, Lapsed, Later, Open, Reservation, Slot

logger = logging.getLogger("gong_worker.gate")

# A granted call further off than this is confirmed again before it is written: a hold may come meanwhile.
_RECHECK_SECONDS = 0.1
# A sleeper woken later than this after the planned moment has it planned anew.
_OVERSLEPT_SECONDS = 0.004
# How often a held caller may as well ask when nobody knows the end.
_OPEN_END_SECONDS = 0.5


class Gate:
    """One budget for every process with the same Redis. Thread-safe; makes no connection before it is asked.

    history: calls per minute since a moment, from the ledger; asked before the first slot on a fresh Redis.
    recorded: the same without attempts that may still wait for their slot, to compare the day with; by default
        `history`.
    operator_limits: what operators have set and not unset, from the ledger; asked after a wipe of Redis.
    credential, target: fingerprints of the credential and of the base URL. Holds for a refused credential or
        a wrong URL bind only gates with the same one, so a new one is free at once.
    name: who this is, for the log and for the origin of limits.
    worker: whether its settings take effect for all when it first asks for a slot; of others, only while no
        worker has started yet.

    Every method raises GateUnavailable when Redis does not decide; then no call may be made.
    """

    def __init__(
        self,
        client: "redis.Redis",
        settings: GateSettings,
        *,
        history: History,
        recorded: Recorded | None = None,
        operator_limits: Callable[[], Mapping[str, float]] = dict,
        credential: str = "",
        target: str = "",
        name: str = "worker",
        worker: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._worker = worker
        self._settings = settings
        self._history = history
        self._recorded = recorded or (lambda since, _open_until: history(since))
        self._operator_limits = operator_limits
        self._name = name
        self._clock = clock or Clock()
        self._scripts = Scripts(client, credential, target, self._clock)
        self._lanes = {lane: LaneThrottle(self._clock) for lane in Lane}
        self._probe_lease = round(settings.probe_lease_seconds * 1e6)
        self._registered = False
        self._holds = HoldLog()
        # Redis may be another one after it failed: a replica that is behind, or one that lost its last writes.
        self._day_doubtful = True
        self._failed: tuple[float, GateUnavailable] | None = None
        self._comparing = threading.Lock()

    @property
    def round_trips(self) -> int:
        """Script calls this gate has made so far."""
        return self._scripts.round_trips

    def acquire(self, lane: Lane, event_key: str) -> Slot | Held | Later:
        """Reserve the next slot for one event. Sleep (interruptibly) until `slot.at`, then `confirm`.

        Raises also what `history` raises, when the day has to be counted and the ledger is away.
        """
        if self._worker and not self._registered:
            self._register(worker=True)
        self.compare_day(only_if_doubtful=True)
        throttle = self._lanes[lane]
        wait = throttle.enter()
        if wait > 0:
            return Later(wait)
        try:
            answer, wait = self._acquire(lane, event_key)
        finally:
            throttle.leave(wait)
        return answer

    def _acquire(self, lane: Lane, event_key: str) -> tuple[Slot | Held | Later, float]:
        event = shortened(event_key)
        for _ in range(3):
            token = uuid.uuid4().hex[:12]
            reply = self._run(
                "acquire", lane=lane.value, event=event, token=token, probe_lease=self._probe_lease
            )
            if reply[0] != "rebuild":
                break
            wait = rebuild(self._scripts, self._history, self._restore_limits, token, int(reply[1]))
            if wait:
                return Later(wait), wait
        match reply[0]:
            case "slot":
                number, at, after, probe = int(reply[2]), int(reply[3]), int(reply[4]), reply[6] == "1"
                local = self._scripts.redis_clock.to_local(at)
                kept = Lane(reply[8])
                slot = Reservation(local, probe, number, token, at, after, reply[5], event, kept)
                return slot, int(reply[7]) / 1e6
            case "held":
                return self._held(reply), 0.0
            case "later":
                return Later(int(reply[2]) / 1e6), int(reply[2]) / 1e6
            case _:
                return Later(_OPEN_END_SECONDS), _OPEN_END_SECONDS

    def compare_day(self, *, only_if_doubtful: bool = False) -> None:
        """Compare the day's count with the ledger's; the larger holds. Call it at least once a minute.

        It is done by whichever process comes first after a minute, and before the first slot that this process asks
        for after its start or after Redis did not answer. Raises also what `history` raises.
        """
        if only_if_doubtful and not self._day_doubtful:
            return
        asked = self._clock.monotonic()
        with self._comparing:
            if self._failed is not None and self._failed[0] > asked:
                raise self._failed[1]  # Redis gave no answer to another thread meanwhile: one wait is enough
            doubtful = self._day_doubtful
            reply = self._run("compare_day")
            if reply[0] == "due" or (doubtful and reply[0] == "ok"):
                compare(self._scripts, self._recorded, int(reply[1]))
            self._day_doubtful = False

    def confirm(self, slot: Slot) -> Go | Held | Lapsed:
        """The last check; returns `Go` when the request is to be written (it may wait some ms for that).

        Counts the call to the day. Without a `Go` the slot is gone: acquire another, or give the event back.
        """
        while True:
            answer = self._grant(slot)
            if not isinstance(answer, Go):
                return answer
            wait = slot.at - self._clock.monotonic()
            if wait > _RECHECK_SECONDS:
                self._clock.sleep(wait - _RECHECK_SECONDS / 2)
            elif wait > 0:
                self._clock.sleep(wait)
                if self._clock.monotonic() - slot.at <= _OVERSLEPT_SECONDS:
                    return answer
            else:
                return answer

    def _grant(self, slot: Slot) -> Go | Held | Lapsed:
        reserved = Reservation.of(slot)
        reply = self._run(
            "confirm", event=reserved.event, probe_lease=self._probe_lease, slot=reserved.fields()
        )
        if reply[0] == "lapsed":
            return Lapsed(reply[2])
        if reply[0] == "held":
            return self._held(reply)
        reserved.confirmed, reserved.granted, reserved.epoch = int(reply[1]), int(reply[2]), int(reply[3])
        slot.at = self._scripts.redis_clock.to_local(reserved.granted)
        return Go(slot.at)

    def report(
        self,
        slot: Slot,
        event_key: str,
        outcome: Outcome,
        *,
        written_late_seconds: float | None,
        reply_seconds: float | None = None,
        superseded: bool = False,
    ) -> bool:
        """Tell what became of the call. True when its refusal (401, 403, 404 …) is the event's own fault.

        written_late_seconds: from `slot.at` (after confirm) to the request being written.
        reply_seconds: from the request being written to the answer; without it, to this report. What it took
            longer than the quickest answers may have been lost on the way there, which no client can measure.
        superseded: a refusal of a credential that no call goes out with any more.
        """
        if reply_seconds is None and written_late_seconds is not None:
            reply_seconds = self._clock.monotonic() - slot.at - written_late_seconds
        arguments = report_arguments(slot, event_key, outcome, written_late_seconds, reply_seconds)
        return self._told(self._run("report", **arguments, superseded=superseded or None))

    def report_command(
        self,
        slot: Slot,
        event_key: str,
        outcome: Outcome,
        *,
        written_late_seconds: float | None,
        reply_seconds: float | None,
    ) -> bytes:
        """`report` packed, to be sent together with other commands; then ask `has_report`."""
        arguments = report_arguments(slot, event_key, outcome, written_late_seconds, reply_seconds)
        return self._scripts.command("report", **arguments)

    def has_report(self, reply: object) -> bool:
        """Whether the report has been taken, by the reply to it; if not, `report` it.

        reply: or the error of redis-py that came instead of one.
        """
        if isinstance(reply, redis.RedisError | OSError):
            if isinstance(reply, redis.exceptions.NoScriptError):
                return False
            self._day_doubtful = True
            raise GateUnavailable(trouble_of(reply), f"report: {type(reply).__name__}")
        texts = texts_of(cast(list[Any], reply))
        if texts[0] == "unregistered":
            return False
        self._told(texts)
        return True

    def _told(self, reply: list[str]) -> bool:
        if reply[2]:
            self._holds.began(HoldReason(reply[2]))
        if reply[4]:
            logger.warning("part held after refusals", extra={"action": "part_refused", "part": reply[4]})
        return reply[3] == "1"

    def credential(self, *, usable: bool, why: str, renewed: bool) -> None:
        """Hold while there is nothing to call with, and end that hold; `renewed` ends what the one before has caused.

        Only for a credential whose state others know as well: whoever has the same one may tell.
        """
        self._run("credential", usable=usable, why=why, renewed=renewed)

    def refund(self, slot: Slot) -> None:
        """Give up a slot before its call. Its moment is given to the next asker; the day never counts it."""
        self._run("refund", slot=Reservation.of(slot).fields())

    def peek(self, lane: Lane = Lane.LIVE) -> Open | Held:
        """Would `acquire` give a slot, or a probe, now? Changes nothing."""
        reply = self._run("peek")
        return Open() if reply[0] == "open" else self._held(reply)

    def status(self, *, seen_by: tuple[str, str] | None = None, whole_day: bool = True) -> GateStatus:
        """Everything an operator wants to know; changes nothing. Raises also what `history` raises.

        seen_by: as it is for whoever has these fingerprints of credential and target; None: ours.
        whole_day: False for who does not want the day's calls: `history`, whose ledger may be away, is not asked for
            what a fresh Redis does not know of them.
        """
        told = {} if seen_by is None else {"credential": seen_by[0], "target": seen_by[1]}
        history = self._history if whole_day else lambda _since: ()
        return status_of(self._run("status", **told), history)

    def log_holds(self) -> None:
        """Log the holds that began or ended since the last time; called by a worker every second or two."""
        self._holds.compare(holds_of(self._run("status")))

    def hold(self, note: str, by: str, *, for_seconds: float | None = None) -> None:
        """Let no call through until `release`, or for so long by Redis's clock."""
        self._run("operator", verb="hold", note=note, by=by, for_us=micros(for_seconds) or 0)
        self._holds.began(HoldReason.OPERATOR, by=by)

    def release(self, by: str, *, even_retry_after: bool = False) -> tuple[HoldReason, ...]:
        """End every hold that is ours to end; returns what stood.

        A Retry-After is Gong's and stands, unless it is to be ended too: a proxy in front of Gong may have sent it.
        The day's quota always stands.
        """
        found = self._run("operator", verb="release", even_retry_after=even_retry_after)[2:]
        reasons = tuple(reason for reason in HoldReason if reason.value in found)
        logger.warning("gate: released by an operator", extra={"action": "gate_released"})
        return reasons

    def set_limits(
        self,
        calls_per_second: float | None = None,
        calls_per_day: int | None = None,
        day_reserve: int | None = None,
        reserve_per_second: int | None = None,
        bulk_reserve_per_second: int | None = None,
        *,
        by: str = "operator",
    ) -> None:
        """Change limits for every worker at once, until they are set again or unset, over restarts.

        Raises ValueError when they do not make sense together with those in force.
        """
        values = (calls_per_second, calls_per_day, day_reserve, reserve_per_second, bulk_reserve_per_second)
        given = {name: value for name, value in zip(LIMITS, values, strict=True) if value is not None}
        limits = {one.name: one.value for one in self.status(whole_day=False).limits} | given
        # What bulk leaves follows the limit unless it is given; one call in a window is left to it in any case.
        check_limits(**limits | {"bulk_reserve_per_second": bulk_reserve_per_second or 0})
        reply = self._put_limits(given, by)
        if reply[0] == "refused":  # another operator was faster
            in_force = {"calls_per_day": int(float(reply[2])), "day_reserve": int(float(reply[3]))}
            check_limits(**limits | in_force | {"bulk_reserve_per_second": bulk_reserve_per_second or 0})
        logger.warning(
            "gate: limits set: %s", ", ".join(f"{name} {value:g}" for name, value in given.items()),
            extra={"action": "gate_limits_set"},
        )  # fmt: skip

    def unset_limits(self, names: Collection[str] = ()) -> tuple[str, ...]:
        """Take back what `set_limits` set, all of it by default: the latest starter's environment counts again.

        Returns the names of those that had been set.
        """
        found = tuple(self._run("operator", verb="unset", names=list(names))[2:])
        logger.warning(
            "gate: limits unset: %s", ", ".join(found) or "none", extra={"action": "gate_limits_set"}
        )
        return found

    def register(self) -> None:
        """Let this worker's settings count from now on, for all; called at a worker's start."""
        self._register(worker=True)

    def _restore_limits(self) -> None:
        """What operators had set went with the Redis that was wiped; the ledger's audit has it."""
        if limits := self._operator_limits():
            self._put_limits(limits, "operator, before Redis was wiped", restore=True)

    def _put_limits(self, limits: Mapping[str, float], by: str, *, restore: bool = False) -> list[str]:
        texts = {name: repr(value) for name, value in limits.items()}
        return self._run("operator", verb="limits", by=by, limits=texts, restore=restore)

    def _run(self, script: str, **arguments: object) -> list[str]:
        try:
            return self._run_registered(script, arguments)
        except GateUnavailable as error:
            self._day_doubtful = True
            self._failed = self._clock.monotonic(), error
            raise

    def _run_registered(self, script: str, arguments: dict[str, object]) -> list[str]:
        reply = self._scripts.run(script, **arguments)
        if reply[0] == "unregistered":
            self._register(worker=script == "acquire")
            reply = self._scripts.run(script, **arguments)
        return reply

    def _register(self, *, worker: bool) -> None:
        texts = self._settings.texts()
        env = " ".join(f"{name} {value}" for name, value in texts.items())
        reply = self._scripts.run("register", env=env, worker=worker, by=self._name, settings=texts)
        self._registered = self._registered or worker
        if reply[2] == "1":
            logger.warning("gate: new settings took effect", extra={"action": "gate_settings_changed"})

    def _held(self, reply: list[str]) -> Held:
        now, until = int(reply[1]), int(reply[3])
        retry = max(0.0, (until - now) / 1e6) or _OPEN_END_SECONDS
        return Held(HoldReason(reply[2]), to_datetime(until), retry, reply[4:5] == ["1"])

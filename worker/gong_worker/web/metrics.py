"""`GET /metrics` in Prometheus's text format; docs/metrics.md lists every name.

A counter here never goes down: what may (a duplicate that turns out to be a delivery, a call found to be interrupted)
is a gauge, for Prometheus takes a lower value for a restart and counts all of it again.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from gong_views.names import Lane
from gong_worker.domain.holds import GateState, HoldReason
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterReason, Resolution
from gong_worker.ledger import LedgerTotals
from gong_worker.operations.metrics import Drift, DriftWatch, Measures, measure
from gong_worker.operations.status import Status
from gong_worker.web.api import Api
from gong_worker.web.keys import ApiKey, Scope
from gong_worker.web.operators import of_the_company


def metrics_router(api: Api) -> APIRouter:
    """The route."""
    router = APIRouter()
    watch = DriftWatch()
    looking: set[asyncio.Task[None]] = set()

    async def look_for_drift() -> None:
        with suppress(HTTPException):
            await api.operators.run(watch.look, scans=True)

    @router.get(
        "/metrics",
        operation_id="getMetrics",
        response_class=PlainTextResponse,
        responses={
            **api.responses(None, ""),
            200: {"description": "The metrics in Prometheus's text format."},
        },
    )
    async def get_metrics(key: Annotated[ApiKey, Depends(api.key(Scope.READ))]) -> Response:
        """The metrics of all workers together, whichever process is asked."""
        of_the_company(key)
        if watch.due and not looking:
            task = asyncio.create_task(look_for_drift())
            looking.add(task)
            task.add_done_callback(looking.discard)
        found = await api.operators.run(
            lambda services: measure(services, watch.latest()), ledger_may_be_away=True
        )
        return Response(generate_latest(_Look(found)), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router


class _Look(Collector):
    def __init__(self, found: Measures) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Every metric of one look; those of a part that is away are left out."""
        status, totals, drift = self._found.status, self._found.totals, self._found.drift
        queue_answers = status.queue.live is not None
        yield InfoMetricFamily(
            "gong_views_build", "The version that was asked.", {"version": version("gong-views")}
        )
        yield _gauge(
            "gong_views_up", "Whether a part answers.", "part",
            {"queue": queue_answers, "ledger": totals is not None},
        )  # fmt: skip
        if queue_answers:
            yield from _queue(status)
        yield from _gate(status)
        if totals is not None:
            yield from _events(status)
            yield from _totals(totals)
        if drift is not None:
            yield from _drift(drift)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float | bool]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], float(number))
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _queue(status: Status) -> Iterator[Metric]:
    queue, oldest = status.queue, status.oldest_waiting
    lanes = {"live": queue.live or 0, "bulk": queue.bulk or 0}
    yield _gauge("gong_views_backlog_messages", "Messages that wait in a lane.", "lane", lanes)
    yield _gauge(
        "gong_views_backlog_oldest_age_seconds", "Since the enqueue of the oldest waiting message; 0 without one.",
        "lane", {"live": oldest.live_seconds or 0.0, "bulk": oldest.bulk_seconds or 0.0},
    )  # fmt: skip
    delayed, unacked = queue.delayed or 0, queue.unacked or 0
    yield GaugeMetricFamily("gong_views_delayed_messages", "Messages that wait for their next try.", delayed)
    yield GaugeMetricFamily("gong_views_unacked_messages", "Messages in the workers' hands.", unacked)
    refused = queue.error is not None
    yield GaugeMetricFamily(
        "gong_views_producers_refused", "Whether Redis refuses what producers write.", refused
    )
    alive = [worker for worker in status.workers if worker.alive]
    yield GaugeMetricFamily("gong_views_workers_alive", "Workers with a recent heartbeat.", len(alive))
    paused = sum(worker.paused is not None for worker in alive)
    yield GaugeMetricFamily("gong_views_workers_paused", "Of these, those that take no message.", paused)
    if status.drain.at is not None:
        yield GaugeMetricFamily(
            "gong_views_drained_timestamp_seconds", "When the backlog will be gone, if nothing is added.",
            status.drain.at.timestamp(),
        )  # fmt: skip


def _gate(status: Status) -> Iterator[Metric]:
    gate, calls = status.gate, status.calls
    states = {state.value: gate.state is state for state in GateState}
    yield _gauge("gong_views_gate_state", "1 for the state in which the gate is.", "state", states)
    held = {hold.reason for hold in gate.holds}
    reasons = {reason.value: reason in held for reason in HoldReason}
    yield _gauge("gong_views_gate_hold", "1 for each hold that stands.", "reason", reasons)
    ends = {hold.reason.value: hold.until.timestamp() for hold in gate.holds if hold.until is not None}
    yield _gauge(
        "gong_views_gate_hold_until_timestamp_seconds",
        "When a hold ends, or its next probe may go.",
        "reason",
        ends,
    )
    if calls is None:
        return
    for name, text, value in (
        ("gong_views_day_calls", "Calls of the rolling day.", calls.last_24h),
        ("gong_views_day_calls_limit", "The company's limit of a day.", calls.per_day_limit),
        (
            "gong_views_day_calls_reserve",
            "Of these, left to others.",
            calls.per_day_limit - calls.per_day_cap,
        ),
        ("gong_views_calls_per_second_limit", "The company's limit of a second.", calls.per_second_limit),
        ("gong_views_calls_per_second_allowed", "What live events may use of it now.", calls.current_rate),
    ):
        yield GaugeMetricFamily(name, text, value)


def _events(status: Status) -> Iterator[Metric]:
    counts = {
        "sending": status.ledger.sending or 0,
        "waiting": status.ledger.waiting or 0,
        "dead": status.ledger.dead or 0,
    }
    yield _gauge("gong_views_events", "Events that are not delivered, by status.", "status", counts)


def _totals(totals: LedgerTotals) -> Iterator[Metric]:
    calls = dict.fromkeys((outcome.value for outcome in AttemptOutcome), 0) | totals.calls
    in_flight = calls.pop("in_flight", 0)
    interrupted = calls.pop(AttemptOutcome.INTERRUPTED.value)
    yield _counter("gong_views_attempts", "Attempts that ended, by outcome.", "outcome", calls)
    yield GaugeMetricFamily("gong_views_attempts_in_flight", "Attempts without an outcome yet.", in_flight)
    yield GaugeMetricFamily(
        "gong_views_attempts_interrupted", "Attempts whose worker said nothing more; one may still turn out otherwise.",
        interrupted,
    )  # fmt: skip
    deliveries = CounterMetricFamily(
        "gong_views_deliveries",
        "Events that Gong has, by lane and how that is known.",
        labels=["lane", "resolution"],
    )
    latencies = HistogramMetricFamily(
        "gong_views_delivery_latency_seconds", "From enqueue to delivery.", labels=["lane"]
    )
    for lane in Lane:
        for resolution in Resolution:
            deliveries.add_metric(
                [lane.value, resolution.value], totals.deliveries.get((lane, resolution.value), 0)
            )
        found = totals.latencies[lane]
        buckets = [(f"{end:.4g}", float(count)) for end, count in found.up_to.items()]
        latencies.add_metric([lane.value], [*buckets, ("+Inf", float(found.count))], found.seconds)
    yield deliveries
    yield latencies
    duplicates = {lane.value: totals.duplicates.get(lane, 0) for lane in Lane}
    yield _gauge("gong_views_duplicates", "Messages that brought an event again.", "lane", duplicates)
    none = dict.fromkeys((reason.value for reason in DeadLetterReason), 0)
    yield _counter("gong_views_dead_letters", "Dead letters ever written.", "reason", none | totals.letters)
    yield _gauge(
        "gong_views_dead_letters_open",
        "Those that nobody has dealt with.",
        "reason",
        none | totals.letters_open,
    )


def _drift(drift: Drift) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "gong_views_drift_messages", "Messages not accounted for, by the latest reconciliation.",
        labels=["lane", "direction"],
    )  # fmt: skip
    for lane in Lane:
        family.add_metric([lane.value, "missing"], drift.missing.get(lane.value, 0))
        family.add_metric([lane.value, "uncounted"], drift.uncounted.get(lane.value, 0))
    yield family
    yield GaugeMetricFamily(
        "gong_views_drift_checked_timestamp_seconds", "When that reconciliation ended.", drift.at
    )

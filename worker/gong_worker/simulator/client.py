"""Steering and reading a simulator, in this process or in another."""

from types import TracebackType
from typing import Any, Self

import httpx


class SimulatorError(Exception):
    """The simulator refused an admin request; the text says why."""


class SimulatorClient:
    """The admin API of one simulator. Thread-safe; survives a restart of the simulator on the same port."""

    def __init__(self, url: str, *, timeout_seconds: float = 30.0) -> None:
        self.url = url.rstrip("/")
        # No kept connections: one that a restart has broken would fail the next request.
        self._http = httpx.Client(
            base_url=self.url,
            timeout=timeout_seconds,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """Every call numbered higher than `since`, in the order the simulator judged them.

        Keys: number, arrived_at (Unix time), arrived_monotonic (s), key ([reportingSystem, eventId] or None),
        outcome (accepted, duplicate, refused, throttled, unauthorized, incomplete, fault:<kind>), status
        (None: no whole answer), accepted, request_id; where true or given: early, errors.
        """
        entries: list[dict[str, Any]] = []
        while True:
            page = self._ask("GET", f"/_sim/log?since={since + len(entries)}")["entries"]
            if not page:
                return entries
            entries.extend(page)

    def accepted(self) -> set[tuple[str, str]]:
        """The keys (reportingSystem, eventId) that were accepted."""
        return {(system, event) for system, event in self._ask("GET", "/_sim/accepted")["accepted"]}

    def stats(self) -> dict[str, Any]:
        """calls, outcomes (counts), accepted (keys), max_in_sliding_second, inside_retry_after (calls made
        while a Retry-After still ran), in_flight, max_in_flight, max_in_flight_same_key, concurrent_same_key.
        """
        return self._ask("GET", "/_sim/stats")

    def fault(self, kind: str, **rule: Any) -> int:
        """Add a fault rule (fields: `faults.FaultRule`; fires once unless `times` says otherwise); its id."""
        return int(self._ask("POST", "/_sim/faults", {"kind": kind, **rule})["id"])

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force, with how often each was met (`seen`) and fired."""
        return list(self._ask("GET", "/_sim/faults")["faults"])

    def clear_faults(self, rule_id: int | None = None) -> None:
        """Drop one rule, or all."""
        self._ask("DELETE", "/_sim/faults" + (f"?id={rule_id}" if rule_id is not None else ""))

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings (fields: `config.SimulatorConfig`); all settings as they are now."""
        return self._ask("POST", "/_sim/settings", changes)

    def oauth(self) -> dict[str, int]:
        """codes and refreshes (exchanged for tokens), reuses (of old refresh tokens), refused, granted (that stand)."""
        return self._ask("GET", "/_sim/oauth")

    def tokens(self) -> list[str]:
        """Every access and refresh token there has been, to be looked for where none should be."""
        return list(self._ask("GET", "/_sim/oauth/tokens")["tokens"])

    def grant(self) -> str:
        """Approve the client as in a browser; the refresh token."""
        return str(self._ask("POST", "/_sim/oauth/grant", {})["refresh_token"])

    def revoke(self, *, access_only: bool = False) -> None:
        """Revoke what was approved, or the access tokens only."""
        self._ask("POST", "/_sim/oauth/revoke", {"access_only": access_only})

    def reset(self) -> None:
        """Forget calls, events and faults; settings go back to those of the start."""
        self._ask("POST", "/_sim/reset", {})

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self._http.request(method, path, json=body)
        value: dict[str, Any] = answer.json()
        if not answer.is_success:
            raise SimulatorError("; ".join(value["errors"]))
        return value

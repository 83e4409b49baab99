"""A pipeline that can be run by either release."""

from collections import Counter
from collections.abc import Callable

from tests.support.pipeline import Pipeline
from tests.support.previous import PreviousRelease
from tests.support.processes import Process, command
from tests.support.servers import wait_until
from tests.support.views import view

Start = Callable[..., "Line"]


class Line(Pipeline):
    """Its events, those of the previous release's producers too, are remembered in `enqueued`."""

    def command(self, *words: str, code: int = 0) -> str:
        """Run `gong-views` of today; what it says. AssertionError unless it exits with `code`."""
        done = command(*words, environment=self.environment, cwd=self.folder)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def let_go(self) -> None:
        """Close this process's own connections to the ledger; the next use opens one again."""
        self.ledger.engine.dispose()

    def previous_worker(self, previous: PreviousRelease, *, ready: bool = True) -> Process:
        """Start a worker of the previous release."""
        return self.worker(environment=previous.environment, ready=ready)

    def previous_enqueue(
        self, previous: PreviousRelease, numbers: range, lane: str = "live", times: int = 1
    ) -> None:
        """Put events on the queue with the previous release's library."""
        self.enqueued.update(previous.enqueue(self.valkey.url, numbers, lane, times))

    def refuse(self, *numbers: int) -> None:
        """Gong refuses these events."""
        for number in numbers:
            self.gong.fault("status", status=400, times=None, match={"eventId": f"view-{number}"})

    def wait_accepted(self, numbers: range, seconds: float = 90) -> None:
        """Wait until Gong has these events."""
        wanted = {view(number)["eventId"] for number in numbers}
        try:
            wait_until(lambda: wanted <= self.accepted(), f"{len(wanted)} events to be accepted", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.account()}") from None

    def accepted_once(self, numbers: range) -> None:
        """AssertionError unless Gong has accepted exactly these events, each once."""
        times = Counter(entry["key"][1] for entry in self.gong.log() if entry["accepted"])
        assert times == Counter(f"view-{number}" for number in numbers)

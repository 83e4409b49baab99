"""A real Prometheus for tests, with the configuration of deploy/prometheus: Debian's package, or any on PATH."""

import math
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.servers import free_port, wait_until

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
NEEDS_PROMETHEUS = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="no prometheus and promtool on PATH (Debian: apt-get install --no-install-recommends prometheus)",
)
Series = dict[str, Any]


class Prometheus:
    """Its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: Any) -> Any:
        """The `data` of an answer; AssertionError with Prometheus's own words if it is an error."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        assert answer.status_code == 200, (parameters, answer.text)
        return answer.json()["data"]

    def now(self, text: str) -> list[Series]:
        """What a query gives at this moment: `metric` (the labels) and `value`."""
        found: list[Series] = self.ask("query", query=text)["result"]
        return found

    def over(self, text: str, begin: float, end: float, step: float = 1) -> list[Series]:
        """The same over a time, in Unix seconds: `metric` and `values`, without what is no number."""
        # The last step is the first one after the end.
        found = self.ask("query_range", query=text, start=begin, end=end + step, step=step)["result"]
        for series in found:
            pairs = ((at, float(value)) for at, value in series["values"])
            series["values"] = [(at, value) for at, value in pairs if math.isfinite(value)]
        return [series for series in found if series["values"]]


def configuration(target: str, key_file: Path, interval: str) -> dict[str, Any]:
    """deploy/prometheus/prometheus.yml with other addresses, paths and intervals, and nothing else changed."""
    made: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    made["global"] = dict.fromkeys(made["global"], interval)
    made["rule_files"] = [str(FOLDER / Path(path).name) for path in made["rule_files"]]
    [job] = made["scrape_configs"]
    job["authorization"]["credentials_file"] = str(key_file)
    job["static_configs"] = [{"targets": [target]}]
    return made


@contextmanager
def prometheus(folder: Path, target: str, key_file: Path, *, interval: str = "1s") -> Iterator[Prometheus]:
    """A Prometheus that scrapes `target` (host:port), once it has; stopped by its pid."""
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration(target, key_file, interval)))
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        running = subprocess.Popen(
            [
                "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        server = Prometheus(f"http://127.0.0.1:{port}")

        def scraped() -> bool:
            assert running.poll() is None, (folder / "prometheus.log").read_text()
            try:
                [one] = server.ask("targets")["activeTargets"]
            except (httpx.TransportError, AssertionError, ValueError):
                return False  # it has not started yet
            return one["health"] == "up"

        wait_until(scraped, "the first scrape", 60)
        yield server
    finally:
        running.kill()
        running.wait()

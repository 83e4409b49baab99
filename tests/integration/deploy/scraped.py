"""`gong-views serve` beside a pipeline, and a Prometheus that scrapes it with a key of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.pipeline import Pipeline
from tests.support.prometheus import Prometheus, prometheus
from tests.web.served import serving

KEY = "prometheus-key-0123456789"


@contextmanager
def scraping(pipeline: Pipeline, *, interval: str = "1s") -> Iterator[Prometheus]:
    """The Prometheus, after its first scrape."""
    key_file = pipeline.folder / "metrics-key"
    key_file.write_text(KEY)
    environment = {**pipeline.environment, "GONG_VIEWS_API_KEYS": f"prometheus/read:{KEY}"}
    with (
        serving(pipeline.folder, environment) as (_, url),
        prometheus(pipeline.folder, url.removeprefix("http://"), key_file, interval=interval) as server,
    ):
        yield server

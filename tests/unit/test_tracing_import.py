"""The producer's look for OpenTelemetry while another thread is still importing it."""

import subprocess
import sys
from pathlib import Path

# A module of that name whose import lasts until it is told to go on; what it has then is enough for a span.
MODULE = """
from types import SimpleNamespace
from program import begun, go_on
begun.set()
assert go_on.wait(60)
context = SimpleNamespace(is_valid=False)
span = SimpleNamespace(get_span_context=lambda: context, end=lambda: None)
SpanKind = SimpleNamespace(PRODUCER=4)
def get_tracer(*_):
    return SimpleNamespace(start_span=lambda *_, **__: span)
"""
PROGRAM = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor, wait
begun, go_on = threading.Event(), threading.Event()
sys.modules["program"] = sys.modules["__main__"]
from gong_views.names import Lane
from gong_views.tracing import enqueueing
def enqueue():
    with enqueueing(Lane.LIVE, 1) as trace:
        return trace
with ThreadPoolExecutor(2) as pool:
    importing = pool.submit(__import__, "opentelemetry.trace")
    assert begun.wait(60)
    enqueued = pool.submit(enqueue)
    wait([enqueued], 0.3)  # long enough for one that does not wait to fail
    go_on.set()
    importing.result(60)
    assert enqueued.result(60) is None
"""


def test_an_import_under_way_is_waited_for(tmp_path: Path) -> None:
    """An enqueue in that moment does not fail on a module that is only half there."""
    package = tmp_path / "opentelemetry"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "trace.py").write_text(MODULE)
    (tmp_path / "main.py").write_text(PROGRAM)
    # Its own folder goes first on the path.
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr

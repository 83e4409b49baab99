"""`gong-views serve` as a process for tests, on a free port."""

import re
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.processes import Process, process
from tests.support.servers import wait_until


def answers(url: str) -> bool:
    """Whether the server there is alive."""
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def serving(
    folder: Path, environment: Mapping[str, str], *, host: str = "127.0.0.1", open_files: int | None = None
) -> Iterator[tuple[Process, str]]:
    """The process and its address, once it answers; `open_files` is its limit of file descriptors."""
    arguments = ["gong_worker", "serve", "--host", host, "--port", "0"]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if open_files is not None:  # inherited by the child
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, hard))
    try:
        started = process(arguments, folder / "serve.log", {"PYTHONUNBUFFERED": "1", **environment})
        running = started.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        found = wait_until(lambda: re.search(r"http://[0-9.]+:(\d+)/v1/views", running.log), "the address")
        url = f"http://127.0.0.1:{found[1]}"
        wait_until(lambda: answers(url), "the server")
        yield running, url
    finally:
        running.kill()

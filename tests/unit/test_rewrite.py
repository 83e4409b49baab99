"""Laws of asking Redis for a new append-only file, as far as a real server does not do it on demand."""

from typing import Any, cast

import pytest
import redis

from gong_worker.queue.rewrite import Rewrite, rewrite_append_only_file


class Answers:
    """A server that answers so, whatever it is asked; `refusal`: to BGREWRITEAOF."""

    def __init__(self, refusal: str | None = None, **persistence: Any) -> None:
        self._refusal = refusal
        self._persistence = {"aof_enabled": 1, "aof_last_bgrewrite_status": "ok", **persistence}

    def info(self, _section: str) -> dict[str, Any]:
        return self._persistence

    def bgrewriteaof(self) -> None:
        if self._refusal is not None:
            raise redis.ResponseError(self._refusal)


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (Answers(), Rewrite.DONE),
        (Answers(aof_last_bgrewrite_status="err"), Rewrite.FAILED),
        (Answers(aof_rewrite_in_progress=1), Rewrite.UNDER_WAY),
        (Answers("Background append only file rewriting already in progress"), Rewrite.ANOTHER),
        (Answers("NOPERM this user has no permissions"), Rewrite.REFUSED),
        (Answers(aof_enabled=0), Rewrite.OFF),
    ],
)
def test_what_came_of_it_is_told(server: Answers, told: Rewrite) -> None:
    """Done is only what Redis says went well; a rewrite that began before the deletion is not taken for ours."""
    assert rewrite_append_only_file(cast(redis.Redis, server), seconds=0) is told

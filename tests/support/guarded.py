"""A Valkey with the users of `gong-views acl` and nobody else but the test's own administrator."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import redis

from gong_worker.operations.redis_acl import RedisUser, acl_file
from tests.support.servers import Valkey

PASSWORDS = {user: f"{user}-password" for user in RedisUser if user is not RedisUser.HEALTH}
ADMINISTRATOR = "administrator"


class GuardedValkey(Valkey):
    """`url` is the worker's, so that a Pipeline runs on it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, appendfsync="no")
        users = folder / "users.acl"
        users.write_text(f"{acl_file(PASSWORDS)}user {ADMINISTRATOR} on >{ADMINISTRATOR} ~* &* +@all\n")
        replica = RedisUser.REPLICA
        self.options = ["--aclfile", str(users), "--masteruser", replica, "--masterauth", PASSWORDS[replica]]

    @property
    def url(self) -> str:
        return self.url_of(RedisUser.WORKER)

    def url_of(self, user: RedisUser) -> str:
        """The REDIS_URL of a user."""
        return f"redis://{user}:{PASSWORDS.get(user, '')}@127.0.0.1:{self.port}/0"

    def administrator(self) -> "redis.Redis":
        return redis.Redis(port=self.port, username=ADMINISTRATOR, password=ADMINISTRATOR)

    def refused(self) -> list[str]:
        """What was refused to anyone since the last time, by user."""
        with self.administrator() as client:
            entries = cast(list[dict[str, Any]], client.acl_log())
            client.acl_log_reset()
        return [f"{one['username']}: {one['reason']} {one['object']}" for one in entries]


@contextmanager
def guarded_valkey() -> Iterator[GuardedValkey]:
    """A running one for the length of the block."""
    with TemporaryDirectory(prefix="gong-views-valkey-") as folder:
        server = GuardedValkey(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()

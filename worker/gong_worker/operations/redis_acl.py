"""The queue's Redis by kind of process: an ACL user for each, with the rights it needs and no more.

A producer's rights are the commands of `gong_views.commands`. Workers and operators have every data command on our
keys, for their scripts use most; none of them reaches another application's keys or the server's administration.
Selectors (the parts in parentheses) came with Redis 7, which the queue needs anyway.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gong_views.names import ENQUEUE_COUNTS_KEY, WRITE_CHECK_KEY, Lane
from gong_worker.gate.scripts import PREFIX


class RedisUser(StrEnum):
    """The users that `gong-views acl` prints; each one's name in Redis."""

    PRODUCER = "gong-views-producer"  # backends and the relay: enqueue
    WEB = "gong-views-web"  # `serve`: enqueue, and look at everything
    WORKER = "gong-views-worker"
    OPERATOR = "gong-views-operator"  # the operators' commands and the console
    REPLICA = "gong-views-replica"  # a replica of this Redis: its `masteruser`
    SENTINEL = "gong-views-sentinel"  # the Sentinels: their `sentinel auth-user`
    HEALTH = "gong-views-health"  # a container's health check: PING, without a password


_CONNECT: Final = "+@connection -@dangerous -@admin"
_ENQUEUE: Final = (
    "+multi +exec +discard "
    + f"(+lpush {' '.join(f'%W~{lane.queue}' for lane in Lane)}) "
    + f"(+hincrby ~{ENQUEUE_COUNTS_KEY})"
)
# A script is given its keys for reading and writing, whatever it does with them; what it may call is another matter.
_LOOK: Final = (
    "+@read -@dangerous -scan -randomkey -dbsize +info +time +multi +exec +discard +eval +evalsha "
    f"~{PREFIX}* %R~gong-views.* (+set +eval +evalsha ~{WRITE_CHECK_KEY})"
)
_DATA: Final = (
    "+@hash +@list +@set +@sortedset +@string +@transaction +del +exists +type +rename -@dangerous "
    f"+info +time +eval +evalsha +script|load ~gong-views.* ~{PREFIX}*"
)
# Celery's remote control: a channel of commands to all workers, named by the database; a list of answers for each
# asker. A PSUBSCRIBE is allowed only for a channel that the rule spells out, and a server has 16 databases by default.
_CELERY: Final = (
    "+xread +publish +subscribe +psubscribe +unsubscribe +punsubscribe "
    f"{' '.join(f'&/{database}.celery.pidbox' for database in range(16))} "
    "~_kombu.binding.celery.pidbox ~_kombu.binding.reply.celery.pidbox ~*.celery.pidbox*"
)

_RULES: Final[Mapping[RedisUser, str]] = {
    RedisUser.PRODUCER: f"{_CONNECT} {_ENQUEUE}",
    RedisUser.WEB: f"{_CONNECT} {_LOOK} {_ENQUEUE}",
    RedisUser.WORKER: f"{_CONNECT} {_DATA} {_CELERY}",
    # Erasing a person asks for the rewrite of the file in which deleted messages still stand.
    RedisUser.OPERATOR: f"{_CONNECT} {_DATA} +bgrewriteaof",
    RedisUser.REPLICA: "+psync +replconf +ping",
    RedisUser.SENTINEL: "+ping +info +role +multi +exec +slaveof +publish +subscribe &__sentinel__:hello "
    "+client|setname +client|kill +config|rewrite +script|kill",
    RedisUser.HEALTH: "nopass +ping",
}


def acl_rules(user: RedisUser) -> str:
    """The rules of a user without its password, as `ACL SETUSER` and a managed Redis's access strings take them."""
    return f"on resetkeys resetchannels -@all {_RULES[user]}"


def acl_file(passwords: Mapping[RedisUser, str]) -> str:
    """An ACL file (Redis's `aclfile`) of the users with a password, and no other: the default user is off.

    Only a hash of each password is in it.
    """
    lines = ["user default reset"]
    for user in RedisUser:
        if user is RedisUser.HEALTH:
            lines.append(f"user {user} {acl_rules(user)}")
        elif user in passwords:
            digest = hashlib.sha256(passwords[user].encode()).hexdigest()
            lines.append(f"user {user} #{digest} {acl_rules(user)}")
    return "\n".join(lines) + "\n"

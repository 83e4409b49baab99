"""Celery's remote control, reduced to what only looks: `celery inspect` and Flower work, nothing can drop or stop work.

Anyone who reaches Redis can send a control command. A revoke would make Celery drop a message, a shutdown or a
cancelled consumer stop the worker unseen; the operators' own commands (hold, release, limits) are audited.
"""

from celery.worker.control import Panel

ALLOWED = frozenset(
    {
        "active",
        "active_queues",
        "conf",
        "dump_active",
        "dump_conf",
        "dump_reserved",
        "heartbeat",
        "ping",
        "registered",
        "report",
        "reserved",
        "stats",
    }
)


def reduce_panel() -> None:
    """Take every other command out of this process's panel; one that is sent all the same is answered with an error.

    `hello` goes as well: it would take over the revoked ids of whoever says it.
    """
    for registry in (Panel.data, Panel.meta):
        for name in set(registry) - ALLOWED:
            del registry[name]

"""What is pruned stays counted: triggers move its numbers to a shard of its own, as each row goes.

The sums over the shards are what they were; without that shard they are what the rows say. After a downgrade `reconcile
--deep` tells what was pruned as counted too often: do not repair that.
"""

# ruff: noqa: S608 (nothing in these statements comes from outside)

from typing import Any

import sqlalchemy as sa
from alembic import context, op

from gong_worker.ledger.schema import lock_tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
LOST = "what was pruned as such: `reconcile --deep` then tells it as counted too often, and is not to repair that"

TABLES = ("deliveries", "attempts", "duplicates", "dead_letters")
PRUNED = "-2"
PRUNING = "EXISTS (SELECT 1 FROM pruning)"

Values = dict[str, str]


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        lock_tables(op.get_bind(), *TABLES)
    # A row stands in it only inside of a transaction that prunes, and is seen by no other one.
    op.create_table(
        "pruning",
        sa.Column("id", sa.SmallInteger, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("id", name="pk_pruning"),
    )
    op.create_index("ix_duplicates_event", "duplicates", ["event_id", "reporting_system"])
    for name, table, when, unless, body in _triggers(postgres):
        op.execute(sa.text(_trigger(postgres, name, table, when, unless, body).replace(":", "\\:")))


def downgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        lock_tables(op.get_bind(), *TABLES)
    for name, table, *_ in _triggers(postgres):
        op.execute(f"DROP TRIGGER {name} ON {table}" if postgres else f"DROP TRIGGER {name}")
        if postgres:
            op.execute(f"DROP FUNCTION {name}()")
    op.drop_index("ix_duplicates_event", "duplicates")
    op.drop_table("pruning")


def _triggers(postgres: bool) -> list[tuple[str, str, str, str, str]]:
    """Name, table, a condition on the row, one on other rows that must not hold, and what is done."""
    counting: Any = context.script.get_revision("0005").module
    event, latency = counting._event(postgres, "OLD"), counting._latency(postgres, "OLD")  # noqa: SLF001
    letter, state = counting._letter(postgres, "OLD"), counting._letter_state(postgres, "OLD")  # noqa: SLF001
    call, duplicate = counting._call(postgres, "OLD"), counting._duplicate(postgres, "OLD")  # noqa: SLF001
    after_all = counting._delivered_after_all("OLD")  # noqa: SLF001
    own = "own_shard" if postgres else "0"

    def moved(table: str, values: Values, *, taken: bool = True) -> str:
        """From the shard of this transaction to that of what is pruned; `taken`: a trigger of 0005 does not do that."""
        less = counting._less(table, values)  # noqa: SLF001
        add = [_add(postgres, counting.COUNTERS[table], table, values, PRUNED)]
        return " ".join(
            [*([_add(postgres, counting.COUNTERS[table], table, less, own)] if taken else []), *add]
        )

    return [
        ("prune_event", "deliveries", "OLD.status IN ('delivered', 'dead')", "", moved("message_counts", event)),
        ("prune_latency", "deliveries", "OLD.resolution IS NOT NULL", "", moved("latency_counts", latency)),
        ("prune_letter", "dead_letters", "", after_all, moved("message_counts", letter)),
        ("prune_letter_state", "dead_letters", "", "", moved("dead_letter_counts", state)),
        ("prune_call", "attempts", "OLD.outcome IS NOT NULL", "", moved("call_counts", call, taken=False)),
        ("prune_duplicate", "duplicates", "", "", moved("message_counts", duplicate, taken=False)),
    ]  # fmt: skip


def _add(postgres: bool, counter: Any, table: str, values: Values, shard: str) -> str:
    highest = "greatest" if postgres else "max"
    rest = {name: "0" for name in (*counter.sums, *counter.highest) if name not in values}
    columns = {**values, **rest, "shard": shard}
    changes = [f"{name} = {table}.{name} + excluded.{name}" for name in counter.sums]
    changes += [f"{name} = {highest}({table}.{name}, excluded.{name})" for name in counter.highest]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"
        f" ON CONFLICT ({', '.join(counter.keys)}, shard) DO UPDATE SET {', '.join(changes)};"
    )


def _trigger(postgres: bool, name: str, table: str, when: str, unless: str, body: str) -> str:
    fires = f"CREATE TRIGGER {name} AFTER DELETE ON {table} FOR EACH ROW"
    others = " AND ".join([PRUNING, *([f"NOT {unless}"] if unless else [])])
    if not postgres:
        condition = " AND ".join([*([when] if when else []), others])
        return f"{fires} WHEN {condition} BEGIN {body} END"
    first_shard = context.script.get_revision("0005").module.FIRST_SHARD  # type: ignore[union-attr]
    op.execute(
        sa.text(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE own_shard smallint; BEGIN"
            f" IF {others} THEN own_shard \\:= {first_shard}; {body.replace(':', chr(92) + ':')} END IF;"
            " RETURN NULL; END $$"
        )
    )
    return f"{fires} {when and f'WHEN ({when})'} EXECUTE FUNCTION {name}()"

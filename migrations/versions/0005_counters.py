"""Counters of messages, calls, latencies and dead letters, kept by triggers in the transaction of each change.

Triggers, because workers of the version before write on during and after an upgrade. What was there before
is counted by 0006, which begins once this one is committed: from then on no change escapes the counters.
"""

# ruff: noqa: S608 (nothing in these statements comes from outside)

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

from gong_worker.ledger.schema import lock_tables

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
LOST = "the counters, counted anew after an upgrade: what was pruned is then missing in `reconcile`"


class Counter(NamedTuple):
    """A table of counters: a row for each key and shard; numbers that are added up, and one that keeps the highest."""

    keys: tuple[str, ...]
    sums: tuple[str, ...]
    highest: tuple[str, ...] = ()


COUNTERS = {
    "message_counts": Counter(
        ("day", "lane", "reporting_system"),
        ("accepted", "already_reported", "dead", "duplicates", "letters", "discarded"),
    ),
    "call_counts": Counter(
        ("hour", "outcome", "http_status"), ("calls", "timed", "duration_ms"), ("max_duration_ms",)
    ),
    "latency_counts": Counter(("hour", "lane", "bucket"), ("deliveries", "latency_ms"), ("max_latency_ms",)),
    "dead_letter_counts": Counter(("day", "reason"), ("open", "replayed", "discarded", "superseded")),
}
TABLES = ("deliveries", "attempts", "duplicates", "dead_letters")
KEY_TYPES = {
    "day": sa.Date(),
    "hour": sa.DateTime(timezone=True).with_variant(sa.String(19), "sqlite"),
    "lane": sa.String(16),
    "reporting_system": sa.Text(),
    "outcome": sa.String(32),
    "http_status": sa.Integer(),
    "bucket": sa.SmallInteger(),
    "reason": sa.String(32),
}
# Bucket n of a latency ends at 10 ms x 1.1^n.
LAST_BUCKET = 300
# A transaction on PostgreSQL adds to a shard that no other one holds, so that none waits for another's commit.
SHARDS = 64
ADVISORY_CLASS = 734_602_189
FIRST_SHARD = f"CASE WHEN pg_try_advisory_xact_lock({ADVISORY_CLASS}, 0) THEN 0 ELSE counter_shard() END"

Values = dict[str, str]


class Trigger(NamedTuple):
    """What is added to which counters after a change of a table; `event` may name the columns that matter."""

    name: str
    table: str
    event: str
    adds: tuple[tuple[str, Values], ...]
    when: str = ""
    unless: str = ""
    """A condition that reads other rows."""
    source: str = ""
    """Rows, other than OLD and NEW, of which each adds its values."""


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        lock_tables(op.get_bind(), *TABLES)
    for name, counter in COUNTERS.items():
        numbers = (*counter.sums, *counter.highest)
        op.create_table(
            name,
            *(sa.Column(key, KEY_TYPES[key], nullable=False, autoincrement=False) for key in counter.keys),
            sa.Column("shard", sa.SmallInteger, nullable=False, autoincrement=False),
            *(sa.Column(column, sa.BigInteger, nullable=False) for column in numbers),
            sa.PrimaryKeyConstraint(*counter.keys, "shard", name=f"pk_{name}"),
            sqlite_with_rowid=False,
        )
    for statement in (_tools(postgres), *_recounts(postgres), *_triggers(postgres)):
        op.execute(sa.text(statement.replace(":", "\\:")))


def downgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        lock_tables(op.get_bind(), *TABLES)
    for name, table, *_ in _counting(postgres):
        op.execute(f"DROP TRIGGER {name} ON {table}" if postgres else f"DROP TRIGGER {name}")
        if postgres:
            op.execute(f"DROP FUNCTION {name}()")
    for name in COUNTERS:
        op.execute(f"DROP VIEW recounted_{name}")
        op.drop_table(name)
    op.execute("DROP FUNCTION counter_shard()" if postgres else "DROP TABLE latency_buckets")


def _day(postgres: bool, moment: str) -> str:
    return f"CAST({moment} AT TIME ZONE 'UTC' AS date)" if postgres else f"substr({moment}, 1, 10)"


def _hour(postgres: bool, moment: str) -> str:
    return f"date_trunc('hour', {moment}, 'UTC')" if postgres else f"substr({moment}, 1, 13) || ':00:00'"


def _latency_ms(postgres: bool, row: str) -> str:
    """From enqueue to delivery; 0 where the clock was set back in between."""
    if postgres:
        span = f"date_part('epoch', {row}.settled_at - {row}.enqueued_at)"
        return f"greatest(0, CAST({span} * 1000 AS bigint))"
    span = f"julianday({row}.settled_at) - julianday({row}.enqueued_at)"
    return f"max(0, CAST(round(({span}) * 86400000.0) AS integer))"


def _bucket(postgres: bool, ms: str) -> str:
    if postgres:
        return (
            f"least({LAST_BUCKET}, ceil(ln(greatest({ms}, 10) / 10.0::float8) / ln(1.1::float8)))::smallint"
        )
    found = f"SELECT bucket FROM latency_buckets WHERE up_to_ms >= {ms} ORDER BY up_to_ms LIMIT 1"
    return f"coalesce(({found}), {LAST_BUCKET})"


def _one_if(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


def _message(postgres: bool, row: str) -> Values:
    return {
        "day": _day(postgres, f"{row}.enqueued_at"),
        "lane": f"{row}.lane",
        "reporting_system": f"coalesce({row}.reporting_system, '')",
    }


def _event(postgres: bool, row: str) -> Values:
    """What a row of `deliveries` adds that has come to an end; what is open is read from the few rows themselves."""
    return _message(postgres, row) | {
        "accepted": _one_if(f"{row}.resolution = 'accepted'"),
        "already_reported": _one_if(f"{row}.resolution = 'already_reported'"),
        "dead": _one_if(f"{row}.status = 'dead'"),
    }


def _duplicate(postgres: bool, row: str) -> Values:
    return _message(postgres, row) | {"duplicates": "1"}


def _letter(postgres: bool, row: str) -> Values:
    """What a row of `dead_letters` adds, by how its message ended."""
    discarded = f"{row}.resolution = 'discarded'"
    return _message(postgres, row) | {
        "letters": f"CASE WHEN {discarded} THEN 0 ELSE 1 END",
        "discarded": _one_if(discarded),
    }


def _letter_state(postgres: bool, row: str) -> Values:
    return {
        "day": _day(postgres, f"{row}.created_at"),
        "reason": f"{row}.reason",
        "open": _one_if(f"{row}.resolution IS NULL"),
        **{
            state: _one_if(f"{row}.resolution = '{state}'")
            for state in ("replayed", "discarded", "superseded")
        },
    }


def _call(postgres: bool, row: str) -> Values:
    """What a row of `attempts` adds that has an outcome, in the hour in which the call began."""
    return {
        "hour": _hour(postgres, f"{row}.started_at"),
        "outcome": f"{row}.outcome",
        "http_status": f"coalesce({row}.http_status, 0)",
        "calls": "1",
        "timed": _one_if(f"{row}.duration_ms IS NOT NULL"),
        "duration_ms": f"coalesce({row}.duration_ms, 0)",
        "max_duration_ms": f"coalesce({row}.duration_ms, 0)",
    }


def _latency(postgres: bool, row: str) -> Values:
    """What a delivered event adds, in the hour of its delivery."""
    ms = _latency_ms(postgres, row)
    return {
        "hour": _hour(postgres, f"{row}.settled_at"),
        "lane": f"{row}.lane",
        "bucket": _bucket(postgres, ms),
        "deliveries": "1",
        "latency_ms": ms,
        "max_latency_ms": ms,
    }


def _less(table: str, values: Values) -> Values:
    """Taken back; the highest stays, for nobody knows the next one."""
    counter = COUNTERS[table]
    left = {name: value for name, value in values.items() if name not in counter.highest}
    return {name: f"-({value})" if name in counter.sums else value for name, value in left.items()}


def _of_message(letter: str, row: str) -> str:
    columns = ("event_id", "reporting_system", "message_id")
    return " AND ".join(f"{letter}.{column} = {row}.{column}" for column in columns)


def _counting(postgres: bool) -> list[Trigger]:
    """An ordinary delivery fires two of them: at the end of its call, and at its own."""
    differs = "IS DISTINCT FROM" if postgres else "IS NOT"

    def changed(*columns: str) -> str:
        return " OR ".join(f"OLD.{column} {differs} NEW.{column}" for column in columns)

    def messages(*added: Values) -> tuple[tuple[str, Values], ...]:
        return tuple(("message_counts", values) for values in added)

    call = {row: _call(postgres, row) for row in ("OLD", "NEW")}
    letter = {row: _letter(postgres, row) for row in ("OLD", "NEW")}
    state = {row: _letter_state(postgres, row) for row in ("OLD", "NEW")}
    dead = {row: _message(postgres, row) | {"dead": "1"} for row in ("OLD", "NEW")}
    delivered = (*messages(_event(postgres, "NEW")), ("latency_counts", _latency(postgres, "NEW")))
    call_end = "UPDATE OF started_at, outcome, http_status, duration_ms"
    return [
        Trigger(
            "count_delivered", "deliveries", "UPDATE OF resolution", delivered,
            when="OLD.resolution IS NULL AND NEW.resolution IS NOT NULL",
        ),
        Trigger(
            "count_dead", "deliveries", "UPDATE OF status", messages(dead["NEW"]),
            when="OLD.status <> 'dead' AND NEW.status = 'dead'",
        ),
        Trigger(
            "count_dead_no_more", "deliveries", "UPDATE OF status",
            messages(_less("message_counts", dead["OLD"])), when="OLD.status = 'dead' AND NEW.status <> 'dead'",
        ),
        # A late answer has shown that a message given up as dead had delivered: it ended once, as delivered.
        Trigger(
            "count_late_delivery", "deliveries", "UPDATE OF status",
            messages(_less("message_counts", _letter(postgres, "dead_letters"))),
            when="NEW.status = 'delivered' AND (OLD.status = 'dead' OR OLD.message_id <> NEW.message_id)",
            source=f"dead_letters WHERE {_of_message('dead_letters', 'NEW')}",
        ),
        Trigger(
            "count_call", "attempts", call_end, (("call_counts", call["NEW"]),),
            when="OLD.outcome IS NULL AND NEW.outcome IS NOT NULL",
        ),
        Trigger(
            "count_call_corrected", "attempts", call_end,
            (("call_counts", _less("call_counts", call["OLD"])), ("call_counts", call["NEW"])),
            when=f"OLD.outcome IS NOT NULL AND ({changed('started_at', 'outcome', 'http_status', 'duration_ms')})",
        ),
        Trigger(
            "count_call_cancelled", "attempts", "DELETE",
            (("call_counts", _less("call_counts", call["OLD"])),), when="OLD.outcome IS NOT NULL",
        ),
        Trigger("count_duplicate", "duplicates", "INSERT", messages(_duplicate(postgres, "NEW"))),
        Trigger(
            "count_duplicate_dropped", "duplicates", "DELETE",
            messages(_less("message_counts", _duplicate(postgres, "OLD"))),
        ),
        Trigger(
            "count_letter", "dead_letters", "INSERT", (*messages(letter["NEW"]), ("dead_letter_counts", state["NEW"]))
        ),
        Trigger(
            "count_letter_resolved", "dead_letters", "UPDATE OF resolution",
            (("dead_letter_counts", _less("dead_letter_counts", state["OLD"])), ("dead_letter_counts", state["NEW"])),
            when=changed("resolution"),
        ),
        Trigger(
            "count_letter_discarded", "dead_letters", "UPDATE OF resolution",
            messages(_less("message_counts", letter["OLD"]), letter["NEW"]),
            when=f"(OLD.resolution = 'discarded') {differs} (NEW.resolution = 'discarded')",
            unless=_delivered_after_all("NEW"),
        ),
    ]  # fmt: skip


def _delivered_after_all(letter: str) -> str:
    return f"EXISTS (SELECT 1 FROM deliveries WHERE {_of_message('deliveries', letter)} AND status = 'delivered')"


def _add(postgres: bool, table: str, values: Values, source: str) -> str:
    """Statements that add to a row of counters; with a source to one for each key in it."""
    counter = COUNTERS[table]
    rest = {name: "0" for name in (*counter.sums, *counter.highest) if name not in values}
    columns = {**values, **rest, "shard": "own_shard" if postgres else "0"}
    added = [name for name in values if name not in counter.keys]
    highest = "greatest" if postgres else "max"

    def changes(new: Values) -> str:
        return ", ".join(
            f"{name} = {highest}({table}.{name}, {value})" if name in counter.highest
            else f"{name} = {table}.{name} + {value}"
            for name, value in new.items()
        )  # fmt: skip

    given = f"VALUES ({', '.join(columns.values())})"
    if source:
        sums = (f"sum({value})" if name in added else value for name, value in columns.items())
        given = f"SELECT {', '.join(sums)} FROM {source} GROUP BY {', '.join(values[key] for key in counter.keys)}"
    upsert = (
        f"INSERT INTO {table} ({', '.join(columns)}) {given} ON CONFLICT ({', '.join(counter.keys)}, shard)"
        f" DO UPDATE SET {changes({name: f'excluded.{name}' for name in added})};"
    )
    if not postgres or source:
        return upsert
    # Nearly always the row is there, and a plain UPDATE is the cheaper way to find that out.
    key = " AND ".join(f"{table}.{name} = {columns[name]}" for name in (*counter.keys, "shard"))
    update = f"UPDATE {table} SET {changes({name: f'({values[name]})' for name in added})} WHERE {key};"
    return f"{update} IF NOT FOUND THEN {upsert} END IF;"


def _triggers(postgres: bool) -> list[str]:
    made = []
    for name, table, event, adds, when, unless, source in _counting(postgres):
        body = " ".join(_add(postgres, counter, values, source) for counter, values in adds)
        fires = f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW"
        if postgres:
            guarded = f"IF NOT {unless} THEN {body} END IF;" if unless else body
            made += [
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$"
                f" DECLARE own_shard smallint := {FIRST_SHARD}; BEGIN {guarded} RETURN NULL; END $$",
                f"{fires} {when and f'WHEN ({when})'} EXECUTE FUNCTION {name}()",
            ]
        else:
            condition = " AND ".join(f"({part})" for part in (when, unless and f"NOT {unless}") if part)
            made.append(f"{fires} {condition and f'WHEN {condition}'} BEGIN {body} END")
    return made


def _tools(postgres: bool) -> str:
    """A free shard but the first, held until the end; on SQLite, which may lack logarithms, the ends of the buckets."""
    if postgres:
        return f"""
            CREATE FUNCTION counter_shard() RETURNS smallint LANGUAGE plpgsql AS $$
            BEGIN
                FOR shard IN 1..{SHARDS - 2} LOOP
                    IF pg_try_advisory_xact_lock({ADVISORY_CLASS}, shard) THEN RETURN shard; END IF;
                END LOOP;
                PERFORM pg_advisory_xact_lock({ADVISORY_CLASS}, {SHARDS - 1});
                RETURN {SHARDS - 1};
            END $$"""
    columns = "up_to_ms REAL PRIMARY KEY, bucket SMALLINT NOT NULL"
    op.execute(f"CREATE TABLE latency_buckets ({columns}) WITHOUT ROWID")
    bounds = ", ".join(f"({10 * 1.1**bucket!r}, {bucket})" for bucket in range(LAST_BUCKET + 1))
    return f"INSERT INTO latency_buckets (up_to_ms, bucket) VALUES {bounds}"


def _recounts(postgres: bool) -> list[str]:
    """For each table of counters a view that counts anew from the rows themselves."""
    delivered = "deliveries.resolution IS NOT NULL"
    sources = {
        "message_counts": [
            ("deliveries", _event(postgres, "deliveries"), "deliveries.status IN ('delivered', 'dead')"),
            ("duplicates", _duplicate(postgres, "duplicates"), "true"),
            ("dead_letters", _letter(postgres, "dead_letters"), f"NOT {_delivered_after_all('dead_letters')}"),
        ],
        "call_counts": [("attempts", _call(postgres, "attempts"), "attempts.outcome IS NOT NULL")],
        "latency_counts": [("deliveries", _latency(postgres, "deliveries"), delivered)],
        "dead_letter_counts": [("dead_letters", _letter_state(postgres, "dead_letters"), "true")],
    }  # fmt: skip
    made = []
    for view, counter in COUNTERS.items():
        keys = ", ".join(counter.keys)
        parts = []
        for table, values, where in sources[view]:
            names = (*counter.keys, *counter.sums, *counter.highest)
            columns = ", ".join(f"{values.get(name, '0')} AS {name}" for name in names)
            rows = f"SELECT {columns} FROM {table} WHERE {where}"
            parts.append(f"SELECT {keys}, {_totals(counter)} FROM ({rows}) AS counted GROUP BY {keys}")
        whole = " UNION ALL ".join(parts)
        if len(parts) > 1:
            whole = f"SELECT {keys}, {_totals(counter)} FROM ({whole}) AS counted GROUP BY {keys}"
        made.append(f"CREATE VIEW recounted_{view} AS {whole}")
    return made


def _totals(counter: Counter) -> str:
    sums = (f"CAST(sum({column}) AS bigint) AS {column}" for column in counter.sums)
    return ", ".join((*sums, *(f"max({column}) AS {column}" for column in counter.highest)))

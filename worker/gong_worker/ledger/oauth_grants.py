"""The OAuth approval in the ledger: one row a client, its tokens encrypted before they get here.

Whoever renews takes a lease on the row first. Times are the database's, so that no process's clock matters. What is
written names the generation it follows: a result that comes late, after others have written, changes nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gong_worker.domain.grants import Grant, TokenCause
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.models import OAUTH_GRANTS
from gong_worker.ledger.transactions import reading, writing

_NO_LEASE = {"renewal_token": None, "renewal_until": None}
_NO_ACCESS = dict.fromkeys(("base_url", "scope", "renewed_at", "lifetime_seconds", "expires_at"))
_NO_FAILURE = {"failing_since": None, "failure": None}


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """What came with an access token. elapsed_seconds: since it was asked for, when its life began at the earliest."""

    base_url: str | None
    scope: str | None
    lifetime_seconds: int
    elapsed_seconds: float

    def values(self, now: datetime) -> dict[str, Any]:
        """Of the columns."""
        expires_at = now + timedelta(seconds=self.lifetime_seconds - self.elapsed_seconds)
        return {
            "scope": self.scope, "base_url": self.base_url, "renewed_at": now,
            "lifetime_seconds": self.lifetime_seconds, "expires_at": expires_at,
        }  # fmt: skip


class OAuthGrants(LedgerPart):
    """Reading and changing the row of a client."""

    def read_grant(self, client_id: str, *, with_tokens: bool = False) -> Grant | None:
        """The approval of a client; None when there is none. Not every database user may read the tokens."""
        columns = [column for column in OAUTH_GRANTS.columns if with_tokens or column.name != "tokens"]
        with reading(self.engine) as connection:
            row = connection.execute(
                sa.select(*columns).where(OAUTH_GRANTS.c.client_id == client_id)
            ).one_or_none()
            now = _now(connection)
        if row is None:
            return None
        found = {"tokens": None, **row._mapping}
        token, until = found.pop("renewal_token"), found.pop("renewal_until")
        return Grant(**found, renewing=token is not None and until > now, read_at=now)

    def may_read_tokens(self) -> bool:
        """Whether this database user may ask for a grant's tokens."""
        if self.engine.dialect.name != "postgresql":
            return True
        asked = sa.select(sa.func.has_column_privilege(OAUTH_GRANTS.name, "tokens", "SELECT"))
        with reading(self.engine) as connection:
            return bool(connection.scalar(asked))

    def put_grant(
        self, client_id: str, tokens: str, *, by: str, cause: TokenCause, access: AccessFacts | None = None
    ) -> None:
        """Begin with the tokens of a new approval; without `access` there is a refresh token only."""
        insert = rows.insert_into(self.engine.dialect.name, OAUTH_GRANTS)
        with writing(self.engine) as connection:
            now = _now(connection)
            row = {
                "tokens": tokens, "cause": cause, "granted_at": now, "granted_by": by, "refused_at": None,
                **_NO_LEASE, **_NO_FAILURE, **(_NO_ACCESS if access is None else access.values(now)),
            }  # fmt: skip
            statement = insert.values(client_id=client_id, generation=1, **row)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["client_id"], set_={**row, "generation": OAUTH_GRANTS.c.generation + 1}
                )
            )

    def begin_renewal(
        self, client_id: str, generation: int, token: str, *, lease_seconds: float, pause_seconds: float = 0.0
    ) -> bool | None:
        """Take the lease. None: somebody else has it, or the tokens are others by now. True: from one who let it run
        out, and so may have died in the middle.

        On SQLite, whose clock is this machine's, one that lasts longer than any lease or pause is of a time before
        the clock was set back, and has run out.
        """
        with writing(self.engine) as connection:
            now = _now(connection)
            mine = (OAUTH_GRANTS.c.client_id == client_id) & (OAUTH_GRANTS.c.generation == generation)
            query = sa.select(OAUTH_GRANTS.c.renewal_token, OAUTH_GRANTS.c.renewal_until).where(mine)
            row = connection.execute(query.with_for_update()).one_or_none()
            if row is None:
                return None
            left = (row.renewal_until - now).total_seconds() if row.renewal_until is not None else 0.0
            possible = self.engine.dialect.name != "sqlite" or left <= lease_seconds + pause_seconds
            if left > 0 and possible:
                return None
            until = now + timedelta(seconds=lease_seconds)
            connection.execute(
                sa.update(OAUTH_GRANTS).where(mine).values(renewal_token=token, renewal_until=until)
            )
            return row.renewal_token is not None

    def store_renewal(
        self, client_id: str, generation: int, tokens: str, *, access: AccessFacts, cause: TokenCause
    ) -> bool:
        """What a renewal of this generation brought; False when there are others by now.

        Nobody needs the lease for it: what follows the generation can only be this.
        """
        with writing(self.engine) as connection:
            values = access.values(_now(connection))
            values["base_url"] = sa.func.coalesce(access.base_url, OAUTH_GRANTS.c.base_url)
            return _changed(connection, client_id, generation, {
                "generation": generation + 1, "tokens": tokens, "cause": cause, "refused_at": None,
                **values, **_NO_LEASE, **_NO_FAILURE,
            })  # fmt: skip

    def refuse_grant(self, client_id: str, generation: int, why: str, *, access_too: bool) -> bool:
        """Gong renews it no more; `access_too`: it does not take its access token either."""
        with writing(self.engine) as connection:
            now = _now(connection)
            changes = {
                "refused_at": now, "failing_since": sa.func.coalesce(OAUTH_GRANTS.c.failing_since, now),
                "failure": why, **_NO_LEASE, **({"expires_at": None} if access_too else {}),
            }  # fmt: skip
            return _changed(connection, client_id, generation, changes)

    def renewal_failed(self, client_id: str, generation: int, why: str, *, pause_seconds: float) -> None:
        """It did not work this time; nobody tries again before the pause is over."""
        with writing(self.engine) as connection:
            now = _now(connection)
            _changed(connection, client_id, generation, {
                "failing_since": sa.func.coalesce(OAUTH_GRANTS.c.failing_since, now), "failure": why,
                "renewal_token": None, "renewal_until": now + timedelta(seconds=pause_seconds),
            })  # fmt: skip


def _changed(connection: sa.Connection, client_id: str, generation: int, values: dict[str, Any]) -> bool:
    statement = (
        sa.update(OAUTH_GRANTS)
        .where(OAUTH_GRANTS.c.client_id == client_id, OAUTH_GRANTS.c.generation == generation)
        .values(values)
    )
    return connection.execute(statement).rowcount == 1


def _now(connection: sa.Connection) -> datetime:
    if connection.dialect.name == "postgresql":
        now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)
    return datetime.now(UTC)

"""The ledger as the rest of the application sees it."""

from gong_worker.ledger.activity import Activity
from gong_worker.ledger.attempt_feed import AttemptFeed
from gong_worker.ledger.audit import Audit
from gong_worker.ledger.claims import Claiming
from gong_worker.ledger.counts import Counts
from gong_worker.ledger.dead_letter_search import DeadLetterSearch
from gong_worker.ledger.dead_letters import DeadLetters
from gong_worker.ledger.erasure import Erasing
from gong_worker.ledger.event_history import EventHistories
from gong_worker.ledger.event_search import EventSearch
from gong_worker.ledger.keys import Keys
from gong_worker.ledger.oauth_grants import OAuthGrants
from gong_worker.ledger.prune import Prune
from gong_worker.ledger.reads import Reads
from gong_worker.ledger.record import Recording
from gong_worker.ledger.recount import Recount
from gong_worker.ledger.replays import Replays
from gong_worker.ledger.totals import Totals


class Ledger(
    Claiming,
    Recording,
    DeadLetters,
    DeadLetterSearch,
    Reads,
    EventSearch,
    EventHistories,
    AttemptFeed,
    Counts,
    Recount,
    Totals,
    Activity,
    Audit,
    Replays,
    Erasing,
    Keys,
    Prune,
    OAuthGrants,
):
    """What became of every event and every message.

    Every method is one transaction and may raise LedgerUnavailable; after that it may be called again with
    the same arguments, also when the first call had in fact been committed. Times are timezone-aware
    (ValueError otherwise). The methods that record a result return whether the claim was still ours.
    """

    def close(self) -> None:
        """Close the connections."""
        self.steps.close()
        self.engine.dispose()

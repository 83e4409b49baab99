"""Why somebody did something: a sentence for the audit, and for everyone who looks at the gate."""

from typing import Final

from gong_views.errors import GongViewsError

MOST_CHARACTERS: Final = 1_000
"""Room for a few sentences and a link; what is longer is a slip, such as a pasted file."""


class BadReason(GongViewsError):
    """A reason that says nothing, or that nobody would read to its end."""


def check_reason(reason: str | None) -> None:
    """Raise BadReason for a blank or too long one; None is none given, where it may be left out."""
    if reason is None:
        return
    if not reason.strip():
        raise BadReason("say why: others will read it")
    if len(reason) > MOST_CHARACTERS:
        raise BadReason(
            f"a reason has at most {MOST_CHARACTERS:,} characters, not {len(reason):,}: say it in short"
        )

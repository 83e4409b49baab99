"""W3C Trace Context: which trace an event belongs to, as it travels in a message's headers and in an HTTP request's.

https://www.w3.org/TR/trace-context/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
# Version, trace, the span that sent it, flags. Version ff and ids of zeros are invalid by the standard.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# The standard asks for 512 characters at least; more is no reason to keep more.
_TRACESTATE: Final = re.compile(r"[\x20-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A valid `traceparent`, and the `tracestate` that came with it."""

    traceparent: str
    tracestate: str | None = None

    @classmethod
    def read(cls, headers: Mapping[str, Any]) -> Self | None:
        """What the headers hold; None for what is absent or invalid, which costs an event nothing but its trace."""
        parent, state = headers.get(TRACEPARENT), headers.get(TRACESTATE)
        if not isinstance(parent, str) or not _TRACEPARENT.fullmatch(parent):
            return None
        return cls(parent, state if isinstance(state, str) and _TRACESTATE.fullmatch(state) else None)

    @property
    def trace_id(self) -> str:
        """The trace: 32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """The span that sent it: 16 hexadecimal digits."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        """Its flags; the last bit says that the sender records the trace."""
        return int(self.traceparent[53:], 16)

    def headers(self) -> dict[str, str]:
        """As the headers of a message."""
        found = {TRACEPARENT: self.traceparent}
        if self.tracestate is not None:
            found[TRACESTATE] = self.tracestate
        return found

"""Calls in flight: whether there are ever two for one event key."""

import asyncio

from gong_worker.simulator.calllog import Key


class InFlight:
    """Calls from the moment their body is read until they are answered, cut off or given up by the client."""

    def __init__(self) -> None:
        self._by_key: dict[Key, int] = {}
        self.now = 0
        self.most = 0
        self.most_same_key = 0
        self.concurrent_same_key = 0

    async def enter(self, key: Key | None) -> None:
        """Count a call in."""
        if key in self._by_key:
            # The client may have hung up on the other call just before it made this one, and the loop may
            # see the two in either order: let it see every hang-up that has already happened.
            for _ in range(4):
                await asyncio.sleep(0)
        self.now += 1
        self.most = max(self.most, self.now)
        if key is None:
            return
        same = self._by_key.get(key, 0) + 1
        self._by_key[key] = same
        self.most_same_key = max(self.most_same_key, same)
        if same > 1:
            self.concurrent_same_key += 1

    def leave(self, key: Key | None) -> None:
        """Count a call out."""
        self.now -= 1
        if key is None:
            return
        left = self._by_key[key] - 1
        if left:
            self._by_key[key] = left
        else:
            del self._by_key[key]

    def forget_peaks(self) -> None:
        """Start the maxima anew; calls in flight stay counted."""
        self.most = self.now
        self.most_same_key = max(self._by_key.values(), default=0)
        self.concurrent_same_key = 0

"""One client connection: HTTP/1.1 in and out, and the points at which a fault cuts it."""

import asyncio
import socket
import struct
import time
from email.utils import formatdate
from typing import Any

import h11

from gong_worker.simulator import admin, oauth
from gong_worker.simulator.answers import Answer, error_answer, json_answer
from gong_worker.simulator.company import Call, Company, Ruling
from gong_worker.simulator.faults import FaultRule

_CHUNK = 65_536
# A body over the limit is read on so far, so that the client gets to see the 413 instead of a reset.
_DISCARD_BYTES = 64 * 1024 * 1024
_MAX_HEAD_BYTES = 65_536
_BODILESS = frozenset({204, 304})


class StampedReader(asyncio.StreamReader):
    """A stream that knows when its last bytes came in and whether the peer has hung up."""

    def __init__(self) -> None:
        super().__init__(limit=_CHUNK)
        self.last_data_at = time.monotonic()
        self.gone = asyncio.Event()

    def feed_data(self, data: Any) -> None:
        self.last_data_at = time.monotonic()
        super().feed_data(data)

    def feed_eof(self) -> None:
        self.gone.set()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self.gone.set()
        super().set_exception(exc)

    async def gone_within(self, seconds: float | None) -> bool:
        """Wait `seconds` (None: for ever); True as soon as the peer hangs up."""
        try:
            async with asyncio.timeout(seconds):
                await self.gone.wait()
        except TimeoutError:
            return False
        return True


class Connection:
    """Serves the requests of one connection in order, pipelined or not."""

    def __init__(self, company: Company, reader: StampedReader, writer: asyncio.StreamWriter) -> None:
        self._company = company
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)

    async def serve(self) -> None:
        """Answer until the client has gone, or a fault or an error ends the connection."""
        try:
            while await self._one():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            if not self._reader.gone.is_set() and self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                await self._send(error_answer(error.error_status_hint, ["Malformed HTTP request"], ""))
        except OSError:
            pass  # the client hung up: its business
        finally:
            self._writer.close()

    async def _one(self) -> bool:
        """One request; whether another may follow."""
        request = await self._next_event()
        if not isinstance(request, h11.Request):
            return False
        if request.target.startswith(b"/_sim/"):
            body = await self._body(admin.MAX_BODY_BYTES)
            if body is None:
                return False
            answer = admin.handle(self._company, request.method.decode(), request.target.decode(), body)
            await self._send(answer)
        elif request.target.startswith(b"/oauth2/"):
            return await self._authorization(request)
        elif not await self._call(request):
            return False
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _authorization(self, request: h11.Request) -> bool:
        """One request of the authorisation server; False when the connection ended with it."""
        company, config = self._company, self._company.config
        body = await self._body(_MAX_HEAD_BYTES)
        if body is None:
            return False
        to_token = request.target.startswith(oauth.TOKEN.encode())
        trouble = config.token_endpoint if to_token else "up"
        if trouble == "down":
            answer = json_answer(503, {"error": "temporarily_unavailable"})
        else:
            headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
            target = request.target.decode("latin-1")
            answer = company.oauth.handle(config, request.method.decode(), target, headers, body)
            if to_token and config.token_latency_ms:
                await asyncio.sleep(config.token_latency_ms / 1000)
            if trouble == "lost_reply":
                return False
        await self._send(answer)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _call(self, request: h11.Request) -> bool:
        """One call of Gong's API; False when the connection ended with it."""
        company = self._company
        low, high = company.config.inbound_latency_ms
        if high:
            await asyncio.sleep(company.random.uniform(low, high) / 1000)
        call = company.arrive(time.monotonic() if high else self._reader.last_data_at)
        rule = company.faults.at_head()
        if rule is not None:
            company.record(call, f"fault:{rule.kind}", None)
            return self._cut(rule)
        try:
            body = await self._body(company.config.max_body_bytes)
        except (h11.RemoteProtocolError, OSError):
            company.record(call, "incomplete", None)
            raise
        if body is None:
            return await self._too_large(call)
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        path = request.target.partition(b"?")[0].decode("latin-1")
        ruling = company.judge(call, request.method.decode(), path, headers, body)
        await company.in_flight.enter(ruling.key)
        try:
            return await self._deliver(ruling)
        finally:
            company.in_flight.leave(ruling.key)

    async def _too_large(self, call: Call) -> bool:
        errors = [f"The body is larger than {self._company.config.max_body_bytes} bytes"]
        self._company.record(call, "refused", 413, errors=errors)
        answer = error_answer(413, errors, call.request_id)
        answer.headers.append(("Connection", "close"))
        await self._send(answer)
        return False

    async def _deliver(self, ruling: Ruling) -> bool:
        """Send the answer, or what the fault leaves of it; False when the connection ended with it."""
        rule, answer = ruling.rule, ruling.answer
        low, high = self._company.config.latency_ms
        wait = self._company.random.uniform(low, high) / 1000 if high else 0.0
        if rule is not None and rule.kind == "delay":
            wait += rule.seconds or 0.0
        if wait and await self._reader.gone_within(wait):
            return False
        match rule.kind if rule else None:
            case "lost_reply" | "reset_before" | "reset_after" if rule:
                return self._cut(rule)
            case "hang" if rule:
                await self._reader.gone_within(rule.seconds)
                return self._cut(rule)
            case "half_answer" if rule:
                payload = self._payload(answer)
                self._writer.write(payload[: int(len(payload) * rule.fraction)])
                await self._writer.drain()
                return self._cut(rule)
            case "trickle" if rule:
                return await self._trickle(answer, 0.1 if rule.seconds is None else rule.seconds)
        await self._send(answer)
        if answer.retry_after is not None:
            self._company.told_to_wait(answer.retry_after)
        return True

    async def _trickle(self, answer: Answer, seconds: float) -> bool:
        for byte in self._payload(answer):
            self._writer.write(bytes((byte,)))
            await self._writer.drain()
            if await self._reader.gone_within(seconds):
                return False
        return True

    def _cut(self, rule: FaultRule) -> bool:
        """End the connection, with RST where the rule says so (resets: by default)."""
        if rule.reset if rule.reset is not None else rule.kind.startswith("reset"):
            linger_none = struct.pack("ii", 1, 0)
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
            self._writer.transport.abort()
        return False

    async def _next_event(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._writer.write(self._http.send(go_on) or b"")
            self._http.receive_data(await self._reader.read(_CHUNK))

    async def _body(self, limit: int) -> bytes | None:
        """The request's body; None when it is over `limit` (and has been read to its end)."""
        parts: list[bytes] = []
        size = 0
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            size += len(event.data)
            if size <= limit:
                parts.append(bytes(event.data))
            elif size > _DISCARD_BYTES:
                return None
        return b"".join(parts) if size <= limit else None

    def _payload(self, answer: Answer) -> bytes:
        """The whole answer as bytes on the wire."""
        body_bytes = b"" if answer.status in _BODILESS else answer.body
        given = {name.lower() for name, _ in answer.headers}
        usual = {
            "Date": formatdate(answer.date, usegmt=True),
            "Content-Type": answer.content_type,
            "Content-Length": str(len(body_bytes)),
            "Connection": "keep-alive",
        }
        headers = [(name, value) for name, value in usual.items() if name.lower() not in given]
        headers.extend(answer.headers)
        send = self._http.send
        head = send(h11.Response(status_code=answer.status, headers=headers, reason=b"")) or b""
        body = send(h11.Data(data=body_bytes)) or b""
        return head + body + (send(h11.EndOfMessage()) or b"")

    async def _send(self, answer: Answer) -> None:
        self._writer.write(self._payload(answer))
        await self._writer.drain()

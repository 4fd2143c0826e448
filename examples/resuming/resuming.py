"""Subscriptions that miss no event: the wrapper of docs/history.md, for pysignalr."""

import asyncio

from aiohttp import ClientError
from pysignalr.exceptions import AuthorizationError, HubError
from websockets.exceptions import WebSocketException

# A connection was lost, or could not be opened. ConnectionError and TimeoutError are among OSError.
LOST = (OSError, asyncio.TimeoutError, ClientError, WebSocketException, HubError)


class Resuming:
    """Keeps a connection, and asks after each reconnect for what was missed meanwhile.

    `connect` returns a new client with a token that is still good: this client keeps the headers of its first connection.
    `on_gap` is called with the request when events are missing, and fetches the state anew.
    """

    def __init__(self, connect, on_event, on_gap, seconds_between_attempts=0.5):
        self._connect, self._on_event, self._on_gap = connect, on_event, on_gap
        self._pause = seconds_between_attempts
        self._client = None
        self._wanted = {}  # One request for each event.

    async def subscribe(self, request):
        """Subscribes, now or with the next connection."""
        wanted = self._wanted[request["e"]] = {"since": None, "seen": None, "request": request}
        if self._client:
            await self._ask(wanted)

    async def run(self):
        """Stays connected until it is cancelled, its credentials are refused, or a handler fails."""
        while True:
            try:
                await self._stay_connected()
            except AuthorizationError:
                raise
            except LOST:
                await asyncio.sleep(self._pause)

    async def _stay_connected(self):
        client = self._connect()

        async def ask_for_all():
            self._client = client
            for wanted in self._wanted.values():
                await self._ask(wanted)

        async def end():
            # Left alone, the client would first try the address of the lost connection, with long pauses.
            self._client = None
            raise ConnectionError("the connection was lost")

        client.on("OnEvent", self._handle)
        client.on("OnPosition", self._move)
        client.on("OnGap", self._miss)
        client.on_open(ask_for_all)
        client.on_close(end)
        try:
            await client.run()
        finally:
            self._client = None

    async def _ask(self, wanted):
        wanted["seen"] = None

        async def answered(completion):
            if completion.error:
                raise RuntimeError(completion.error)
            position, gap = completion.result["position"], completion.result["gap"]
            # A new event may have come before the answer.
            if not wanted["seen"] or _offset(wanted["seen"]) < _offset(position):
                wanted["since"] = position
            if gap:
                await self._on_gap(wanted["request"], gap)

        await self._client.send("Subscribe", [{**wanted["request"], "since": wanted["since"]}], answered)

    async def _handle(self, arguments):
        [event] = arguments
        await self._move([event["e"], event["r"]])
        await self._on_event(event)

    async def _move(self, arguments):
        event, position = arguments
        wanted = self._wanted.get(event)
        if wanted and position:
            wanted["since"] = wanted["seen"] = position

    async def _miss(self, arguments):
        # In a cluster, events can also be lost while the connection stands.
        event, gap = arguments
        wanted = self._wanted.get(event)
        if wanted:
            await self._on_gap(wanted["request"], gap)


def _offset(position):
    return int(position.split(":")[1])

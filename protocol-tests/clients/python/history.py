"""Subscribe with `since`, and the wrapper of examples/resuming, against the binary."""

import asyncio
import importlib.util
import traceback
from contextlib import asynccontextmanager
from pathlib import Path

from pysignalr.client import SignalRClient

from connecting import TIMEOUT, call, connected, received
from server import Network, Server, token

CHANGED = "portos.resources.changed"
REQUEST = {"e": CHANGED, "r": [{"n": "tickets"}]}
FOREIGN = "fb0cf3b05cda5e7c:41"

# The wrapper that users copy is tested itself, not a copy.
specification = importlib.util.spec_from_file_location("resuming", Path(__file__).parents[3] / "examples/resuming/resuming.py")
resuming = importlib.util.module_from_spec(specification)
specification.loader.exec_module(resuming)


def hub(port):
    return f"http://127.0.0.1:{port}/signalr/v1/mainHub"


@asynccontextmanager
async def listening(server, protocol):
    """A client without the wrapper, and a queue of what it gets."""
    async with connected(hub(server.port), protocol, headers=authorization()) as client:
        yield client, received(client, "OnEvent")


async def ask(client, since):
    completion = await call(client, "Subscribe", [{**REQUEST, "since": since}])
    assert completion.error is None, completion.error
    return completion.result


async def gets_the_answer_to_since_and_positions(server, protocol):
    await server.publish(1)
    await server.publish(2)
    async with listening(server, protocol) as (client, events):
        answer = await ask(client, "earliest")
        first, second = [(await events.get())[0]["r"] for _ in range(2)]
        assert answer == {"position": second, "replayed": 2, "gap": None}, answer
    async with listening(server, protocol) as (client, events):
        assert await ask(client, None) == {"position": second, "replayed": 0, "gap": None}
        await server.publish(3)
        assert (await events.get())[0]["r"] == second.replace(":2", ":3")
    async with listening(server, protocol) as (client, events):
        answer = await ask(client, first)
        assert answer["replayed"] == 2, answer
    async with listening(server, protocol) as (client, events):
        answer = await ask(client, FOREIGN)
        assert answer["gap"] == {"from": FOREIGN, "first": first, "reason": "epoch"}, answer


async def calls_without_reading_the_answer(server, protocol):
    async with listening(server, protocol) as (client, events):
        await client.send("Subscribe", [{**REQUEST, "since": "earliest"}])
        # The call has no answer that could be awaited.
        while await server.publish(1) == 0:
            pass
        assert (await events.get())[0]["p"]["i"]["v"] == 1


async def reads_positions_and_does_not_mind_if_it_has_no_handler(server, protocol):
    async with listening(server, protocol) as (reading, _), listening(server, protocol) as (unread, events):
        told = received(reading, "OnPosition")
        start = (await ask(reading, "earliest"))["position"]
        await ask(unread, "earliest")
        # Not what they want: only the position moves. The second round shows that the other connection was told, too.
        for offset in range(1, 3):
            await server.publish(offset, "devices")
            assert await told.get() == [CHANGED, start.replace(":0", f":{offset}")]
        await server.publish(3)
        assert (await events.get())[0]["r"] == start.replace(":0", ":3")


class Client:
    """A client with the wrapper, through a network that can be cut."""

    def __init__(self, server, protocol):
        self.network, self.protocol = Network(server), protocol
        self.versions, self.gaps, self.asked = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        self.resuming = resuming.Resuming(self.client, self.on_event, self.on_gap, seconds_between_attempts=0.1)

    def client(self):
        return SignalRClient(hub(self.network.port), self.protocol(), headers=authorization())

    async def on_event(self, event):
        self.versions.put_nowait(event["p"]["i"]["v"])

    async def on_gap(self, request, gap):
        assert request == REQUEST, request
        self.gaps.put_nowait(gap["reason"])

    async def __aenter__(self):
        await self.network.__aenter__()
        await self.resuming.subscribe(REQUEST)
        self.running = asyncio.create_task(self.resuming.run())
        return self

    async def __aexit__(self, *_):
        self.running.cancel()
        result = await asyncio.gather(self.running, return_exceptions=True)
        assert isinstance(result[0], asyncio.CancelledError), result
        await self.network.__aexit__()

    async def next(self, count):
        return [await self.versions.get() for _ in range(count)]


async def subscribed(server, client):
    """Publishes until the client is subscribed: its first call has no answer that could be awaited. Returns the next version."""
    version = 1
    while await server.publish(version) == 0:
        version += 1
    assert await client.next(1) == [version]
    return version + 1


async def resumes_after_cuts_each_event_once_in_order(server, protocol):
    async with Client(server, protocol) as client:
        first = await subscribed(server, client)
        for number in range(120):
            await server.publish(first + number)
            if number % 40 == 20:
                client.network.cut()
        assert await client.next(120) == list(range(first, first + 120))
        # Nothing more: what came twice would come before this one.
        client.network.cut()
        await server.publish(0)
        assert await client.next(1) == [0]
        assert client.gaps.empty()


async def resumes_when_much_was_missed_each_event_once_in_order(server, protocol):
    async with Client(server, protocol) as client:
        first = await subscribed(server, client)
        client.network.go_down()
        for number in range(900):
            await server.publish(first + number)
        client.network.come_up()
        assert await client.next(900) == list(range(first, first + 900))
        assert client.gaps.empty()


async def resumes_with_a_gap_trimmed(server, protocol):
    async with Client(server, protocol) as client:
        version = await subscribed(server, client)
        client.network.go_down()
        for _ in range(5):
            await server.publish(0)
        client.network.come_up()
        assert await client.gaps.get() == "trimmed"
        # The answer has the position, although no event has come since.
        client.network.cut()
        await server.publish(version)
        assert await client.next(1) == [version]
        assert client.gaps.empty()


async def resumes_with_a_gap_after_a_restart_epoch(server, protocol):
    async with Client(server, protocol) as client:
        await subscribed(server, client)
        await server.stop()
        await server.start()
        assert await client.gaps.get() == "epoch"
        await server.publish(1)
        assert await client.next(1) == [1]
        # The position is of the new server now.
        client.network.cut()
        await server.publish(2)
        assert await client.next(1) == [2]
        assert client.gaps.empty()


# Each case with the settings of its server. The first ones depend on the protocol.
CASES_OF_PROTOCOLS = [
    (gets_the_answer_to_since_and_positions, {}),
    (reads_positions_and_does_not_mind_if_it_has_no_handler, {"SIGNALHUB_HUB__KEEP_ALIVE_INTERVAL": "100ms"}),
    (resumes_after_cuts_each_event_once_in_order, {}),
]
CASES = [
    (calls_without_reading_the_answer, {}),
    (resumes_when_much_was_missed_each_event_once_in_order, {}),
    (resumes_with_a_gap_trimmed, {"SIGNALHUB_HISTORY__EVENTS": "3"}),
    (resumes_with_a_gap_after_a_restart_epoch, {}),
]


def authorization():
    return {"Authorization": f"Bearer {token()}"}


async def passes(binary, name, protocol, case, settings):
    title = f"{name}: history: {case.__name__.replace('_', ' ')}"

    async def run():
        async with Server(binary, **settings) as server:
            await case(server, protocol)

    try:
        await asyncio.wait_for(run(), TIMEOUT)
    except Exception:
        print(f"FAILED {title}\n{traceback.format_exc()}")
        return False
    print(f"ok {title}")
    return True


async def results(binary, protocols):
    """Runs all cases, and returns which of them passed."""
    results = [await passes(binary, *protocol, *case) for protocol in protocols.items() for case in CASES_OF_PROTOCOLS]
    json = ("json", protocols["json"])
    return results + [await passes(binary, *json, *case) for case in CASES]

"""Many clients of pysignalr at once, for the tests of a cluster.

The tests name the hub, a token and the request in the environment. For each line with a way, a number of clients and a number of events, these
clients connect, and each gets this number of events.
"""

import asyncio
import json
import logging
import os
import sys
from contextlib import AsyncExitStack

from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

from connecting import call, connected, received

WAYS = {"WebSockets, json": JSONProtocol, "WebSockets, messagepack": MessagepackProtocol}


def say(**line):
    print(json.dumps(line), flush=True)


async def connect(stack, protocol):
    headers = {"Authorization": f"Bearer {os.environ['CROWD_TOKEN']}"}
    client = await stack.enter_async_context(connected(os.environ["CROWD_HUB"], protocol, headers=headers))
    calls = received(client, "OnEvent")
    completion = await call(client, "Subscribe", [json.loads(os.environ["CROWD_REQUEST"])])
    if completion.error:
        raise RuntimeError(completion.error)
    return calls


async def number(calls):
    [event] = await calls.get()
    return event["p"]["number"]


async def serve(way, clients, events):
    protocol = list(WAYS.values())[way]
    async with AsyncExitStack() as stack:
        queues = await asyncio.gather(*[connect(stack, protocol) for _ in range(clients)])
        say(ready=True)
        got = [[await number(calls) for _ in range(events)] for calls in queues]
        # What comes too often is told, too.
        await asyncio.sleep(0.1)
        got = [numbers + [await number(calls) for _ in range(calls.qsize())] for numbers, calls in zip(got, queues)]
    say(got=got)


async def main():
    logging.disable(logging.CRITICAL)
    say(ways=list(WAYS))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await serve(**json.loads(line))


if __name__ == "__main__":
    asyncio.run(main())

"""pysignalr with the wrapper of examples/resuming, for the tests that kill the server: a line of JSON for each event and each gap.

The tests name the hub, a token and the requests in the environment, and end it by closing its input.
"""

import asyncio
import json
import logging
import os
import sys

from pysignalr.client import SignalRClient
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

from history import resuming

PROTOCOLS = {"json": JSONProtocol, "messagepack": MessagepackProtocol}


def say(**line):
    print(json.dumps(line, default=str), flush=True)


async def main(protocol):
    logging.disable(logging.CRITICAL)
    headers = {"Authorization": f"Bearer {os.environ['LEDGER_TOKEN']}"}

    def connect():
        return SignalRClient(os.environ["LEDGER_HUB"], PROTOCOLS[protocol](), headers=headers)

    async def on_event(event):
        say(event=event)

    async def on_gap(request, gap):
        say(gap={"event": request["e"], **gap})

    client = resuming.Resuming(connect, on_event, on_gap, seconds_between_attempts=0.1)
    for request in json.loads(os.environ["LEDGER_REQUESTS"]):
        await client.subscribe(request)
    running = asyncio.create_task(client.run())
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.wait({running, asyncio.ensure_future(ended)}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""Connections and calls of pysignalr, as the cases use them."""

import asyncio
from contextlib import asynccontextmanager

from pysignalr.client import SignalRClient

# No case takes longer than a moment; a machine under load gets some more.
TIMEOUT = 20


@asynccontextmanager
async def connected(url, protocol, tls=None, headers=None):
    """A client that is connected until the end of the block."""
    client = SignalRClient(url, protocol=protocol(), retry_count=1, headers=headers, ssl=tls)
    opened = asyncio.Event()

    async def on_open():
        opened.set()

    client.on_open(on_open)
    running = asyncio.create_task(client.run())
    waiting = asyncio.create_task(opened.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        waiting.cancel()
        running.result()
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def call(client, method, arguments):
    """Calls a method of the hub, and returns its completion."""
    completed = asyncio.get_running_loop().create_future()

    async def on_completion(message):
        if not completed.done():
            completed.set_result(message)

    await client.send(method, arguments, on_completion)
    return await completed


def received(client, method):
    """A queue of the arguments with which the server calls a method."""
    calls = asyncio.Queue()

    async def on_call(arguments):
        calls.put_nowait(arguments)

    client.on(method, on_call)
    return calls

"""pysignalr, unmodified, in JSON and in MessagePack: the cases here against the conformance server, those of `history` against the binary."""

import asyncio
import logging
import ssl
import sys
import traceback

from pysignalr.messages import CompletionClientStreamMessage, InvocationMessage, StreamItemMessage
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

import history
from connecting import TIMEOUT, call, connected, received


async def invokes_methods_and_gets_results(client):
    assert (await call(client, "Add", [40, 2])).result == 42
    assert (await call(client, "EchoDouble", [-0.5])).result == -0.5
    for text in ["", "plain", "Grüße, 世界 🦀", "x" * 30_000]:
        assert (await call(client, "EchoString", [text])).result == text
    assert (await call(client, "NoResult", [])).error is None


async def hears_the_error_of_a_method(client):
    errors = asyncio.Queue()
    client.on_error(lambda message: errors.put(message.error))
    completion = await call(client, "ThrowHub", ["no such ticket"])
    expected = "An unexpected error occurred invoking 'ThrowHub' on the server. HubException: no such ticket"
    assert completion.error == expected, completion.error
    assert await errors.get() == expected


async def receives_calls_of_the_server_in_order(client):
    calls = received(client, "Notify")
    for number in range(50):
        await client.send("SendSelf", ["Notify", f"text {number}"])
    for number in range(50):
        assert await calls.get() == [f"text {number}"]


async def receives_arguments_of_every_kind(client):
    calls = received(client, "Many")
    await client.send("SendSelfMany", ["Many"])
    one, two, nothing, yes, _ = await calls.get()
    assert (one, two, nothing, yes) == (1, "two", None, True)


async def receives_what_is_sent_to_its_group(client):
    calls = received(client, "News")
    assert (await call(client, "Join", ["readers"])).error is None
    await client.send("SendGroup", ["readers", "News", "first"])
    assert await calls.get() == ["first"]


async def answers_when_the_server_asks(client):
    async def answer(arguments):
        return f"{arguments[0]}, answered"

    client.on("Question", answer)
    completion = await call(client, "AskCaller", ["Question", "who are you"])
    assert completion.result == "who are you, answered", completion


async def streams_from_the_server(client):
    items, ended = [], asyncio.get_running_loop().create_future()

    async def on_next(item):
        items.append(item)

    async def on_complete(message):
        ended.set_result(message)

    await client.stream("Count", [100, 0], on_next, on_complete)
    await ended
    assert items == list(range(100)), items


async def hears_the_error_of_a_stream(client):
    items, ended = [], asyncio.get_running_loop().create_future()

    async def on_next(item):
        items.append(item)

    async def on_error(message):
        ended.set_result(message.error)

    await client.stream("CountThenThrowHub", [3], on_next, None, on_error)
    assert (await ended).endswith("HubException: stream refused"), ended.result()
    assert items == [0, 1, 2], items


async def streams_to_the_server(client):
    completed = asyncio.get_running_loop().create_future()

    async def on_completion(message):
        completed.set_result(message)

    # The package's own upload asks for no result, so one that does is put together from its messages.
    client._invocation_handlers["sum"] = on_completion
    send = client._transport.send
    await send(InvocationMessage("sum", "Sum", [], stream_ids=["numbers"]))
    for number in range(1, 101):
        await send(StreamItemMessage("numbers", number))
    await send(CompletionClientStreamMessage("numbers"))
    assert (await completed).result == 5050, completed.result()


async def uploads_in_its_own_way(client):
    async with client.client_stream("Sum") as stream:
        for number in range(10):
            await stream.send(number)
    assert (await call(client, "Add", [1, 1])).result == 2


CASES = [
    invokes_methods_and_gets_results,
    hears_the_error_of_a_method,
    receives_calls_of_the_server_in_order,
    receives_arguments_of_every_kind,
    receives_what_is_sent_to_its_group,
    answers_when_the_server_asks,
    streams_from_the_server,
    hears_the_error_of_a_stream,
    streams_to_the_server,
    uploads_in_its_own_way,
]

# What is below the messages is different over TLS, not the messages.
CASES_OVER_TLS = [invokes_methods_and_gets_results, receives_calls_of_the_server_in_order]

PROTOCOLS = {"json": JSONProtocol, "messagepack": MessagepackProtocol}


async def passes(url, name, protocol, case, tls=None):
    title = f"{name}{' over TLS' if tls else ''}: {case.__name__.replace('_', ' ')}"

    async def run():
        async with connected(url, protocol, tls) as client:
            await case(client)

    try:
        await asyncio.wait_for(run(), TIMEOUT)
    except Exception:
        print(f"FAILED {title}\n{traceback.format_exc()}")
        return False
    print(f"ok {title}")
    return True


async def main(binary, url, tls_url=None, root=None):
    logging.disable(logging.CRITICAL)
    results = await history.results(binary, PROTOCOLS)
    results += [await passes(url, *protocol, case) for protocol in PROTOCOLS.items() for case in CASES]
    if tls_url:
        tls = ssl.create_default_context(cafile=root)
        results += [await passes(tls_url, *protocol, case, tls) for protocol in PROTOCOLS.items() for case in CASES_OVER_TLS]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5):
        sys.exit("usage: client.py BINARY URL-OF-THE-CONFORMANCE-HUB [URL-OVER-TLS FILE-OF-ITS-ROOT]")
    sys.exit(asyncio.run(main(*sys.argv[1:])))

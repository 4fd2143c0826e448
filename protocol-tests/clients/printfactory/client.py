"""The WebSocket client websockets as a listener of PrintFactory, and the sample of docs/printfactory.md, against the binary."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import traceback
import urllib.request
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

# No case takes longer than a moment; a machine under load gets some more.
TIMEOUT = 60

API_KEY = "key-of-the-test-publishers"
PAGE = Path(__file__).parents[3] / "docs/printfactory.md"
JOB = '{"JobGUID":"DD6BDDF6-74BA-4BD0-AC48-94A251A8ECA6","Status":"Created"}'
NEST = (
    '{"JobGUID":"DD6BDDF6-74BA-4BD0-AC48-94A251A8ECA6","Status":"NestComplete",'
    '"NestGUID":"0d0e7a4e-3f67-4d0e-8a44-6f0b6a1f2c3d","Event":"Creation","EventDate":"2024-05-31T08:30:00Z"}'
)
DEVICE = '{"DeviceGUID":"8F1D80AB-06D5-43F8-A015-20347D9DE22C","Status":"Idle"}'


class Server:
    """The binary with the dialect, in a folder of its own."""

    def __init__(self, binary, folder, with_tls, more=None):
        self.binary, self.folder, self.with_tls = binary, folder, with_tls
        self.settings = {
            "SIGNALHUB_LISTEN__PUBLIC": "127.0.0.1:0",
            "SIGNALHUB_LISTEN__INTERNAL": "",
            "SIGNALHUB_LISTEN__DRAIN_TIME": "0s",
            "SIGNALHUB_AUTH__SECRET": "a secret of the tests, of enough bytes for HS256",
            "SIGNALHUB_PUBLISH__KEYS": API_KEY,
            "SIGNALHUB_DIALECTS__PRINTFACTORY__LISTEN": "127.0.0.1:0",
            "SIGNALHUB_DIALECTS__PRINTFACTORY__KEYS": str(Path(folder) / "keys.json"),
        }
        self.settings |= more or {}
        self.ca_file = None
        if with_tls:
            self.ca_file, key = str(Path(folder) / "chain.pem"), str(Path(folder) / "key.pem")
            names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
            curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            command = ["openssl", "req", "-x509", *curve, *names, "-keyout", key, "-out", self.ca_file]
            subprocess.run(command, check=True, capture_output=True)
            self.settings |= {"SIGNALHUB_TLS__CERTIFICATE": self.ca_file, "SIGNALHUB_TLS__KEY": key}
        self.tls = ssl.create_default_context(cafile=self.ca_file) if with_tls else None

    async def start(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(self.binary, "serve", env=self.settings, stderr=pipe)
        said = ""
        while not (match := re.search(r"listening\b.*?(127\.0\.0\.1:\d+)", said)):
            line = await self.process.stderr.readline()
            assert line, f"it ended before it listened: {said}"
            said += line.decode()
        self.publish_address = match[1]
        self.address = re.search(r"serving a dialect.*printfactory.*?(127\.0\.0\.1:\d+)", said)[1]
        # Its log must not fill the pipe.
        self.reading = asyncio.create_task(self.process.stderr.read())

    @property
    def url(self):
        return f"{'wss' if self.with_tls else 'ws'}://{self.address}"

    def miskey(self, *arguments):
        """Runs `signalhub miskey`, and returns what it prints."""
        run = subprocess.run([self.binary, "miskey", *arguments], env=self.settings, capture_output=True, check=True, text=True)
        return run.stdout.strip()

    def generate(self, organisation, user):
        return self.miskey("generate", "--org", organisation, "--user", user)

    def connect(self, key):
        return connect(self.url, additional_headers={"MisKey": key}, ssl=self.tls)

    async def post(self, address, path, headers, body):
        """Posts JSON, and returns the JSON of the answer."""
        url = f"{'https' if self.with_tls else 'http'}://{address}{path}"
        request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json", **headers})
        return await asyncio.to_thread(lambda: json.load(urllib.request.urlopen(request, context=self.tls)))

    async def publish(self, event, organisation, payload):
        body = f'{{"e":"{event}","org":"{organisation}","p":{payload}}}'
        return await self.post(self.publish_address, "/api/v1/publish", {"X-API-Key": API_KEY}, body)

    async def stop(self):
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()


async def receives_what_is_published_and_what_producers_post(server):
    key = server.generate("acme", "ann")
    await accepted(server, key)
    async with server.connect(key) as socket:
        await ready(socket)
        receipt = await server.publish("printfactory.job.changed", "acme", JOB)
        assert receipt["matched"] == 1, receipt
        assert await socket.recv() == JOB
        answer = await server.post(server.address, "/api/v2/device/status", {"MisKey": key}, DEVICE)
        assert answer == {"Message": "Device status successfully updated"}, answer
        assert await socket.recv() == DEVICE
        # A burst arrives in one piece of the stream, or one record of TLS.
        batch = ",".join([f'{{"e":"printfactory.nest.changed","org":"acme","p":{NEST}}}'] * 200)
        await server.post(server.publish_address, "/api/v1/publish", {"X-API-Key": API_KEY}, f"[{batch}]")
        for _ in range(200):
            assert await socket.recv() == NEST


async def is_told_why_it_is_refused(server):
    for key, status, message in [
        ("dd6bddf6-74ba-4bd0-ac48-94a251a8eca6", 401, "Invalid MisKey"),
        (server.generate("off", "ann"), 403, "Notifications are disabled"),
    ]:
        server.miskey("notifications", "off", "--org", "off", "--user", "ann")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(200):
            try:
                async with server.connect(key):
                    pass
            except InvalidStatus as refused:
                body = json.loads(refused.response.body)
                if (refused.response.status_code, body) == (status, {"Message": message}):
                    break
                # The server has not read the file yet.
                assert body == {"Message": "Invalid MisKey"}, body
            await asyncio.sleep(0.02)
        else:
            raise AssertionError(f"it was not refused with {status}")


async def is_replaced_by_the_next_connection_of_its_organisation(server):
    keys = [server.generate("two", user) for user in ("ann", "bob")]
    await accepted(server, keys[1])
    async with server.connect(keys[0]) as first:
        await ready(first)
        async with server.connect(keys[1]) as second:
            assert await end(first) == (4409, "replaced by a newer connection")
            await ready(second)
            await server.publish("printfactory.job.changed", "two", JOB)
            assert await second.recv() == JOB


async def is_closed_when_its_key_is_regenerated(server):
    key = server.generate("three", "ann")
    await accepted(server, key)
    async with server.connect(key) as socket:
        server.miskey("regenerate", "--org", "three", "--user", "ann")
        server.process.send_signal(signal.SIGHUP)
        assert await end(socket) == (1008, "the MisKey is no longer valid")


async def runs_the_sample_of_the_page(server):
    sample = PAGE.read_text().split("```python\n")[1].split("```")[0]
    key = server.generate("four", "ann")
    await accepted(server, key)
    environment = {**os.environ, "PRINTFACTORY_URL": server.url, "MISKEY": key}
    if server.ca_file:
        environment["CA_FILE"] = server.ca_file
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", sample, env=environment, stdout=pipe, stderr=pipe)
    assert (await running.stdout.readline()).decode() == "connected\n"
    for event, payload, kind in [
        ("printfactory.job.changed", JOB, "JobGUID"),
        ("printfactory.nest.changed", NEST, "NestGUID"),
        ("printfactory.device.changed", DEVICE, "DeviceGUID"),
    ]:
        # It may have connected a moment before it gets events.
        while (await server.publish(event, "four", payload))["matched"] == 0:
            await asyncio.sleep(0.02)
        assert (await running.stdout.readline()).decode() == f"{kind} {payload}\n"
    server.miskey("cancel", "--org", "four", "--user", "ann")
    server.process.send_signal(signal.SIGHUP)
    error = (await running.stderr.read()).decode()
    assert error == "closed: 1008 the MisKey is no longer valid\n", error


async def is_told_that_the_server_stops(server):
    key = server.generate("five", "ann")
    await accepted(server, key)
    async with server.connect(key) as socket:
        await ready(socket)
        server.process.terminate()
        assert await end(socket) == (1001, "the server stops")


async def is_refused_at_another_node_until_the_first_connection_ends(redis, start):
    a, b = await start("a", "refuse"), await start("b", "refuse")
    keys = [a.generate("six", user) for user in ("ann", "bob")]
    async with await connected(a, keys[0]) as first:
        await ready(first)
        await known(b, keys[1])
        await is_refused(b, keys[1], 409, "Only one connection per organisation is possible")
        await b.publish("printfactory.job.changed", "six", JOB)
        assert await first.recv() == JOB
    await (await connected(b, keys[1])).close()


async def is_replaced_by_a_connection_at_another_node(redis, start):
    a, b = await start("a", "replace"), await start("b", "replace")
    key = b.generate("seven", "ann")
    async with await connected(a, key) as first:
        await ready(first)
        async with await connected(b, key) as second:
            assert await end(first) == (4409, "replaced by a newer connection")
            await ready(second)
            await a.publish("printfactory.job.changed", "seven", JOB)
            assert await second.recv() == JOB
            # A key that is regenerated anywhere closes its connection everywhere.
            a.miskey("regenerate", "--org", "seven", "--user", "ann")
            assert await end(second) == (1008, "the MisKey is no longer valid")


async def connects_elsewhere_after_its_node_was_killed(redis, start):
    a, b = await start("a", "refuse"), await start("b", "refuse")
    key = a.generate("eight", "ann")
    async with await connected(a, key) as first:
        await ready(first)
        a.process.kill()
        try:
            await first.recv()
        except ConnectionClosed:
            pass
    await known(b, key)
    await is_refused(b, key, 409, "Only one connection per organisation is possible")
    await (await asyncio.wait_for(connected(b, key), 30)).close()


async def connects_anywhere_while_redis_is_away(redis, start):
    a, b = await start("a", "refuse"), await start("b", "refuse")
    key = a.generate("nine", "ann")
    # Both nodes have read the key when they have accepted it.
    await (await connected(b, key)).close()
    async with await connected(a, key) as first:
        await ready(first)
        redis.kill()
        redis.wait()
        async with b.connect(key) as second:
            await ready(second)


async def is_refused(server, key, status, message):
    try:
        async with server.connect(key):
            raise AssertionError("it was accepted")
    except InvalidStatus as refused:
        assert refused.response.status_code == status, refused
        assert json.loads(refused.response.body) == {"Message": message}, refused.response.body


async def ready(socket):
    """Waits until the connection gets events: it answers pings from then on."""
    await (await socket.ping())


async def accepted(server, key):
    """Waits until the server has read the file with the key."""
    server.process.send_signal(signal.SIGHUP)
    while True:
        try:
            async with server.connect(key):
                return
        except InvalidStatus:
            await asyncio.sleep(0.02)


async def known(server, key):
    """Waits until the node has read the key from Redis: until then it is refused as invalid."""
    while True:
        try:
            async with server.connect(key):
                return
        except InvalidStatus as refused:
            if refused.response.status_code != 401:
                return
            await asyncio.sleep(0.02)


async def connected(server, key):
    """Connects as soon as the server accepts it."""
    while True:
        try:
            return await server.connect(key)
        except InvalidStatus:
            await asyncio.sleep(0.02)


async def end(socket):
    """The code and the reason with which the server closes."""
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code, closed.rcvd.reason


CASES = [
    receives_what_is_published_and_what_producers_post,
    is_told_why_it_is_refused,
    is_replaced_by_the_next_connection_of_its_organisation,
    is_closed_when_its_key_is_regenerated,
    runs_the_sample_of_the_page,
    is_told_that_the_server_stops,
]


NODES = [
    is_refused_at_another_node_until_the_first_connection_ends,
    is_replaced_by_a_connection_at_another_node,
    connects_elsewhere_after_its_node_was_killed,
    connects_anywhere_while_redis_is_away,
]


async def passes(kind, case, *given):
    title = f"{kind}: {case.__name__.replace('_', ' ')}"
    try:
        await asyncio.wait_for(case(*given), TIMEOUT)
    except Exception:
        print(f"FAILED {title}\n{traceback.format_exc()}")
        return False
    print(f"ok {title}")
    return True


async def against(binary, with_tls):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(binary, folder, with_tls)
        await server.start()
        try:
            kind = "wss" if with_tls else "ws"
            return [await passes(kind, case, server) for case in CASES]
        finally:
            await server.stop()


async def against_nodes(binary, case):
    """Runs a case with a Redis server and nodes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        redis, port = start_redis(folder)
        nodes = []

        async def start(name, second_connection):
            settings = {
                "SIGNALHUB_CLUSTER__REDIS": f"redis://127.0.0.1:{port}",
                "SIGNALHUB_CLUSTER__SECRET": "a secret of the cluster with enough bytes",
                "SIGNALHUB_CLUSTER__LISTEN": "127.0.0.1:0",
                "SIGNALHUB_CLUSTER__NODE": name,
                "SIGNALHUB_DIALECTS__PRINTFACTORY__SECOND_CONNECTION": second_connection,
            }
            node = Server(binary, folder, False, settings)
            await node.start()
            nodes.append(node)
            return node

        try:
            return await passes("cluster", case, redis, start)
        finally:
            for node in nodes:
                await node.stop()
            redis.kill()
            redis.wait()


def start_redis(folder):
    """Starts a Redis server without persistence, and returns its process and its port."""
    for _ in range(20):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        redis = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # Another process may have taken the port meanwhile. It logs little afterwards, which the pipe holds.
        if any("Ready to accept connections" in line for line in redis.stdout):
            return redis, port
        redis.wait()
    raise AssertionError("redis-server does not start")


async def main(binary):
    results = await against(binary, with_tls=False)
    if shutil.which("openssl"):
        results += await against(binary, with_tls=True)
    else:
        print("openssl is not installed, so TLS is not tested: apt-get install openssl")
    if shutil.which("redis-server"):
        results += [await against_nodes(binary, case) for case in NODES]
    else:
        print("not run: redis-server is not installed, so a cluster is not tested: apt-get install redis-server")
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: client.py BINARY")
    sys.exit(asyncio.run(main(sys.argv[1])))

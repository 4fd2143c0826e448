"""The binary, and a network in front of it that loses connections when it is told to."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time

from aiohttp import ClientSession

SECRET = "a secret of the tests, of enough bytes for HS256"
API_KEY = "key-of-the-test-publishers"


class Server:
    """The binary, as a deployment runs it."""

    def __init__(self, binary, **settings):
        self.binary, self.port = binary, 0
        self.settings = {
            "SIGNALHUB_LISTEN__INTERNAL": "",
            "SIGNALHUB_LISTEN__DRAIN_TIME": "0s",
            "SIGNALHUB_AUTH__SECRET": SECRET,
            "SIGNALHUB_PUBLISH__KEYS": API_KEY,
            **settings,
        }

    async def __aenter__(self):
        self.http = ClientSession(headers={"X-API-Key": API_KEY})
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()
        await self.http.close()

    async def start(self):
        """Starts it, at the same port as before."""
        environment = {**self.settings, "SIGNALHUB_LISTEN__PUBLIC": f"127.0.0.1:{self.port}"}
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(self.binary, "serve", env=environment, stderr=pipe)
        said = ""
        while not (match := re.search(r"listening\b.*?127\.0\.0\.1:(\d+)", said)):
            line = await self.process.stderr.readline()
            assert line, f"it ended before it listened: {said}"
            said += line.decode()
        self.port = int(match[1])
        # Its log must not fill the pipe.
        self.reading = asyncio.create_task(self.process.stderr.read())

    async def stop(self):
        self.process.terminate()
        await self.process.wait()

    async def publish(self, version, resource="tickets"):
        """Publishes a change with this version, and returns how many subscribers it matched."""
        identifier = {"i": "573f4511088c772684a738f8", "n": resource, "v": version}
        payload = {"u": {"u": "999", "d": "BackOffice", "f": None}, "n": resource, "a": 2, "i": identifier, "r": [{}]}
        url = f"http://127.0.0.1:{self.port}/api/v1/publish"
        async with self.http.post(url, json={"e": "portos.resources.changed", "p": payload}) as answer:
            assert answer.status == 202, await answer.text()
            return (await answer.json())["matched"]


def token():
    """A token that is good for an hour."""

    def encode(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"sub": "ann", "exp": int(time.time()) + 3600}
    signed = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return b".".join([signed, encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256))]).decode()


class Network:
    """A port in front of a server."""

    def __init__(self, server):
        self.server, self.down, self.writers, self.tasks = server, False, set(), set()

    async def __aenter__(self):
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.listener.close()
        self.cut()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def cut(self):
        """Resets all connections. New ones succeed."""
        for writer in self.writers:
            writer.transport.abort()

    def go_down(self):
        """Resets all connections, and new ones too, until it is up again."""
        self.down = True
        self.cut()

    def come_up(self):
        self.down = False

    async def accept(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.writers.add(writer)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        except OSError:
            # The server is restarted.
            writer.transport.abort()
            return
        self.writers.add(upstream_writer)
        if self.down:
            self.cut()
        await asyncio.gather(forward(reader, upstream_writer), forward(upstream_reader, writer))
        self.writers -= {writer, upstream_writer}


async def forward(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    writer.close()

"""The vendor's Python client of Forcepoint SMC, unmodified, against the binary: over http and https, with cookies and with tokens.

The client has one session in a process, so each group of steps is a process of its own. All groups run at the same time.
"""

import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

PUBLISH_KEY = "a-publish-key-of-the-tests"
API_KEY = "an-api-key-of-the-python-client"
PASSWORD = "pass word&more"

CONFIGURATION = """
[listen]
public = "127.0.0.1:0"
internal = ""
[auth]
secret = "a secret of tests that has enough bytes"
[publish]
keys = ["{publish_key}"]
[dialects.smc]
listen = "127.0.0.1:0"
versions = ["6.5", "7.2.1", "7.2"]
element_types = ["host", "network", "router", "vpn"]
session_tracking = "{tracking}"
[[dialects.smc.accounts]]
name = "client"
key = "{api_key}"
[[dialects.smc.accounts]]
name = "admin"
password_hash = "{password_hash}"
"""

# No step takes longer than a moment, apart from those that idle; a machine under load gets some more.
TIMEOUT = 20

# How long a subscription without events must live: longer than the client survives a WebSocket ping, and than the time between heartbeats.
IDLE = 33


class Site:
    """Where a server is, for one process of steps."""

    def __init__(self, url, publish_url, certificate):
        self.url, self.publish_url, self.certificate = url, publish_url, certificate or None

    @property
    def verify(self):
        return self.certificate or False

    def publish(self, *changes):
        """Publishes changes of elements: a type, an action, an id, and further members."""
        items = [
            {"e": "smc.elements.changed", "p": {"n": name, "a": action, "id": number, **more}}
            for name, action, number, more in changes
        ]
        headers = {"X-API-Key": PUBLISH_KEY, "Content-Type": "application/json"}
        request = urllib.request.Request(self.publish_url + "/api/v1/publish", json.dumps(items).encode(), headers)
        context = ssl.create_default_context(cafile=self.certificate) if self.certificate else None
        with urllib.request.urlopen(request, context=context, timeout=TIMEOUT) as response:
            results = json.loads(response.read())
        assert all("id" in result for result in results), results

    def log_in(self, version="7.2", **credentials):
        from smc import session

        if not credentials:
            credentials = {"api_key": API_KEY}
        session.login(url=self.url, api_version=version, timeout=TIMEOUT, verify=self.verify, **credentials)
        return session


def log_out():
    from smc import session

    session.logout()


def subscription(*contexts, timeout=TIMEOUT):
    from smc_monitoring.pubsub.subscribers import Notification

    first, *others = contexts
    notification = Notification(first, query_timeout=timeout)
    for context in others:
        notification.subscribe(context)
    return notification


def events_of(site, contexts, changes, count):
    """Subscribes, publishes once all subscriptions are there, and returns their ids and the events that come."""
    ids, events = {}, []
    for message in subscription(*contexts).run_forever():
        if "success" in message:
            ids[message["context"]] = message["subscription_id"]
            if len(ids) == len(contexts):
                site.publish(*changes)
        elif "event" in message or "events" in message:
            events.append(message)
            if len(events) == count:
                break
    assert len(events) == count, events
    return ids, events


def element(site, path, version="7.2"):
    return f"{site.url}/{version}/elements/{path}"


def logs_in_with_a_good_key_only(site):
    from smc.api.exceptions import SMCConnectionError

    try:
        site.log_in(api_key="a wrong key of the tests")
        raise AssertionError("a wrong key was accepted")
    except SMCConnectionError as error:
        assert "401" in str(error), error
    session = site.log_in()
    assert session.name == "client", session.name
    assert session.is_active == ("tokens" not in sys.argv[2]), session.session_id
    if session.is_active:
        assert session.session_id.startswith("JSESSIONID="), session.session_id
    for rel in ["current_user", "logout", "host", "network", "router"]:
        assert session.entry_points.get(rel).startswith(site.url + "/7.2/"), rel
    log_out()
    assert not session.is_active


def logs_in_with_a_password(site):
    session = site.log_in(login="admin", pwd=PASSWORD)
    assert session.name == "admin", session.name
    log_out()


def subscribes_to_one_type_all_types_and_lists(site):
    site.log_in()
    changes = [("router", 1, 1, {}), ("network", 2, 2, {}), ("host", 3, 3, {})]
    for context, expected in [
        ("host", ["host/3"]),
        ("*", ["router/1", "network/2", "host/3"]),
        ("", ["router/1", "network/2", "host/3"]),
        ("host,network", ["network/2", "host/3"]),
        ("host, router", ["router/1", "host/3"]),
    ]:
        ids, events = events_of(site, [context], changes, len(expected))
        assert ids == {context: 0}, ids
        assert [event["event"]["element"] for event in events] == [element(site, path) for path in expected], events
    log_out()


def gets_an_event_once_for_each_of_its_subscriptions(site):
    site.log_in()
    ids, events = events_of(site, ["*", "host", "network"], [("host", 1, 1732, {})], 2)
    # The client sends its contexts from two threads, so only the answers tell which number belongs to which.
    assert sorted(ids.values()) == [0, 1, 2], ids
    assert sorted(event["subscription_id"] for event in events) == sorted([ids["*"], ids["host"]]), (ids, events)
    for event in events:
        assert event["event"] == {"type": "create", "element": element(site, "host/1732")}, event
    log_out()


def is_told_of_a_context_that_does_not_exist(site):
    from smc_monitoring.wsocket import FetchAborted

    site.log_in()
    try:
        for message in subscription("printer").run_forever():
            raise AssertionError(message)
        raise AssertionError("the subscription ended without an error")
    except FetchAborted as error:
        assert 'unknown element type "printer"' in str(error), error
    log_out()


def needs_a_session_for_the_socket(site):
    from websocket import WebSocketBadStatusException

    session = site.log_in()
    cookies = session.session.cookies
    for stale in ["00", None]:
        cookies.clear()
        if stale:
            cookies.set("JSESSIONID", stale)
        try:
            for message in subscription("host").run_forever():
                raise AssertionError(message)
            raise AssertionError("the socket was opened")
        except WebSocketBadStatusException as error:
            assert error.status_code == 401, error
    session.logout()


def gets_every_event_of_a_burst(site):
    site.log_in()
    _, events = events_of(site, ["host"], [("host", 2, number, {}) for number in range(50)], 50)
    assert [event["event"]["element"] for event in events] == [element(site, f"host/{number}") for number in range(50)]
    log_out()


def reads_the_element_of_an_event(site):
    from smc_monitoring.pubsub.subscribers import Event

    site.log_in()
    body = {"name": "web", "link": [{"rel": "self", "type": "host", "href": element(site, "host/7")}]}
    timer = threading.Timer(1.5, site.publish, [("host", 2, 7, {"body": body}), ("host", 3, 8, {"type": "trashed"})])
    timer.start()
    events = []
    for event in subscription("*").notify(as_type=Event):
        events.append(event)
        if len(events) == 2:
            break
    assert [event.action for event in events] == ["update", "trashed"], events
    assert type(events[0].element).__name__ == "Host" and events[0].element.name == "web", events[0].element
    # Without a body the client keeps the address of the element.
    assert events[1].element == element(site, "host/8"), events[1].element
    log_out()


def gets_arrays_of_events_in_version_6_5(site):
    from smc_monitoring.pubsub.subscribers import Event

    # It is the oldest listed version, which the client takes if it is told none.
    session = site.log_in(version=None)
    assert session.api_version in ("6.5", 6.5), session.api_version
    _, events = events_of(site, ["host"], [("host", 1, 5, {})], 1)
    expected = {"events": [{"type": "create", "element": element(site, "host/5", "6.5")}], "subscription_id": 0}
    assert events == [expected], events
    timer = threading.Timer(1.5, site.publish, [("host", 1, 6, {})])
    timer.start()
    for event in subscription("host").notify(as_type=Event):
        assert event.action == "create", event
        break
    log_out()


def ends_its_subscription_at_a_logout(site):
    session = site.log_in()
    ended = []
    for message in subscription("host").run_forever():
        assert "success" in message, message
        started = time.monotonic()
        # The client would forget its cookie, so the request is its own without that.
        answer = session.session.put(session.entry_points.get("logout"))
        assert answer.status_code == 204, answer
        ended.append(started)
    assert len(ended) == 1 and time.monotonic() - ended[0] < TIMEOUT - 5, "the subscription did not end"


def logs_in_again_when_its_session_has_ended(site):
    from smc.api.common import SMCRequest

    session = site.log_in()
    site.publish(("host", 2, 9, {"body": {"name": "nine", "link": [{"rel": "self", "type": "host", "href": "x"}]}}))
    session.session.cookies.set("JSESSIONID", "00")
    session.session.cookies.clear()
    session.session.cookies.set("JSESSIONID", "00", domain="127.0.0.1", path="/")
    result = SMCRequest(href=element(site, "host/9")).read()
    assert result.code == 200 and result.json["name"] == "nine", (result.code, result.json)
    log_out()


def stays_subscribed_while_nothing_happens(site):
    site.log_in()
    # No other group publishes events about this type.
    timer = threading.Timer(IDLE, site.publish, [("vpn", 1, 1, {})])
    heartbeats = 0
    for message in subscription("vpn", timeout=IDLE + TIMEOUT).run_forever():
        if "success" in message:
            timer.start()
        elif message == {}:
            heartbeats += 1
        else:
            assert message["event"]["element"] == element(site, "vpn/1"), message
            break
    else:
        raise AssertionError("the subscription ended")
    assert heartbeats == 1, heartbeats
    log_out()


STEPS = {
    "cookies": [
        logs_in_with_a_good_key_only,
        logs_in_with_a_password,
        subscribes_to_one_type_all_types_and_lists,
        gets_an_event_once_for_each_of_its_subscriptions,
        is_told_of_a_context_that_does_not_exist,
        needs_a_session_for_the_socket,
        gets_every_event_of_a_burst,
        reads_the_element_of_an_event,
        gets_arrays_of_events_in_version_6_5,
        ends_its_subscription_at_a_logout,
        logs_in_again_when_its_session_has_ended,
    ],
    "tokens": [
        logs_in_with_a_good_key_only,
        gets_an_event_once_for_each_of_its_subscriptions,
        gets_every_event_of_a_burst,
        reads_the_element_of_an_event,
    ],
    "idle": [stays_subscribed_while_nothing_happens],
}


def run_steps(group, site):
    """Runs the steps of a group in this process."""
    failed = 0
    for step in STEPS[group.split()[0]]:
        title = f"{group}: {step.__name__.replace('_', ' ')}"
        try:
            step(site)
            print(f"ok {title}", flush=True)
        except BaseException:
            print(f"FAILED {title}\n{traceback.format_exc()}", flush=True)
            failed += 1
            from smc import session

            # Whatever is left of the session must not decide about the next step.
            session.__init__(session._manager)
    return failed


class Server:
    """The binary with the dialect."""

    def __init__(self, program, folder, tracking, certificate):
        import hashlib

        salt = os.urandom(16)
        hashed = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, 100000).hex()
        values = {"publish_key": PUBLISH_KEY, "api_key": API_KEY, "tracking": tracking}
        text = CONFIGURATION.format(**values, password_hash=f"pbkdf2-sha256:100000:{salt.hex()}:{hashed}")
        if certificate:
            text += f'[tls]\ncertificate = "{certificate}.pem"\nkey = "{certificate}.key"\n'
        path = os.path.join(folder, f"{tracking}-{'https' if certificate else 'http'}.toml")
        with open(path, "w") as file:
            file.write(text)
        self.log = open(path.replace(".toml", ".log"), "w+")
        # At this level everything is logged that could ever be.
        environment = {**os.environ, "RUST_LOG": "trace"}
        arguments = [program, "--config", path, "serve"]
        self.process = subprocess.Popen(arguments, stderr=self.log, stdout=subprocess.DEVNULL, env=environment)
        scheme = "https" if certificate else "http"
        self.url = scheme + "://" + self.wait_for(r"serving a dialect.* address=(\S+)")
        self.publish_url = scheme + "://" + self.wait_for(r": listening.* address=(\S+)")

    def text(self):
        with open(self.log.name) as file:
            return re.sub("\x1b\\[[0-9;]*m", "", file.read())

    def wait_for(self, pattern):
        for _ in range(300):
            found = re.search(pattern, self.text())
            if found:
                return found.group(1)
            assert self.process.poll() is None, self.text()
            time.sleep(0.1)
        raise AssertionError(f"no {pattern} in {self.text()}")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def make_certificate(folder):
    """A certificate of this machine; None if openssl is missing."""
    path = os.path.join(folder, "server")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(command + ["-keyout", path + ".key", "-out", path + ".pem"], check=True, capture_output=True)
    except FileNotFoundError:
        return None
    return path


def main(program):
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_CA_BUNDLE")}
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(folder)
        if not certificate:
            print("openssl is not installed, so the steps over https are not run: apt-get install openssl")
        servers, groups = [], []
        for tracking in ["cookies", "tokens"]:
            for chosen in [None, certificate] if certificate else [None]:
                server = Server(program, folder, tracking, chosen)
                servers.append(server)
                for kind in [tracking, "idle"] if tracking == "cookies" else [tracking]:
                    group = f"{kind} over {'https' if chosen else 'http'}"
                    pem = chosen + ".pem" if chosen else ""
                    arguments = [sys.executable, __file__, "steps", group, server.url, server.publish_url, pem]
                    groups.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment))
        for group in groups:
            output, _ = group.communicate()
            print(output, end="")
            passed += len(re.findall(r"^ok ", output, re.M))
            broken = len(re.findall(r"^FAILED ", output, re.M))
            failed += broken if group.returncode == 0 or broken else 1
        for server in servers:
            server.stop()
        logged = "".join(server.text() for server in servers)
        secrets = [PASSWORD, "pass+word", "pass%20word", API_KEY, PUBLISH_KEY, "pbkdf2-sha256:1"]
        leaked = [secret for secret in secrets if secret in logged]
        tokens = re.findall(r"\b[0-9a-f]{64}\b", logged)
        if leaked or tokens:
            print(f"FAILED the logs contain {leaked} {tokens[:3]}")
            failed += 1
        else:
            print("ok no password, key or token is in the logs at the level trace")
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["steps", group, url, publish_url, certificate]:
            sys.exit(0 if run_steps(group, Site(url, publish_url, certificate)) == 0 else 1)
        case [program]:
            sys.exit(main(program))
        case _:
            sys.exit("usage: client.py PATH-OF-SIGNALHUB")

"""The page of metrics, the alert rules and the Grafana board, judged by Prometheus and its own parser."""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse
import urllib.request
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

API_KEY = "key-of-the-test-publishers"
DEPLOY = Path(__file__).parents[3] / "deploy"
EVENT = json.dumps({"e": "portos.licence.activated", "p": {}})
# Names of the page that only a server with a certificate, or with issuers whose keys are fetched, has.
CONDITIONAL = {
    "signalhub_tls_certificate_not_after_timestamp_seconds",
    "signalhub_auth_keys",
    "signalhub_auth_key_fetches_total",
}
NAME = re.compile(r"\b(?:signalhub|signalr_server|process)_[a-z_]+")


def fetch(url, body=None, headers=()):
    request = urllib.request.Request(url, body if body is None else body.encode(), dict(headers))
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read().decode()


class Server:
    """The binary, with a client that polls, one that leaves, and a publisher."""

    def __init__(self, binary):
        self.settings = {
            "SIGNALHUB_LISTEN__PUBLIC": "127.0.0.1:0",
            "SIGNALHUB_LISTEN__INTERNAL": "127.0.0.1:0",
            "SIGNALHUB_LISTEN__DRAIN_TIME": "0s",
            "SIGNALHUB_PUBLISH__KEYS": API_KEY,
            "SIGNALHUB_AUTH__SECRET": "a secret of the tests, of enough bytes for HS256",
        }
        token = subprocess.run([binary, "token", "create", "--user", "ann"], env=self.settings, capture_output=True, check=True, text=True)
        self.token = {"Authorization": f"Bearer {token.stdout.strip()}"}.items()
        self.process = subprocess.Popen([binary, "serve"], env=self.settings, stderr=subprocess.PIPE, text=True)
        said = ""
        while not (match := re.search(r" listening\b.*?(127\.0\.0\.1:\d+)", said)):
            line = self.process.stderr.readline()
            assert line, f"it ended before it listened: {said}"
            said += line
        self.public = f"http://{match[1]}"
        self.internal = re.search(r"serving operators.*?(127\.0\.0\.1:\d+)", said)[1]
        # Its log must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.running = True
        self.work = [threading.Thread(target=work, daemon=True) for work in (self.poll, self.publish)]
        for work in self.work:
            work.start()

    def page(self):
        return fetch(f"http://{self.internal}/metrics")

    def connect(self):
        """Negotiates, shakes hands and subscribes over long polling; returns the URL of the connection."""
        hub = f"{self.public}/signalr/v1/mainHub"
        negotiated = json.loads(fetch(f"{hub}/negotiate?negotiateVersion=1", "", self.token))
        url = f"{hub}?id={urllib.parse.quote(negotiated['connectionToken'])}"
        fetch(url, headers=self.token)
        subscribe = '{"type":1,"target":"Subscribe","arguments":[{"e":"portos.licence.activated"}]}'
        for record in ('{"protocol":"json","version":1}', subscribe):
            fetch(url, f"{record}\x1e", self.token)
        return url

    def poll(self):
        left = self.connect()
        urllib.request.urlopen(urllib.request.Request(left, headers=dict(self.token), method="DELETE"), timeout=30).close()
        url = self.connect()
        while self.running:
            try:
                fetch(url, headers=self.token)
            except OSError:
                # The server has stopped while the poll waited.
                assert not self.running

    def publish(self):
        headers = {"Content-Type": "application/json", "X-API-Key": API_KEY}
        while self.running:
            for body in (EVENT, f"[{EVENT},{EVENT}]"):
                fetch(f"{self.public}/api/v1/publish", body, headers.items())
            time.sleep(0.02)

    def stop(self):
        self.running = False
        self.work[1].join()
        self.process.terminate()
        self.process.wait()


def families(server):
    return list(text_string_to_metric_families(server.page()))


def sample_names(server):
    return {sample.name for family in families(server) for sample in family.samples}


def the_page_is_what_the_parser_of_prometheus_expects(server):
    found = families(server)
    assert len(found) > 40, found
    # The parser refuses a unit that is not the end of the name; here a name that ends with one has it.
    for family in found:
        for unit in ("seconds", "bytes"):
            assert not family.name.endswith(f"_{unit}") or family.unit == unit, family.name


def promtool_finds_nothing_to_criticise(server):
    # promtool reads the older text format, in which the names of counters end with _total everywhere.
    counters = {family.name for family in families(server) if family.type == "counter"}
    page = re.sub(
        r"^# (HELP|TYPE) (\S+)", lambda m: f"# {m[1]} {m[2]}{'_total' if m[2] in counters else ''}", server.page(), flags=re.M
    )
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    # The names of OpenTelemetry, and of what was there before, stay.
    assert checked.returncode == 0, checked.stdout + checked.stderr


def outcomes_of_deliveries_add_up(server):
    for _ in range(100):
        samples = {(s.name, tuple(s.labels.values())): s.value for family in families(server) for s in family.samples}
        outcomes = sum(value for (name, _), value in samples.items() if name == "signalhub_deliveries_total")
        matched = samples["signalhub_events_matched_total", ()]
        if matched > 20 and outcomes == matched:
            return
        time.sleep(0.05)
    raise AssertionError(f"{outcomes} outcomes of {matched} deliveries")


def the_rules_are_valid_and_each_alert_fires_when_it_should(_server):
    rules = DEPLOY / "prometheus"
    for command in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]):
        run = subprocess.run(["promtool", *command], cwd=rules, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
    alerts = re.findall(r"alert: (\w+)", (rules / "rules.yml").read_text())
    tests = (rules / "rules_test.yml").read_text()
    page = (DEPLOY.parent / "docs/operations.md").read_text()
    for alert in alerts:
        assert f"{alert} fires" in tests and f"{alert} is quiet" in tests, alert
        assert f"`{alert}`" in page, f"{alert} has no row in docs/operations.md"


def expressions():
    """The queries of the board, by the title of their panel."""
    board = json.loads((DEPLOY / "grafana/signalhub.json").read_text())
    assert board["schemaVersion"] >= 39 and board["templating"]["list"][0]["type"] == "datasource"
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "Latency", "Connections", "Publishing", "Refusals", "Process"], rows
    return [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", [])]


def board_and_rules_name_only_metrics_of_the_page(server):
    names = sample_names(server) | CONDITIONAL
    rules = re.sub(r"#.*|summary:.*|alert:.*|name:.*", "", (DEPLOY / "prometheus/rules.yml").read_text())
    used = set(NAME.findall(rules)) | {name for _, expression in expressions() for name in NAME.findall(expression)}
    # The label signalr_transport and others are no names.
    used = {name for name in used if name not in {"signalr_transport"}}
    assert used <= names, used - names


def prometheus_answers_every_query_of_the_board(server):
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        config = Path(folder) / "prometheus.yml"
        config.write_text(
            f"global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{DEPLOY}/prometheus/rules.yml]\n"
            f"scrape_configs: [{{ job_name: signalhub, static_configs: [{{ targets: ['{server.internal}'] }}] }}]\n"
        )
        options = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
        with open(Path(folder) / "log", "w") as log:
            prometheus = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)
        try:
            missing = wait_for_results(address)
            assert not missing, f"no result: {missing}; log: {(Path(folder) / 'log').read_text()[-2000:]}"
        finally:
            prometheus.terminate()
            prometheus.wait()


def wait_for_results(address):
    """Asks every query until each has a result, for at most 60 s. Returns those that have none."""
    wanted = expressions()
    for _ in range(60):
        time.sleep(1)
        try:
            wanted = [query for query in wanted if not has_result(address, query[1])]
        except OSError:
            # It does not listen yet.
            continue
        if not wanted:
            break
    return wanted


def has_result(address, expression):
    query = expression.replace("$job", "signalhub").replace("$__rate_interval", "5s")
    answer = fetch(f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    return bool(json.loads(answer)["data"]["result"])


CASES = [
    the_page_is_what_the_parser_of_prometheus_expects,
    promtool_finds_nothing_to_criticise,
    the_rules_are_valid_and_each_alert_fires_when_it_should,
    board_and_rules_name_only_metrics_of_the_page,
    prometheus_answers_every_query_of_the_board,
    outcomes_of_deliveries_add_up,
]


def passes(server, case):
    title = case.__name__.replace("_", " ")
    try:
        case(server)
    except Exception:
        print(f"FAILED {title}\n{traceback.format_exc()}")
        return False
    print(f"ok {title}")
    return True


def main(binary):
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        print("not run: prometheus is not installed: apt-get install prometheus")
        return 0
    server = Server(binary)
    try:
        results = [passes(server, case) for case in CASES]
    finally:
        server.stop()
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

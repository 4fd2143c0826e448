"""What is released, used as an operator does: the archive, the Debian package with its unit, the image, the compose files and the Helm chart.

The argument is the folder in which `cargo xtask` has made one of each. A case whose tool is missing says so and does not count.
"""

import functools
import hashlib
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from pathlib import Path

import yaml

from commands import NotRun, ends_as_it_should, need, run
from machine import booted, booted_or_this

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "signalhub"
# Any that the chart accepts: without a cluster, helm assumes a very old one.
KUBERNETES = "1.30.0"


@functools.cache
def lack_of(requirements):
    """Installs packages of PyPI that validate files with the schemas of others; the reason if that is not possible."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]
    done = subprocess.run(pip, capture_output=True, text=True, cwd=Path(__file__).parent)
    return f"pip cannot install {requirements}: {done.stderr.strip().splitlines()[-1:]}" if done.returncode else None


def need_packages(requirements):
    if reason := lack_of(requirements):
        raise NotRun(reason)


def only(made, pattern):
    found = list(made.glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


def checksums_fit_all_files(made):
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=made)
    listed = {line.split()[1] for line in (made / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in made.iterdir() if path.is_file()} - {"SHA256SUMS"}


def the_archive_runs_in_a_clean_folder_and_has_all_that_belongs_to_it(made):
    archive = only(made, "*.tar.gz")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == sorted(member.name for member in members)
        assert {(member.uid, member.gid) for member in members} == {(0, 0)}
        assert len({member.mtime for member in members}) == 1, "times differ"
        tar.extractall(folder, filter="data")
        stage = Path(folder) / archive.name.removesuffix(".tar.gz")
        for name in [
            "LICENSE-MIT",
            "LICENSE-APACHE",
            "CHANGELOG.md",
            "INSTALLING.md",
            "completions/bash/signalhub",
            "completions/zsh/_signalhub",
            "completions/fish/signalhub.fish",
            "man/man1/signalhub.1",
            "man/man1/signalhub-serve.1",
            "systemd/signalhub.service",
            "systemd/signalhub.sysusers",
        ]:
            assert (stage / name).stat().st_size > 0, name
        licences = (stage / "THIRD-PARTY-LICENSES.txt").read_text()
        for part in ["aws-lc-rs ", "tokio ", "rusqlite ", "tikv-jemalloc-sys ", "Permission is hereby granted"]:
            assert part in licences, part
        program = stage / "signalhub"
        version = run(program, "--version", env={})
        assert re.search(r"^revision: [0-9a-f]{12}$|^revision: unknown$", version, re.M), version
        run(stage / "signalhub-conformance", "--version", env={})
        secret = {"SIGNALHUB_AUTH__SECRET": "a secret of tests that has enough bytes"}
        for file in ["signalhub.toml", "signalhub.defaults.toml"]:
            run(program, "config", "check", "--config", stage / file, env=secret)
        assert "/usr/local/bin/signalhub" in (stage / "systemd/signalhub.service").read_text()
        log = ends_as_it_should([program, "serve", "--config", stage / "signalhub.toml"], secret, cwd=folder)
        assert "development mode" not in log, log


def the_list_of_parts_names_each_dependency_with_its_licence(made):
    bom = json.loads(only(made, "*.cdx.json").read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
    parts = {part["name"]: part for part in bom["components"]}
    assert len(parts) > 100 and parts["rustls"]["purl"].startswith("pkg:cargo/rustls@")
    assert re.fullmatch(r"[0-9a-f]{64}", parts["rustls"]["hashes"][0]["content"])
    assert "proptest" not in parts and "rcgen" not in parts, "tests are no parts"
    uses = {part["ref"]: set(part["dependsOn"]) for part in bom["dependencies"]}
    reached, next_parts = set(), {bom["metadata"]["component"]["bom-ref"]}
    while next_parts:
        reached |= next_parts
        next_parts = set().union(*(uses[part] for part in next_parts)) - reached
    assert reached == {"signalhub"} | {part["bom-ref"] for part in bom["components"]}, "not all are parts of the product"
    # Ids of SPDX and the words of its expressions.
    for part in parts.values():
        for licence in part["licenses"]:
            assert re.fullmatch(r"[A-Za-z0-9.() +-]+", licence["expression"]), part


def the_list_of_parts_fits_the_schema_of_cyclonedx(made):
    need_packages("validators.txt")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from license_expression import get_spdx_licensing
    from packageurl import PackageURL

    text = only(made, "*.cdx.json").read_text()
    errors = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text, all_errors=True)
    assert not errors, "\n".join(str(error.data) for error in errors)
    spdx = get_spdx_licensing()
    for part in json.loads(text)["components"]:
        expression = part["licenses"][0]["expression"]
        assert not spdx.validate(expression).errors, f"{part['name']}: {expression}"
        if "purl" in part:
            address = PackageURL.from_string(part["purl"])
            found = (address.type, address.name, address.version, address.to_string())
            assert found == ("cargo", part["name"], part["version"], part["purl"]), found


def completed_in_terminal(shell, setup, words, expected):
    """Types words and a tab into a shell, and reads until it has printed all that is expected."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(shell[0], shell, {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": "/nonexistent"})
    printed, deadline = "", time.monotonic() + 20

    def read_until(*parts):
        nonlocal printed
        while not all(part in printed for part in parts):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([terminal], [], [], left)[0], f"{shell[0]}, {words!r}: no {parts} in {printed!r}"
            printed += os.read(terminal, 65536).decode(errors="replace")

    try:
        # The word is cut in two, so that it does not stand in what the terminal repeats.
        os.write(terminal, f"{setup}; echo rea''dy\n".encode())
        read_until("ready")
        printed = ""
        os.write(terminal, f"{words}\t".encode())
        read_until(*expected)
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


# What is typed, and what the shell must offer or insert.
COMPLETED = [
    ("signalhub to", ["token", "top"]),
    ("signalhub token c", ["check", "create"]),
    ("signalhub token create --us", ["--user"]),
    ("signalhub completions ", ["bash", "fish", "zsh"]),
]


def with_completions(made, check):
    with tempfile.TemporaryDirectory() as folder, tarfile.open(only(made, "*.tar.gz")) as tar:
        tar.extractall(folder, filter="data")
        completions = next(Path(folder).glob("*/completions"))
        for words, expected in COMPLETED:
            check(completions, words, expected)


def bash_completes_the_words_of_the_command_line(made):
    need("bash")

    def check(completions, words, expected):
        setup = f"bind 'set show-all-if-ambiguous on'; source {completions}/bash/signalhub"
        completed_in_terminal(["bash", "--norc", "--noprofile", "-i"], setup, words, expected)

    with_completions(made, check)


def zsh_completes_the_words_of_the_command_line(made):
    need("zsh")

    def check(completions, words, expected):
        run("zsh", "-n", completions / "zsh" / "_signalhub")
        setup = f"fpath=({completions}/zsh $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=0"
        completed_in_terminal(["zsh", "-f", "-i"], setup, words, expected)

    with_completions(made, check)


def fish_completes_the_words_of_the_command_line(made):
    need("fish")

    def check(completions, words, expected):
        # It loads the completions of a command that it finds.
        path = f"{completions.parent}:{os.environ['PATH']}"
        script = f"set fish_complete_path {completions}/fish; complete --do-complete '{words}'"
        with tempfile.TemporaryDirectory() as home:
            printed = run("fish", "--no-config", "--command", script, env={"PATH": path, "HOME": home}, cwd=home)
        offered = [line.split("\t")[0] for line in printed.splitlines()]
        assert offered == sorted(expected), f"{words!r}: {offered}"

    with_completions(made, check)


def the_unit_is_valid_and_exposes_little(made):
    need("systemd-analyze")
    unit = DEPLOY / "systemd" / "signalhub.service"
    with tempfile.TemporaryDirectory() as folder:
        text = unit.read_text()
        copy = Path(folder) / unit.name
        copy.write_text(text.replace("/usr/bin/signalhub", str(made / "programs" / "signalhub")))
        run("systemd-analyze", "verify", "--man=no", copy)
        # 10 is the worst; the rest of 1.2 is that it may use the network, and has a user and files of its own.
        run("systemd-analyze", "security", "--offline=true", "--threshold=15", copy)
    # What the unit allows must suffice for the defaults.
    assert "TimeoutStopSec=90s" in text
    defaults = subprocess.run([made / "programs" / "signalhub", "config", "defaults"], env={}, capture_output=True, text=True)
    assert 'shutdown_delay = "0s"' in defaults.stdout and 'drain_time = "5s"' in defaults.stdout


def the_archive_runs_under_systemd_as_installing_md_says(made):
    with booted() as machine:
        with tarfile.open(only(made, "*.tar.gz")) as tar:
            tar.extractall(machine.root / "root", filter="data")
        page = (ROOT / "docs/installing.md").read_text()
        for title in ["To install it as a service", "Completions and manual pages"]:
            commands = re.search(title + r", as root:\n\n```sh\n(.*?)```", page, re.S).group(1)
            machine.run(f"cd /root/signalhub-*/\n{commands}")
        machine.until_ready()
        # What the unit forbids must not be what the server needs, with a history on disk either.
        machine.run("echo SIGNALHUB_HISTORY__STORE=disk >> /etc/signalhub/secrets.env")
        machine.run("echo SIGNALHUB_HISTORY__DIRECTORY=/var/lib/signalhub >> /etc/signalhub/secrets.env; systemctl restart signalhub")
        machine.until_ready()
        owner = machine.run("stat --format='%U %a' /var/lib/signalhub /var/lib/signalhub/history.sqlite").splitlines()
        assert owner == ["signalhub 750", "signalhub 600"], owner
        process = machine.property("MainPID")
        machine.run("systemctl reload signalhub; systemctl kill --kill-who=main --signal=KILL signalhub")
        machine.run("until [ $(systemctl show --property=NRestarts --value signalhub) = 1 ]; do sleep 0.1; done")
        machine.until_ready()
        assert machine.property("MainPID") != process
        machine.run("systemctl stop signalhub")
        ended = [machine.property(name) for name in ["ActiveState", "Result", "ExecMainStatus"]]
        assert ended == ["inactive", "success", "0"], ended
        log = machine.run("journalctl --unit signalhub --output cat")
        assert "development mode" not in log and log.count("listening") == 3, log


def the_debian_package_installs_upgrades_and_goes_as_it_should(made):
    need("dpkg-deb", "apt-get", "setpriv", "adduser")
    with booted_or_this() as machine:
        package = machine.put(only(made, "*.deb"))
        apt = "DEBIAN_FRONTEND=noninteractive apt-get --yes -o DPkg::Lock::Timeout=200 -o DPkg::Options::=--force-unsafe-io"
        install = f"{apt} --no-install-recommends install {package}"
        machine.run(install)
        configuration, secrets = machine.root / "etc/signalhub/signalhub.toml", machine.root / "etc/signalhub/secrets.env"
        for path, owner in [
            ("etc/signalhub/signalhub.toml", "root:root 644"),
            ("etc/signalhub/secrets.env", "root:signalhub 640"),
            ("var/lib/signalhub", "signalhub:signalhub 750"),
            ("usr/bin/signalhub", "root:root 755"),
            ("usr/bin/signalhub-conformance", "root:root 755"),
            ("usr/share/man/man1/signalhub.1.gz", "root:root 644"),
            ("usr/share/bash-completion/completions/signalhub", "root:root 644"),
            ("usr/share/doc/signalhub/copyright", "root:root 644"),
        ]:
            # Slim systems of Debian leave documents out.
            if not path.startswith("usr/share") or (machine.root / path).exists():
                found = machine.run(f"stat --format='%U:%G %a' /{path}").strip()
                assert found == owner, f"{path}: {found}"
        user = machine.run("getent passwd signalhub").split(":")
        assert int(user[2]) < 1000 and user[6].strip() == "/usr/sbin/nologin", user
        if shutil.which("systemd-analyze"):
            machine.run("systemd-analyze verify --man=no /usr/lib/systemd/system/signalhub.service")
        secret = secrets.read_text()
        variables = dict(line.split("=", 1) for line in secret.splitlines())
        assert len(variables["SIGNALHUB_AUTH__SECRET"]) == 64
        log = machine.log_of_package(variables)
        assert "development mode" not in log, log
        changed = configuration.read_text() + "\n# Changed by an administrator.\n"
        configuration.write_text(changed)
        machine.check_restarts(install.replace("install ", "install --reinstall "))
        assert configuration.read_text() == changed and secrets.read_text() == secret, "an upgrade changed them"
        machine.run(f"{apt} remove signalhub")
        assert not (machine.root / "usr/bin/signalhub").exists() and configuration.read_text() == changed
        machine.check_stopped()
        machine.run(f"{apt} purge signalhub")
        assert not configuration.parent.exists() and not (machine.root / "var/lib/signalhub").exists()
        machine.run("getent passwd signalhub")


def the_image_has_the_programs_a_user_without_rights_and_a_health_check(made):
    need("buildah")
    with tarfile.open(only(made, "*-image.tar")) as image:
        read = lambda name: image.extractfile(name).read()
        manifest = json.loads(read("manifest.json"))[0]
        config = json.loads(read(manifest["Config"]))
        assert manifest["Config"] == hashlib.sha256(read(manifest["Config"])).hexdigest() + ".json"
        settings = config["config"]
        files = {}
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=image.extractfile(layer)) as tar:
                files.update({member.name.lstrip("./").rstrip("/"): member for member in tar.getmembers()})
    assert "container" not in config and "Hostname" not in settings, "the image has what is random in a build"
    assert settings["User"] == "65532:65532" and settings["Entrypoint"] == ["/usr/bin/signalhub"], settings
    assert settings["Healthcheck"]["Test"] == ["CMD", "/usr/bin/signalhub", "health"], settings
    assert settings["Labels"]["org.opencontainers.image.revision"] != "unknown", settings
    for name in ["usr/bin/signalhub", "usr/bin/signalhub-conformance"]:
        mode, user = files[name].mode & 0o777, files[name].uid
        assert (mode, user) == (0o755, 0), f"{name}: {mode:o} {user}"
    assert files["var/lib/signalhub"].uid == 65532
    for name in ["etc/passwd", "etc/ssl/certs/ca-certificates.crt", "usr/share/doc/signalhub/THIRD-PARTY-LICENSES.txt"]:
        assert name in files, name
    assert not any(name.startswith(("bin", "usr/lib", "lib")) for name in files), "there is more than the programs"


def variables(texts):
    """The variables of the configuration that these texts set."""
    return {name for text in texts for name in re.findall(r"\bSIGNALHUB_[A-Z_]+", text) if "__" in name}


def every_variable_that_deploy_sets_is_a_key_of_the_configuration(made):
    paths = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".json"]
    used = variables(path.read_text() for path in paths)
    known = variables([(ROOT / "docs/configuration.md").read_text()])
    assert len(used) > 15 and used <= known, used - known


def the_compose_files_describe_one_node_and_a_cluster(made):
    one, cluster = (yaml.safe_load((DEPLOY / name).read_text()) for name in ["compose.yaml", "compose.cluster.yaml"])
    assert set(one["services"]) == {"signalhub"}
    assert set(cluster["services"]) == {"redis", "node-1", "node-2", "nginx"}
    nodes = [one["services"]["signalhub"], cluster["services"]["node-1"], cluster["services"]["node-2"]]
    for node in nodes:
        assert node["stop_grace_period"] == "30s" and node["image"].startswith("${SIGNALHUB_IMAGE:-signalhub:"), node
        # A secret that is not given is an error, and has no default.
        assert node["environment"]["SIGNALHUB_AUTH__SECRET"] == "${AUTH_SECRET:?}", node
        assert node["environment"]["SIGNALHUB_PUBLISH__KEYS"] == "${PUBLISH_KEY:?}", node
    for number, node in enumerate(nodes[1:], 1):
        environment = node["environment"]
        assert environment["SIGNALHUB_CLUSTER__ADVERTISE"] == f"node-{number}:3002" and "redis" in node["depends_on"]


def the_compose_files_fit_the_schema_of_compose(made):
    need_packages("validators.txt")
    import check_jsonschema
    import jsonschema

    schema = json.loads((Path(check_jsonschema.__file__).parent / "builtin_schemas/vendor/compose-spec.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    for name in ["compose.yaml", "compose.cluster.yaml"]:
        errors = list(validator.iter_errors(yaml.safe_load((DEPLOY / name).read_text())))
        assert not errors, f"{name}: " + "; ".join(f"{error.json_path}: {error.message}" for error in errors)


def rendered(*settings):
    """The objects of the chart, by kind and name."""
    flags = [word for setting in settings for word in ("--set", setting)]
    text = run("helm", "template", "r", CHART, "--namespace", "n", "--kube-version", KUBERNETES, *flags)
    objects = [each for each in yaml.safe_load_all(text) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


SECRET = "secrets.existingSecret=hidden"
CLUSTER = [SECRET, "replicaCount=3", "cluster.enabled=true", "cluster.redis.url=redis://redis:6379"]


def container(objects):
    pod = objects["StatefulSet", "r-signalhub"]["spec"]["template"]["spec"]
    first = pod["containers"][0]
    return pod, first, {each["name"]: each for each in first["env"]}


def the_chart_runs_one_node_by_default(made):
    need("helm")
    run("helm", "lint", "--strict", CHART, "--set", SECRET)
    objects = rendered(SECRET)
    kinds = sorted(kind for kind, _ in objects)
    assert kinds == ["ConfigMap", "Service", "Service", "Service", "StatefulSet"], kinds
    pod, first, environment = container(objects)
    assert pod["securityContext"]["runAsNonRoot"] and first["securityContext"]["readOnlyRootFilesystem"]
    for probe, path in [("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready"), ("startupProbe", "/health/live")]:
        assert first[probe]["httpGet"] == {"path": path, "port": "internal"}, probe
    for name in ["SIGNALHUB_AUTH__SECRET", "SIGNALHUB_ADMIN__TOKEN"]:
        assert environment[name]["valueFrom"]["secretKeyRef"]["name"] == "hidden", name
    assert not any("CLUSTER" in name for name in environment)
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    assert first["image"] == f"signalhub:{version}", first["image"]


def a_pod_of_the_chart_gets_more_time_than_it_needs_to_drain(made):
    need("helm")
    for delay, drain in [(5, 20), (0, 0), (60, 300)]:
        pod, _, environment = container(rendered(SECRET, f"drain.shutdownDelay={delay}", f"drain.drainTime={drain}"))
        assert environment["SIGNALHUB_LISTEN__SHUTDOWN_DELAY"]["value"] == f"{delay}s"
        assert environment["SIGNALHUB_LISTEN__DRAIN_TIME"]["value"] == f"{drain}s"
        assert pod["terminationGracePeriodSeconds"] == delay + drain + 15


def the_chart_runs_a_cluster_with_names_budget_and_redis(made):
    need("helm")
    extra = ["cluster.redis.existingSecret=redis-secret", "serviceMonitor.enabled=true", "serviceMonitor.labels.team=a"]
    objects = rendered(*CLUSTER, *extra)
    _, first, environment = container(objects)
    assert environment["SIGNALHUB_CLUSTER__REDIS"]["value"] == "redis://redis:6379"
    password = environment["SIGNALHUB_CLUSTER__REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert password == {"name": "redis-secret", "key": "redis-password"}, password
    assert environment["SIGNALHUB_CLUSTER__SECRET"]["valueFrom"]["secretKeyRef"]["key"] == "cluster-secret"
    # A variable can only name those before it.
    names = list(environment)
    assert names.index("POD_IP") < names.index("SIGNALHUB_CLUSTER__ADVERTISE")
    assert names.index("POD_NAME") < names.index("SIGNALHUB_CLUSTER__NODE")
    nodes = objects["Service", "r-signalhub-nodes"]["spec"]
    assert nodes["clusterIP"] == "None" and nodes["publishNotReadyAddresses"] is True
    assert objects["StatefulSet", "r-signalhub"]["spec"]["serviceName"] == "r-signalhub-nodes"
    budget = objects["PodDisruptionBudget", "r-signalhub"]["spec"]
    assert budget["maxUnavailable"] == 1
    selector = {"app.kubernetes.io/name": "signalhub", "app.kubernetes.io/instance": "r"}
    assert budget["selector"]["matchLabels"] == selector
    labels = objects["StatefulSet", "r-signalhub"]["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= labels.items()
    monitor = objects["ServiceMonitor", "r-signalhub"]
    wanted, found = monitor["spec"]["selector"]["matchLabels"], objects["Service", "r-signalhub-internal"]["metadata"]["labels"]
    assert wanted.items() <= found.items() and monitor["metadata"]["labels"]["team"] == "a"
    ports = {port["name"] for port in first["ports"]}
    targets = [port["targetPort"] for (kind, _), each in objects.items() if kind == "Service" for port in each["spec"]["ports"]]
    assert set(targets) <= ports and "cluster" in ports


def the_chart_keeps_a_history_and_serves_an_ingress(made):
    need("helm")
    settings = ["persistence.enabled=true", "ingress.enabled=true", "ingress.host=hub.example.com", "ingress.tlsSecret=cert"]
    objects = rendered(SECRET, *settings, "ingress.trustedProxies={10.0.0.0/8}")
    claim = objects["StatefulSet", "r-signalhub"]["spec"]["volumeClaimTemplates"][0]
    _, first, environment = container(objects)
    mount = next(each for each in first["volumeMounts"] if each["name"] == claim["metadata"]["name"])
    assert environment["SIGNALHUB_HISTORY__DIRECTORY"]["value"].startswith(mount["mountPath"] + "/")
    assert environment["SIGNALHUB_LISTEN__TRUSTED_PROXIES"]["value"] == "10.0.0.0/8"
    ingress = objects["Ingress", "r-signalhub"]["spec"]
    assert ingress["tls"] == [{"hosts": ["hub.example.com"], "secretName": "cert"}]


def the_objects_of_the_chart_fit_the_schemas_of_kubernetes(made):
    need("helm")
    need_packages("kubernetes.txt")
    import kubernetes_validate

    ingress = ["ingress.enabled=true", "ingress.host=hub.example.com", "ingress.tlsSecret=cert"]
    for settings in [[*CLUSTER, "cluster.redis.existingSecret=redis-secret"], [SECRET, "persistence.enabled=true", *ingress]]:
        for (kind, name), each in rendered(*settings).items():
            for version in ["1.25", "1.37"]:
                try:
                    kubernetes_validate.validate(each, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    raise AssertionError(f"{kind} {name} in {version}: {error.path}: {error.message}") from None


def the_program_accepts_the_variables_of_the_chart(made):
    need("helm")
    for settings in [[SECRET, "persistence.enabled=true"], [*CLUSTER, "cluster.prefix=one"]]:
        _, _, environment = container(rendered(*settings))
        given = {"POD_NAME": "r-signalhub-0", "POD_IP": "10.1.2.3"}
        secrets = {"SIGNALHUB_AUTH__SECRET": "a" * 32, "SIGNALHUB_ADMIN__TOKEN": "b" * 32, "SIGNALHUB_CLUSTER__SECRET": "c" * 32}
        with tempfile.TemporaryDirectory() as folder:
            for name, each in environment.items():
                if "value" in each:
                    value = re.sub(r"\$\((\w+)\)", lambda match: given[match.group(1)], each["value"])
                    given[name] = value.replace("/var/lib/signalhub", folder)
                elif name in secrets:
                    given[name] = secrets[name]
            run(made / "programs" / "signalhub", "config", "check", env=given)


def the_chart_refuses_wrong_values(made):
    need("helm")
    rows = [
        ([], "secrets.existingSecret: name a Secret"),
        ([SECRET, "replicaCount=3"], "more than one node needs cluster.enabled"),
        ([SECRET, "cluster.enabled=true"], "cluster.redis.url: name the Redis servers"),
        ([*CLUSTER, "persistence.enabled=true"], "the events of a cluster are in Redis"),
        ([SECRET, "ingress.enabled=true"], "ingress.host"),
        ([SECRET, "replicaCount=0"], "replicaCount"),
        ([SECRET, "replicas=3"], "replicas"),
        ([SECRET, "drain.drainTime=soon"], "drainTime"),
        ([SECRET, "cluster.redis.url=redis://:password@redis:6379"], "url"),
        ([SECRET, "service.type=Any"], "type"),
    ]
    for settings, expected in rows:
        flags = [word for setting in settings for word in ("--set", setting)]
        command = ["helm", "template", "r", CHART, "--kube-version", KUBERNETES, *flags]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode != 0 and expected in done.stderr, f"{settings}: {done.stderr}"


CASES = [
    checksums_fit_all_files,
    the_archive_runs_in_a_clean_folder_and_has_all_that_belongs_to_it,
    the_list_of_parts_names_each_dependency_with_its_licence,
    the_list_of_parts_fits_the_schema_of_cyclonedx,
    bash_completes_the_words_of_the_command_line,
    zsh_completes_the_words_of_the_command_line,
    fish_completes_the_words_of_the_command_line,
    the_unit_is_valid_and_exposes_little,
    the_archive_runs_under_systemd_as_installing_md_says,
    the_debian_package_installs_upgrades_and_goes_as_it_should,
    the_image_has_the_programs_a_user_without_rights_and_a_health_check,
    every_variable_that_deploy_sets_is_a_key_of_the_configuration,
    the_compose_files_describe_one_node_and_a_cluster,
    the_compose_files_fit_the_schema_of_compose,
    the_chart_runs_one_node_by_default,
    a_pod_of_the_chart_gets_more_time_than_it_needs_to_drain,
    the_chart_runs_a_cluster_with_names_budget_and_redis,
    the_chart_keeps_a_history_and_serves_an_ingress,
    the_objects_of_the_chart_fit_the_schemas_of_kubernetes,
    the_program_accepts_the_variables_of_the_chart,
    the_chart_refuses_wrong_values,
]


def outcome(case, made):
    title = case.__name__.replace("_", " ")
    try:
        case(made)
    except NotRun as reason:
        print(f"not run: {title}: {reason}")
        return None
    except Exception:
        print(f"FAILED {title}\n{traceback.format_exc()}")
        return False
    print(f"ok {title}")
    return True


def main(made):
    results = [outcome(case, made.resolve()) for case in CASES]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if False not in results else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

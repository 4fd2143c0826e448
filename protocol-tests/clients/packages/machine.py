"""Systems in which a case installs what is released: one that systemd boots for it, else this machine."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from commands import NotRun, ends_as_it_should, need, run


class Machine:
    """A system of its own that systemd has booted: the files of this one, of which it changes copies in memory, and a network of its own."""

    def __init__(self, init, root):
        self.init, self.root = init, root

    def run(self, script, **options):
        """Runs lines of a shell as root, in the system."""
        enter = ["nsenter", "--target", self.init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        return run(*enter, "sh", "-euc", script, **options)

    def until_ready(self):
        self.run("until signalhub health; do sleep 0.1; done 2> /dev/null")

    def property(self, name):
        return self.run(f"systemctl show --property={name} --value signalhub").strip()

    def put(self, file):
        """Copies a file into the system, and returns where it is there."""
        shutil.copy(file, self.root / "root")
        return f"/root/{file.name}"

    def log_of_package(self, variables):
        """The log of the service that the package has started."""
        self.until_ready()
        assert self.run("systemctl is-enabled signalhub") == "enabled\n"
        return self.run("journalctl --unit signalhub --output cat")

    def check_restarts(self, upgrade):
        """An upgrade restarts the service, but not one that was stopped."""
        process = self.property("MainPID")
        self.run(upgrade)
        self.until_ready()
        assert self.property("MainPID") not in ("0", process), "it was not restarted"
        self.run(f"systemctl stop signalhub; {upgrade}")
        assert self.property("ActiveState") == "inactive", "it was started"
        self.run("systemctl start signalhub")
        self.until_ready()

    def check_stopped(self):
        self.run("! pgrep -x signalhub; test $(systemctl is-active signalhub) = inactive")


class ThisMachine:
    """This machine, where no other system can be booted. Its systemd is not used."""

    root = Path("/")

    def run(self, script):
        return run("sh", "-euc", script)

    def put(self, file):
        return file

    def log_of_package(self, variables):
        """The log of the server, started as the unit says."""
        unit = Path("/usr/lib/systemd/system/signalhub.service").read_text()
        start = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1).split()
        as_user = ["setpriv", "--reuid=signalhub", "--regid=signalhub", "--clear-groups", "--no-new-privs"]
        return ends_as_it_should([*as_user, *start], variables, cwd="/var/lib/signalhub")

    def check_restarts(self, upgrade):
        self.run(upgrade)

    def check_stopped(self):
        pass


@contextlib.contextmanager
def this_machine():
    """This machine, on which a package is installed, and purged in the end."""
    if os.getuid() != 0:
        raise NotRun("only root installs packages")
    if shutil.which("signalhub") or Path("/etc/signalhub").exists():
        raise NotRun("signalhub is installed on this machine already")
    had_user = subprocess.run(["getent", "passwd", "signalhub"], capture_output=True).returncode == 0
    try:
        yield ThisMachine()
    finally:
        subprocess.run(["apt-get", "--yes", "purge", "signalhub"], capture_output=True)
        if not had_user:
            subprocess.run(["deluser", "--quiet", "signalhub"], capture_output=True)


@contextlib.contextmanager
def booted_or_this():
    with contextlib.ExitStack() as stack:
        try:
            machine = stack.enter_context(booted())
        except NotRun as reason:
            print(f"the package is installed on this machine itself: {reason}")
            machine = stack.enter_context(this_machine())
        yield machine


@contextlib.contextmanager
def booted():
    """Boots a system without a service, and ends it."""
    need("systemd-nspawn", "nsenter")
    if os.getuid() != 0:
        raise NotRun("only root boots systems")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def mount(place, *words):
            if subprocess.run(["mount", *words, place], capture_output=True).returncode:
                raise NotRun("root may not mount file systems here")
            stack.callback(run, "umount", place)

        mount(folder, "-t", "tmpfs", "tmpfs")
        root, layers = folder / "root", [folder / "changes", folder / "work"]
        for each in [root, *layers]:
            each.mkdir()
        mount(root, "-t", "overlay", "-o", f"lowerdir=/,upperdir={layers[0]},workdir={layers[1]}", "overlay")
        # The index of all manual pages is not made again by each package.
        (root / "var/lib/man-db/auto-update").unlink(missing_ok=True)
        # There is no network to wait for.
        for name in ["systemd-networkd-wait-online", "NetworkManager-wait-online", "ifupdown-wait-online"]:
            run("ln", "-sf", "/dev/null", root / f"etc/systemd/system/{name}.service")
        news = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        news.bind(str(folder / "news"))
        news.settimeout(100)
        command = ["systemd-nspawn", "--directory", root, "--boot", "--register=no", "--private-network", "--console=pipe"]
        command += ["--machine=signalhub-test", "--notify-ready=yes"]
        if not Path("/run/systemd/system").exists():
            # No systemd of this machine can be asked for a unit for it.
            command.append("--keep-unit")
        environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "news")}
        system = subprocess.Popen(
            [*command, "--", "--unit=basic.target"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        # With its first process all others of the system end, and then this one.
        stack.callback(system.communicate, timeout=200)
        told = ""
        try:
            while "READY=1" not in told:
                told += news.recv(4096).decode() + "\n"
        except TimeoutError:
            system.kill()
            raise AssertionError(f"systemd did not boot: {told}") from None
        init = re.search(r"X_NSPAWN_LEADER_PID=(\d+)", told).group(1)
        stack.callback(os.kill, int(init), signal.SIGKILL)
        yield Machine(init, root)

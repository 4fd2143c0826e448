"""What cases run, and what they do where something is missing."""

import re
import shutil
import subprocess


class NotRun(Exception):
    """The case needs something that this machine does not have."""


def run(*command, **options):
    """Runs a command and returns what it prints; its failure is one of the case."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, **options)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise NotRun(f"{program} is not installed")


def ends_as_it_should(command, environment, **options):
    """Starts a server, asks whether it is ready, tells it to stop, and returns its log."""
    at = {"SIGNALHUB_LISTEN__PUBLIC": "127.0.0.1:0", "SIGNALHUB_LISTEN__INTERNAL": "127.0.0.1:0"}
    server = subprocess.Popen(
        [str(word) for word in command], env={**environment, **at}, stderr=subprocess.PIPE, text=True, **options
    )
    log, internal = "", None
    try:
        for line in server.stderr:
            log += line
            if "serving operators" in line:
                internal = re.search(r"127\.0\.0\.1:\d+", re.sub(r"\x1b\[[0-9;]*m", "", line)).group()
            if "listening" in line:
                break
        assert internal, log
        program = command[-4] if command[-3] == "serve" else command[0]
        run(program, "health", "--url", f"http://{internal}", env={})
    finally:
        server.terminate()
    rest = server.communicate(timeout=60)[1]
    assert server.returncode == 0, log + rest
    return log + rest

"""Runs the console scripts as a user does: real processes, and real sockets on loopback."""

import atexit
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
from forking import Fork, can_fork
from prometheus_client.parser import text_string_to_metric_families

SCRIPTS = Path(sys.executable).parent
PATIENCE_SECONDS = 30  # a bound for failures, not a wait


@functools.cache
def quiet_proc():
    """Return a /proc that contains only this process, as process 1.

    The machine may run real agents, and other tests run processes that look like agents.
    """
    proc = Path(tempfile.mkdtemp(prefix="agtop-proc-"))
    atexit.register(shutil.rmtree, proc)
    if Path("/proc/stat").exists():
        for name, target in (("stat", "stat"), ("sys", "sys"), ("1", os.getpid())):
            (proc / name).symlink_to(f"/proc/{target}")
    return proc


def environment(home, **more):
    """Return the variables of a console script. `AGTOP_PROCFS=/proc` shows all processes."""
    windows = {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if "SYSTEMROOT" in os.environ else {}
    homes = {"HOME": str(home), "USERPROFILE": str(home), "AGTOP_PROCFS": str(quiet_proc())}
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **windows, **homes, **more}


def run(program, *arguments, home, check=True, within=(), **more):
    """Run a console script to its end, in a fork if possible.

    `within` is a command prefix, such as a namespace.
    """
    words = [str(SCRIPTS / program), *map(str, arguments)]
    variables = environment(home, **more)
    if within or not can_fork(more):
        done = subprocess.run(
            [*within, *words],
            env=variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    else:
        done = _run_in_fork(words, variables)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def _run_in_fork(words, variables):
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        fork = Fork(words, variables, stdout=stdout, stderr=stderr)
        try:
            fork.wait(PATIENCE_SECONDS)
        finally:
            fork.kill()
        for file in (stdout, stderr):
            file.seek(0)
        return subprocess.CompletedProcess(words, fork.returncode, stdout.read(), stderr.read())


def run_unprivileged(program, *arguments, home):
    """Run a console script as a user whom file modes restrict."""
    command = [SCRIPTS / program, *arguments]
    if os.geteuid() == 0:
        privileges = "-dac_override,-dac_read_search"
        command = ["setpriv", "--bounding-set", privileges, "--inh-caps", privileges, *command]
    return subprocess.run(
        command,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def once(home, *arguments):
    """Return the JSON of one refresh, without a ledger unless the arguments set one."""
    state = () if "--state-dir" in arguments else ("--no-state",)
    flags = ("--once", "--json", "--no-pricing-refresh", *state)
    return json.loads(run("agtop-exporter", *flags, *arguments, home=home).stdout)


class Daemon:
    """A running agtop-exporter. Its log is read until it reports its URL."""

    def __init__(
        self, home, *arguments, interval=0.05, offline=True, within=(), is_script=False, **more
    ):
        """Start a daemon, in a fork if possible. `is_script` is set if it must be a new program."""
        words = [
            str(SCRIPTS / "agtop-exporter"),
            *(["--no-pricing-refresh"] if offline else []),
            *("--listen-address", "127.0.0.1:0", "--interval", str(interval)),
            *map(str, arguments),
        ]
        variables = environment(home, **more)
        if is_script or within or not can_fork(more):
            self.process = subprocess.Popen(
                [*within, *words], env=variables, stderr=subprocess.PIPE, text=True
            )
        else:
            self.process = Fork(words, variables, stderr_pipe=True)
        self.log = []
        self.port = 0
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"url\W+https?://[\d.]+:(\d+)/", line):
                self.port = int(found[1])
                break
        assert self.port, "".join(self.log)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self):
        with self.process.stderr:
            self.log.extend(self.process.stderr)

    def get(self, path, **headers):
        """Return (status, body) of a path."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self):
        """Scrape like Prometheus, and return {(name, labels): value}."""
        status, page = self.get("/metrics", **SCRAPER)
        assert status == 200
        return samples_of(page)

    def until(self, condition):
        """Scrape until a condition of the samples holds, and return them."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            samples = self.samples()
            if condition(samples):
                return samples
        raise AssertionError(f"it never came true; the log says {''.join(self.log)}")

    def until_ready(self):
        """Wait for the end of the first scan."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.get("/-/ready")[0] != 200:
            assert time.monotonic() < deadline, "".join(self.log)

    def end(self, number=signal.SIGTERM):
        """Send a signal, and return (exit code, CPU seconds from the signal until the end).

        The CPU seconds are those of a script, not of a fork.
        """
        import resource  # noqa: PLC0415 - Unix has it only

        before = sum(psutil.Process(self.process.pid).cpu_times()[:4])
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = now.ru_utime + now.ru_stime - ended.ru_utime - ended.ru_stime
        return code, used - before


@contextmanager
def daemon(home, *arguments, **more):
    running = Daemon(home, *arguments, **more)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()
        running._reader.join()  # noqa: SLF001 - it closes the pipe


SCRAPER = {"X-Prometheus-Scrape-Timeout-Seconds": "10"}


def samples_of(page):
    """Return {(name, labels): value} of a page of text."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def total(samples, name, **labels):
    """Return the sum of the samples with a name and these labels."""
    wanted = set(labels.items())
    return sum(
        value for (found, pairs), value in samples.items() if found == name and wanted <= set(pairs)
    )

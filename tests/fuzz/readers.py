"""Fuzz the readers of the agents, guided by the coverage of the package (atheris, libFuzzer).

    python -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install -e '.[test]' atheris
    PYTHONPATH=tests/support nice /tmp/fuzz/bin/python tests/fuzz/readers.py [--seconds 60]
        [--agent NAME] [--work /tmp/agtop-fuzz] [--rounds 1]
    PYTHONPATH=tests/support /tmp/fuzz/bin/python tests/fuzz/readers.py --minimise

An input is one changed file of a golden home (`fuzzing`). A finding is an exception other than
OSError, a negative figure, too much CPU time (2 s), or too much memory (700 MB). Each kind of
finding is kept once, in WORK/NAME/findings. `--minimise` writes the inputs that together reach all
that was reached into `tests/fuzz/corpus`; the tests replay them.
"""

import argparse
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import fuzzing
from mangling import STRANGE, STRANGE_CELLS, strange_line
from places import TESTS

STORED_MAX = 80  # inputs of one agent that the tests replay
MEMORY_MB, HANG_SECONDS = 700, 20
SHARE_OF_LIBFUZZER = 0.4  # the other changes keep JSON valid, and reach what is behind the decoder
NAMES = re.compile(rb'"([A-Za-z_][\w./ -]{1,40})"')
EXTREME = (
    *STRANGE,
    *(1e400, -1e308, 10**308, float("nan"), float("-inf"), 2**64, -(2**63), 9e15, 253402300800000),
    *("9999-12-31T23:59:59.999Z", '"} 1\nagtop_tokens_total{a="', "\u2028", "\ud800", "../../x"),
    *([[]] * 3, {"type": {}}, "x" * 5_000, "0x10", "1e5", "NaN", False),
)


def changed(data, size, seed):
    """Return an input with changed content, and the same first line."""
    import atheris  # noqa: PLC0415 - the parent process does not need it

    chance = random.Random(seed)
    name, _, content = data.partition(b"\n")
    room = max(1, size - len(name) - 1)
    if chance.random() < SHARE_OF_LIBFUZZER:
        content = atheris.Mutate(content, room)
    else:
        for _ in range(chance.randint(1, 3)):
            content = structured(content, chance)
    return name + b"\n" + content[:room]


def structured(content, chance):
    """Change a record or a cell, or copy, move or delete some."""
    glue = fuzzing.CELL if fuzzing.CELL in content else b"\n"
    parts = content.split(glue)
    at = chance.randrange(len(parts))
    way = chance.random()
    if way < 0.7:
        parts[at] = strange_part(parts[at], chance, glue)
    elif way < 0.8:
        parts.insert(chance.randrange(len(parts) + 1), parts[at])
    elif way < 0.9:
        other = chance.randrange(len(parts))
        parts[at], parts[other] = parts[other], parts[at]
    elif way < 0.95:
        del parts[at]
    else:
        cut = chance.randrange(len(parts[at]) + 1)
        parts[at] = parts[at][:cut] + chance.choice(parts)
    return glue.join(parts)


def strange_part(part, chance, glue):
    if part[:1] in (b"{", b"[") and chance.random() < 0.9:
        return strange_line(part, chance, values=EXTREME)
    if glue == fuzzing.CELL:
        value = chance.choice(STRANGE_CELLS)
        return value if isinstance(value, bytes) else str("" if value is None else value).encode()
    return part


def dictionary(target):
    """Return libFuzzer's dictionary: every name in the golden home, and the extreme values."""
    words = {word for seed in target.seeds() for word in NAMES.findall(seed)}
    words |= {json.dumps(value).encode() for value in EXTREME}
    escaped = ("".join(f"\\x{byte:02x}" for byte in word[:60]) for word in sorted(words))
    return "".join(f'"{word}"\n' for word in escaped)


class Findings:
    """Keeps the first input of each kind of finding; a kind is the place that raised."""

    def __init__(self, folder):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, data, error):
        """Write the input and the traceback, unless an error at the same place is known."""
        frames = traceback.extract_tb(error.__traceback__)
        inside = [frame for frame in frames if "agtop_exporter" in frame.filename] or frames
        place = f"{Path(inside[-1].filename).stem}:{inside[-1].lineno}:{type(error).__name__}"
        if isinstance(error, fuzzing.Broken):
            place = re.sub(r"\W+", "_", str(error))[:60]
        path = self._folder / place
        if not path.exists():
            path.write_bytes(data)
            path.with_suffix(path.suffix + ".txt").write_text(
                "".join(traceback.format_exception(error)), encoding="utf-8"
            )


def fuzz(name, work, arguments):
    """Run libFuzzer in this process; it ends the process."""
    import atheris  # noqa: PLC0415 - this process fuzzes

    with atheris.instrument_imports(include=["agtop_exporter.agents", "agtop_exporter.reading"]):
        from agtop_exporter.agents import load_agents  # noqa: PLC0415 - instrumented here

        agent = {agent.name: agent for agent in load_agents()}[name]
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix=prefix_of(work), dir=memory if memory.is_dir() else None)
    target, findings = fuzzing.Target(agent, folder), Findings(work / "findings")
    (work / "words").write_text(dictionary(target))
    for seed in target.seeds():
        (work / "seeds" / sha256(seed).hexdigest()[:16]).write_bytes(seed)

    def one(data):
        try:
            target.check(data)
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            findings.keep(data, error)

    atheris.Setup(
        [
            again(name, work),
            f"-max_len={fuzzing.INPUT_BYTES}",
            f"-rss_limit_mb={MEMORY_MB}",
            f"-timeout={HANG_SECONDS}",
            f"-dict={work / 'words'}",
            f"-artifact_prefix={work / 'findings'}/",
            *arguments,
        ],
        one,
        custom_mutator=changed,
    )
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prefix_of(work):
    """Return how the names of temporary folders begin. Another fuzzer has another prefix."""
    return f"agtop-fuzz-{sha256(bytes(work)).hexdigest()[:8]}-"


def again(name, work):
    """Return a program that fuzzes the same agent. libFuzzer starts it to merge inputs."""
    words = [sys.executable, __file__, "--in-child", name, "--work", str(work.parent), "--"]
    program = work / "again"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    program.chmod(0o700)
    return str(program)


def run(name, work, arguments):
    """Fuzz in a child process; return its CPU seconds and the last line of libFuzzer."""
    folder = work / name
    command = [sys.executable, __file__, "--in-child", name, "--work", str(work), "--", *arguments]
    before = os.times()
    with (folder / "log").open("ab") as log:
        subprocess.run(command, stdout=log, stderr=log, check=False)
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    for stale in Path("/dev/shm").glob(f"{prefix_of(folder)}*"):
        shutil.rmtree(stale, ignore_errors=True)
    return spent


def campaign(names, work, seconds, rounds):
    for number in range(rounds):
        for name in names:
            given = map(str, inputs_of(name, work))
            spent = run(name, work, [f"-max_total_time={seconds}", "-print_final_stats=1", *given])
            with (work / "cpu-seconds").open("a") as log:
                log.write(f"{time.strftime('%H:%M:%S')} {number} {name} {spent:.1f}\n")


def minimise(names, work):
    """Store the inputs that together reach all that was reached, at most STORED_MAX of each agent.

    Inputs that break a rule are findings, and are left out.
    """
    from agtop_exporter.agents import load_agents  # noqa: PLC0415 - a child imports it otherwise

    agents = {agent.name: agent for agent in load_agents()}
    for name in names:
        smallest = work / name / "smallest"
        shutil.rmtree(smallest, ignore_errors=True)
        smallest.mkdir(parents=True)
        run(name, work, ["-merge=1", str(smallest), *map(str, inputs_of(name, work))])
        found = sorted((path.read_bytes() for path in smallest.iterdir()), key=len)
        if not found:
            sys.exit(f"{name}: libFuzzer merged no input, see {work / name / 'log'}")
        with tempfile.TemporaryDirectory() as folder:
            target = fuzzing.Target(agents[name], folder)
            kept = [data for data in found if is_kept(target, data)][:STORED_MAX]
        fuzzing.store_inputs(name, kept)
        print(f"{name}: {len(kept)} of {len(found)} inputs", flush=True)


def is_kept(target, data):
    with suppress(Exception):
        target.check(data)
        return True
    return False


def inputs_of(name, work):
    """Return the folders with the inputs of an agent. Stored inputs are unpacked into one."""
    folder = work / name
    for part in ("corpus", "seeds", "findings"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for data in fuzzing.stored_inputs(name) if name in stored_names() else ():
        (folder / "seeds" / sha256(data).hexdigest()[:16]).write_bytes(data)
    return folder / "corpus", folder / "seeds"


def stored_names():
    return {path.name.partition(".")[0] for path in fuzzing.CORPUS.glob("*")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each agent in each round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--agent", action="append", default=[])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "agtop-fuzz"))
    parser.add_argument("--minimise", action="store_true")
    parser.add_argument("--in-child", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_child:
        fuzz(options.in_child, options.work / options.in_child, options.arguments)
        return
    folders = sorted(path.parent.name for path in (TESTS / "agents").glob("*/home"))
    names = options.agent or folders
    if options.minimise:
        minimise(names, options.work)
    else:
        campaign(names, options.work, options.seconds, options.rounds)


main()

"""The command line: the one place that reads arguments, the environment and the clock."""

import argparse
import contextlib
import functools
import gc
import hashlib
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import platformdirs

from agtop_exporter import __version__
from agtop_exporter.agents import load_agents
from agtop_exporter.folders import Folders
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import PLANS, AgtopError, Notice, Snapshot
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import PriceBook, PriceRefresher, PriceTableError
from agtop_exporter.processes.source import system_processes, users_of
from agtop_exporter.settings import (
    DEFAULT_PORT,
    Check,
    Settings,
    SettingsError,
    load_settings,
)

PROGRAM = "agtop-exporter"
FLAGS_OF_COMMANDS = ("config", "once", "json", "list", "watch", "delay", "command")
BAR_CHARACTERS = 30
RATE_SECONDS = 0.25  # between two looks at the processes
SECONDS_PER_DAY = 86_400
VIEW_BYTES = 8_000_000  # by which the ledger may grow while it is watched
SMALL_SCAN_BYTES = 50_000_000  # over before anybody wonders


def exporter(arguments: Sequence[str] | None = None) -> None:
    """Run `agtop-exporter`."""
    with _not_kept_by_children():
        _run(PROGRAM, _exporter, arguments)


def agtop(arguments: Sequence[str] | None = None) -> None:
    """Run `agtop`."""
    with _not_kept_by_children():
        _run("agtop", _agtop, arguments)


def _run(
    program: str, main: Callable[[Sequence[str] | None], None], arguments: Sequence[str] | None
) -> None:
    """Run a command; a mistake is told in plain words, and a closed pipe is no mistake."""
    if sys.stderr is None:  # closed: what is told goes nowhere, and no other file takes its place
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    try:
        main(arguments)
    except AgtopError as error:
        for line in str(error).splitlines():
            print(f"{program}: {line}", file=sys.stderr)  # noqa: T201 - the command line speaks
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    except BrokenPipeError:
        _drop_output()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _print(page: str | bytes) -> None:
    """Write to standard output. Raises AgtopError; BrokenPipeError where nobody reads on."""
    if sys.stdout is None:
        raise AgtopError("cannot write the output: standard output is closed")
    data = page if isinstance(page, bytes) else page.encode(sys.stdout.encoding, "replace")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise AgtopError(f"cannot write the output: {error.strerror}") from error


def _drop_output() -> None:
    """Let Python's own last flush of what cannot be written go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(status: int = 0) -> None:
    """End at once: to take apart all that was read would take as long as to print it."""
    sys.stderr.flush()
    os._exit(status)


@contextlib.contextmanager
def _not_kept_by_children() -> Iterator[None]:
    """End at once if a child process is left: a call of a dead file system keeps it from ending.

    Python would wait for it.
    """
    try:
        yield
    finally:
        processes = sys.modules.get("multiprocessing")
        if processes is not None and processes.active_children():
            error = sys.exception()
            status = error.code if isinstance(error, SystemExit) else int(error is not None)
            _leave(status if isinstance(status, int) else 1)


# --- agtop-exporter -------------------------------------------------------------------------


def _exporter(arguments: Sequence[str] | None) -> None:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Prometheus exporter for AI coding agents."
    )
    _add_settings(parser)
    parser.add_argument(
        "--listen-address",
        metavar="HOST:PORT",
        help=f"where to serve /metrics (default 127.0.0.1:{DEFAULT_PORT}; port 0 picks one)",
    )
    parser.add_argument("--interval", metavar="SECONDS", help="time between scans (default 5)")
    parser.add_argument(
        "--otlp", action="store_true", help="push to the receiver that OTEL_* variables name"
    )
    parser.add_argument("--otlp-genai", action="store_true", help="push gen_ai.* metrics too")
    parser.add_argument(
        "--textfile", metavar="FILE.prom", help="write the metrics for node_exporter"
    )
    parser.add_argument(
        "--textfile-interval", metavar="SECONDS", help="time between writes (default 60)"
    )
    parser.add_argument("--log-format", choices=("logfmt", "json"))
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--once", action="store_true", help="scan once and print the metrics")
    parser.add_argument("--json", action="store_true", help="with --once: print JSON instead")
    commands = {
        "doctor": "examine every agent's files, and say what needs attention",
        "check-config": "validate the settings and print them",
        "catalogue": "print every metric as a Markdown table",
        "install-service": "write and enable a systemd user unit for this installation",
    }
    parser.add_argument(
        "command",
        nargs="?",
        choices=tuple(commands),
        help="; ".join(f"{name}: {text}" for name, text in commands.items()),
    )
    options = parser.parse_args(arguments)
    if options.json and not options.once and options.command != "doctor":
        parser.error("--json goes with --once and doctor; `agtop json` is --once --json")
    if options.command == "catalogue":
        from agtop_exporter.catalogue import markdown  # noqa: PLC0415 - only here

        _print(markdown())
        return
    if options.command == "install-service":
        _install_service()
        return
    settings = _settings(options)
    if options.command == "check-config":
        _print_settings(settings)
    elif options.command == "doctor":
        _doctor(settings, as_json=options.json)
    elif options.once:
        snapshot = _one_snapshot(settings)
        if settings.textfile and not options.json:
            _write_textfile(snapshot, Path(settings.textfile).expanduser())
        else:
            _write_snapshot(snapshot, as_json=options.json)
        _leave()
    else:
        _serve(settings, options)


def _serve(settings: Settings, options: argparse.Namespace) -> None:
    from agtop_exporter.daemon import Daemon, notify  # noqa: PLC0415 - a web server takes long
    from agtop_exporter.notify import notifier  # noqa: PLC0415
    from agtop_exporter.outlets import make_outlets  # noqa: PLC0415

    ledger = Ledger(None if settings.no_state else _state_directory(settings))
    with contextlib.closing(ledger):
        prices = _prices(settings, notify)
        Daemon(
            settings,
            pipeline=lambda notice: _pipeline(settings, ledger, prices, notice),
            refresher=_refresher(settings, prices, notify),
            reload=lambda: _settings(options),
            clock=time.time,  # noqa: TID251 - the edge
            outlets=lambda notice: make_outlets(
                settings,
                os.environ,  # noqa: TID251 - the edge
                facts=ledger.facts,
                uid=os.getuid(),
                notice=notice,
            ),
            notifier=notifier(os.environ, pid=os.getpid()),  # noqa: TID251 - the edge
        ).run()


def _install_service() -> None:
    from agtop_exporter import service  # noqa: PLC0415 - only here

    lines = service.install(os.environ, home=Path.home(), python=Path(sys.executable))  # noqa: TID251 - the edge
    _print("\n".join(lines) + "\n")


def _write_textfile(snapshot: Snapshot, path: Path) -> None:
    from agtop_exporter import textfile  # noqa: PLC0415 - on request only
    from agtop_exporter.catalogue import collect  # noqa: PLC0415
    from agtop_exporter.render import prometheus  # noqa: PLC0415

    textfile.write(path, prometheus.text(collect(snapshot)))


def _doctor(settings: Settings, *, as_json: bool) -> None:
    """Read everything anew, and report; the exit status is 1 where something needs attention."""
    from agtop_exporter import doctor  # noqa: PLC0415 - only here
    from agtop_exporter.doctor import text  # noqa: PLC0415

    problems = []
    state = _state_directory(settings)
    if not settings.no_state:
        with contextlib.closing(Ledger(state, read_only=True)) as ledger:
            problems += [ledger.warning] if ledger.warning else []
    with (
        contextlib.closing(Ledger()) as ledger,
        contextlib.closing(
            _pipeline(settings, ledger, _prices(settings, _say_nothing), _say_nothing)
        ) as pipeline,
    ):
        _refresher(settings, pipeline.prices, _print_notice)
        report = doctor.examine(
            pipeline,
            pipeline.refresh(_now(), progress=_progress()),
            problems=problems,
        )
    if as_json:
        _print(doctor.as_json(report))
    else:
        _print(text.render(report))
    if report.needs_attention:
        sys.exit(1)


def _homes(settings: Settings) -> list[Path]:
    return [Path(home).expanduser() for home in settings.home] or [Path.home()]


def _print_settings(settings: Settings) -> None:
    lines = [f"{name} = {getattr(settings, name)!r}" for name in settings.__struct_fields__]
    places = (f"# state: {_state_directory(settings)}", f"# cache: {_cache_directory(settings)}")
    _print("".join(f"{line}\n" for line in (*lines, *places)))


# --- agtop ----------------------------------------------------------------------------------


def _agtop(arguments: Sequence[str] | None) -> None:
    parser = argparse.ArgumentParser(
        prog="agtop", description="What your AI coding agents used: a table, or JSON."
    )
    _add_settings(parser)
    parser.add_argument("-l", "--list", action="store_true", help="print the table")
    parser.add_argument("-j", "--json", action="store_true", help="print JSON")
    parser.add_argument(
        "-w", "--watch", action="store_true", help="print the table again and again"
    )
    parser.add_argument("-d", "--delay", metavar="SECONDS", type=_delay, default=5.0)
    parser.add_argument("command", nargs="?", choices=("list", "json"), default="list")
    options = parser.parse_args(arguments)
    as_json = options.json or (options.command == "json" and not options.list)
    if as_json and options.watch:
        parser.error("--watch goes with the table only")
    settings = _settings(options)
    if as_json:
        _write_snapshot(_one_snapshot(settings), as_json=True)
        _leave()
    elif options.watch:
        with contextlib.suppress(KeyboardInterrupt):  # how a watch ends
            _watch(settings, options.delay)
    else:
        _print(_table(_one_snapshot(settings)))
        _leave()


def _delay(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds <= SECONDS_PER_DAY:
        raise argparse.ArgumentTypeError(f"expected seconds, at most a day, got {text!r}")
    return max(1.0, seconds)


def _watch(settings: Settings, delay_seconds: float) -> None:
    """Print the table until interrupted, with a new view of the ledger when it has grown.

    While a view lasts, nothing of the daemon's journal can be used again.
    """
    clear = "\x1b[H\x1b[2J" if _on_terminal() else ""
    while True:
        with _one_shot(settings) as pipeline:
            size_bytes = pipeline.ledger.size_bytes()
            snapshot = _refresh_with_rates(pipeline)
            while pipeline.ledger.size_bytes() < size_bytes + VIEW_BYTES:
                _print(clear + _table(snapshot))
                time.sleep(delay_seconds)
                snapshot = pipeline.refresh(_now(), progress=_progress())


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _table(snapshot: Snapshot) -> str:
    from agtop_exporter.render.table import render  # noqa: PLC0415 - rich takes long to import

    on_terminal, environment = _on_terminal(), os.environ  # noqa: TID251 - the edge
    plain = environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
    return render(
        snapshot,
        width=shutil.get_terminal_size().columns if on_terminal else None,
        color=on_terminal and not plain,
        home=str(Path.home()),
        now=snapshot.generated_at,
    )


# --- what both do ---------------------------------------------------------------------------


def _add_settings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--version", action="version", version=f"%(prog)s {__version__}")
    add("--config", metavar="FILE", type=Path, help="settings as TOML")
    add(
        "--home", metavar="DIR", action="append", help="a home to scan instead of yours; repeatable"
    )
    add("--procfs", metavar="DIR", help="where the host's /proc is mounted, in a container")
    add("--state-dir", metavar="DIR", help="where the ledger lies")
    add("--no-state", action="store_true", help="keep the ledger in memory")
    add("--refresh-pricing", action="store_true", help="download the price tables now")
    add("--no-pricing-refresh", action="store_true", help="never use the network")
    add("-p", "--plan", metavar="|".join(PLANS), help="what is billed (default retail)")
    add(
        "--agent",
        "--client",
        "--agentic-client",
        metavar="NAME",
        action="append",
        help="only this agent; repeatable",
    )


def _settings(options: argparse.Namespace) -> Settings:
    """Merge flags, environment and file."""
    environment = os.environ  # noqa: TID251 - the edge
    flags = {
        name: value
        for name, value in vars(options).items()
        if name not in FLAGS_OF_COMMANDS and value not in (None, False)
    }
    config = options.config or _existing(
        Path(environment.get("CONFIGURATION_DIRECTORY") or platformdirs.user_config_dir(PROGRAM))
        / "config.toml"
    )
    checks: dict[str, Check] = {"agent": _check_agents, "prices": _check_prices}
    return load_settings(flags, environment, config=config, checks=checks)


def _check_agents(names: Sequence[str]) -> None:
    known = {agent.name for agent in load_agents()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no such agent: {', '.join(unknown)} (of {', '.join(sorted(known))})")


def _check_prices(prices: Mapping[str, Mapping[str, float]]) -> None:
    mistakes = []
    for model, price in prices.items():
        try:
            PriceBook(overrides={model: price})
        except PriceTableError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ValueError("\n".join(mistakes))


def _existing(path: Path) -> Path | None:
    """Return a file unless there is none; one that may not be looked at is told when it is read."""
    try:
        return path if path.is_file() else None
    except OSError:
        return path


def _now() -> float:
    return time.time()  # noqa: TID251 - the edge


@functools.cache
def _folders() -> Folders:
    return Folders(dict(os.environ))  # noqa: TID251 - the edge


def _absolute(home: Path) -> Path:
    """Return a home without symbolic links; as it is given where it does not respond."""
    home = home.expanduser().absolute()
    return home if _folders().trouble_with(str(home)) else home.resolve()


def _state_directory(settings: Settings) -> Path:
    """Return where the ledger lies; other homes than the user's have ledgers of their own."""
    if settings.state_dir:
        return Path(settings.state_dir).expanduser()
    given = os.environ.get("STATE_DIRECTORY")  # noqa: TID251 - the edge
    base = Path(given or platformdirs.user_state_dir(PROGRAM))
    if not settings.home:
        return base
    homes = "\0".join(str(_absolute(Path(home))) for home in settings.home)
    return base / "homes" / hashlib.sha256(homes.encode()).hexdigest()[:16]


def _cache_directory(settings: Settings) -> Path:
    given = settings.cache_dir or os.environ.get("CACHE_DIRECTORY")  # noqa: TID251 - the edge
    return Path(given or platformdirs.user_cache_dir(PROGRAM)).expanduser()


def _prices(settings: Settings, notice: Notice) -> PriceBook:
    return PriceBook(overrides=settings.prices, notice=notice)


def _refresher(settings: Settings, prices: PriceBook, notice: Notice) -> PriceRefresher:
    refresher = PriceRefresher(prices, _cache_directory(settings), clock=_now, notice=notice)
    refresher.load_cache()
    return refresher


def _pipeline(
    settings: Settings,
    ledger: Ledger,
    prices: PriceBook,
    notice: Notice,
) -> Pipeline:
    environment = dict(os.environ)  # noqa: TID251 - the edge
    homes, folders = _homes(settings), _folders()
    responding = [home for home in homes if not folders.trouble_with(str(home))]
    return Pipeline(
        settings,
        agents=load_agents(),
        homes=homes,
        environment=environment,
        ledger=ledger,
        prices=prices,
        processes=system_processes(settings.procfs, uids=users_of(responding)),
        notice=notice,
        folders=folders,
    )


@contextlib.contextmanager
def _one_shot(settings: Settings) -> Iterator[Pipeline]:
    """Give a pipeline over a view of the ledger that never writes it."""
    gc.disable()  # a short life, and nothing here makes reference cycles
    directory = None if settings.no_state else _state_directory(settings)
    with contextlib.closing(Ledger(directory, read_only=True)) as ledger:
        prices = _prices(settings, _print_notice)
        with contextlib.closing(_pipeline(settings, ledger, prices, _print_notice)) as pipeline:
            yield pipeline


def _one_snapshot(settings: Settings) -> Snapshot:
    with _one_shot(settings) as pipeline:
        refresher = _refresher(settings, pipeline.prices, _print_notice)
        if settings.refresh_pricing:
            refresher.refresh_once(force=True)
        snapshot = _refresh_with_rates(pipeline)
        refresher.save_memo()
        if settings.no_pricing_refresh or not any(
            s.cost.unpriced_tokens for s in snapshot.sessions
        ):
            return snapshot
        generation = pipeline.prices.generation
        refresher.refresh_once()
        return pipeline.refresh(_now()) if pipeline.prices.generation != generation else snapshot


def _refresh_with_rates(pipeline: Pipeline) -> Snapshot:
    """Refresh between two looks at the processes, far enough apart to tell rates."""
    began = _now()
    pipeline.pairing.pair(began)

    def second_look() -> float:
        if pipeline.pairing.sees_agents:
            time.sleep(max(0.0, began + RATE_SECONDS - _now()))
        return _now()

    return pipeline.refresh(began, progress=_progress(), sampled_at=second_look)


def _write_snapshot(snapshot: Snapshot, *, as_json: bool) -> None:
    if as_json:
        from agtop_exporter.render import json  # noqa: PLC0415 - one of two

        page = json.render(snapshot)
    else:
        from agtop_exporter.catalogue import collect  # noqa: PLC0415 - one of two
        from agtop_exporter.render import prometheus  # noqa: PLC0415

        page = prometheus.text(collect(snapshot))
    _print(page)


def _print_notice(level: str, event: str, fields: Mapping[str, object]) -> None:
    details = " ".join(f"{name}={value}" for name, value in fields.items())
    print(f"{PROGRAM}: {level}: {event}: {details}", file=sys.stderr)  # noqa: T201 - to people


def _say_nothing(_level: str, _event: str, _fields: Mapping[str, object]) -> None:
    """Leave it to the report."""


def _progress() -> Callable[[int, int], None]:
    """Return a function that draws a bar for a long scan, where somebody sees it."""
    drawn = -1
    shown = sys.stderr.isatty()

    def draw(done: int, total: int) -> None:
        nonlocal drawn
        full = min(BAR_CHARACTERS, BAR_CHARACTERS * done // max(1, total))
        if not shown or total < SMALL_SCAN_BYTES or full == drawn:
            return
        drawn = full
        bar = "#" * full + "-" * (BAR_CHARACTERS - full)
        sys.stderr.write(f"\rscanning [{bar}] {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        if done >= total:
            sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    return draw

"""Creates the objects of the program from the command-line options and the environment."""

import contextlib
import functools
import gc
import hashlib
import os
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

import platformdirs

from agtop_exporter.agents import load_agents, signatures_of
from agtop_exporter.folders import Folders
from agtop_exporter.ledger import Ledger
from agtop_exporter.logs import log_for_people
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import PriceBook, PriceRefresher
from agtop_exporter.processes.source import system_processes, users_of
from agtop_exporter.settings import Settings, load_settings

PROGRAM = "agtop-exporter"


def environment() -> Mapping[str, str]:
    """Return the environment variables of this process."""
    return os.environ  # noqa: TID251 - the edge


def now() -> float:
    """Return the current time in unix seconds."""
    return time.time()  # noqa: TID251 - the edge


def config_directory() -> Path:
    """Return the directory of the configuration file."""
    given = environment().get("CONFIGURATION_DIRECTORY")
    return Path(given or platformdirs.user_config_dir(PROGRAM))


def settings_of(options: Namespace) -> Settings:
    """Return the settings from flags, environment variables and the configuration file.

    Raises SettingsError if the settings are invalid.
    """
    flags = {name: value for name, value in vars(options).items() if name in Settings.model_fields}
    config = getattr(options, "config", None) or _existing(config_directory() / "config.toml")
    return load_settings(flags, environment(), config=config)


def _existing(path: Path) -> Path | None:
    """Return None if `path` is not a file; otherwise return `path`.

    If the check fails with an error, `path` is returned. Reading the file then reports the error.
    """
    try:
        return path if path.is_file() else None
    except OSError:
        return path


def homes(settings: Settings) -> list[Path]:
    """Return the home directories to scan: the setting `home`, or the user's home directory."""
    return [Path(home).expanduser() for home in settings.home] or [Path.home()]


def state_directory(settings: Settings) -> Path:
    """Return the directory of the ledger.

    If the setting `home` is set and `state_dir` is not, the homes have a ledger of their own.
    """
    if settings.state_dir:
        return Path(settings.state_dir).expanduser()
    given = environment().get("STATE_DIRECTORY")
    base = Path(given or platformdirs.user_state_dir(PROGRAM))
    if not settings.home:
        return base
    names = "\0".join(str(_absolute(Path(home))) for home in settings.home)
    return base / "homes" / hashlib.sha256(names.encode()).hexdigest()[:16]


@functools.cache
def folders() -> Folders:
    """Return the object that inspects directories with a time limit.

    A file system that hangs therefore does not block this program.
    """
    return Folders(dict(environment()))


def _absolute(home: Path) -> Path:
    """Return the absolute path of a home directory, with symbolic links resolved.

    The links are not resolved if the directory does not respond.
    """
    home = home.expanduser().absolute()
    return home if folders().trouble_with(str(home)) else home.resolve()


def cache_directory(settings: Settings) -> Path:
    """Return the directory in which downloaded price lists are stored."""
    given = settings.cache_dir or environment().get("CACHE_DIRECTORY")
    return Path(given or platformdirs.user_cache_dir(PROGRAM)).expanduser()


def make_refresher(settings: Settings, pipeline: Pipeline) -> PriceRefresher:
    """Return the object that downloads price lists.

    This function also loads the price lists of earlier downloads into the pipeline's price book.
    """
    refresher = PriceRefresher(
        pipeline.prices, cache_directory(settings), clock=now, telemetry=pipeline.telemetry
    )
    refresher.load_cache()
    return refresher


def make_pipeline(settings: Settings, ledger: Ledger, *, keep_closed: bool = True) -> Pipeline:
    """Return a pipeline over the agents' files in the homes and the processes of this machine.

    With `keep_closed`, snapshots of the pipeline also contain closed sessions.
    """
    agents = load_agents()
    responding = [home for home in homes(settings) if not folders().trouble_with(str(home))]
    return Pipeline(
        settings,
        agents=agents,
        homes=homes(settings),
        environment=dict(environment()),
        ledger=ledger,
        prices=PriceBook(overrides=settings.prices),
        processes=system_processes(
            settings.procfs,
            signatures=signatures_of(agents),
            uids=users_of(responding),
        ),
        folders=folders(),
        keep_closed=keep_closed,
    )


@contextlib.contextmanager
def reader(settings: Settings) -> Iterator[Pipeline]:
    """Yield a pipeline that reads beside a daemon, and never writes the ledger."""
    directory = None if settings.no_state else state_directory(settings)
    with (
        contextlib.closing(Ledger(directory, read_only=True)) as ledger,
        contextlib.closing(make_pipeline(settings, ledger)) as pipeline,
    ):
        yield pipeline


@contextlib.contextmanager
def one_shot(settings: Settings) -> Iterator[Pipeline]:
    """Yield a pipeline for a command that exits soon. The pipeline never writes the ledger."""
    log_for_people(settings)
    gc.disable()  # the process is short-lived and creates no reference cycles
    with reader(settings) as pipeline:
        yield pipeline

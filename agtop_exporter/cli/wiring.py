"""Creates the objects of the program from the command-line options and the environment."""

import contextlib
import functools
import gc
import hashlib
import os
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import platformdirs
import structlog

from agtop_exporter import limit_files, platforms
from agtop_exporter.agents import covered_by, load_agents, signatures_of
from agtop_exporter.cli.places import PROGRAM, check_home, user_state_directory
from agtop_exporter.existence import exists, is_file
from agtop_exporter.folders import Folders
from agtop_exporter.labels import account_label
from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.replacement import FILE_NAME
from agtop_exporter.logs import log_for_people
from agtop_exporter.model import Users, users_of_homes
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pipeline.scan import CHILDREN_MAX
from agtop_exporter.pricing import PriceBook, PriceRefresher
from agtop_exporter.processes.source import system_processes, users_of
from agtop_exporter.service.variables import variables_of_agents
from agtop_exporter.settings import Origins, Settings, load_with_origins

log = structlog.get_logger()


def environment() -> Mapping[str, str]:
    """Return the environment variables of this process."""
    return os.environ  # noqa: TID251 - the edge


def now() -> float:
    """Return the current time in unix seconds."""
    return time.time()  # noqa: TID251 - the edge


def config_directory(variables: Mapping[str, str]) -> Path:
    """Return the directory of the configuration file."""
    given = variables.get("CONFIGURATION_DIRECTORY")
    return Path(given or platformdirs.user_config_dir(PROGRAM))


def settings_of(options: Namespace) -> Settings:
    """Return the settings from flags, environment variables and the configuration file.

    Raises SettingsError if the settings are invalid.
    """
    return settings_with_origins(options, environment())[0]


def settings_with_origins(
    options: Namespace, variables: Mapping[str, str]
) -> tuple[Settings, Origins]:
    """Return the settings, as `settings_of` does, and the origin of each value.

    `variables` are the environment variables. Raises AgtopError if the home directory of the user
    is unknown.
    """
    reads_other_home = bool(getattr(options, "home", None) or variables.get("AGTOP_HOME"))
    check_home(variables, reads_other_home=reads_other_home)
    flags = {name: value for name, value in vars(options).items() if name in Settings.model_fields}
    return load_with_origins(flags, variables, config=config_file(options, variables))


def config_file(options: Namespace, variables: Mapping[str, str]) -> Path | None:
    """Return the path of the configuration file; None if there is no file."""
    return getattr(options, "config", None) or _existing(
        config_directory(variables) / "config.toml"
    )


def _existing(path: Path) -> Path | None:
    """Return None if `path` is not a file; otherwise return `path`.

    If the check fails with an error, `path` is returned. Reading the file then reports the error.
    """
    try:
        return path if is_file(path) else None
    except OSError:
        return path


def homes(settings: Settings) -> list[Path]:
    """Return the home directories to scan: the setting `home`, or the user's home directory."""
    return [Path(home).expanduser() for home in settings.home] or [Path.home()]


def warn_of_missing_homes(settings: Settings) -> None:
    """Log a warning for each home directory that does not exist, such as one that is misspelled."""
    for home in homes(settings):
        with contextlib.suppress(OSError):  # a scan reports a directory that cannot be read
            if not folders().trouble_with(str(home)) and not exists(home):
                log.warning("the home directory does not exist", path=str(home))


def variables_of_all_agents(settings: Settings, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that determine where agents write their files."""
    return variables_of_agents(
        load_agents(),
        homes(settings),
        variables,
        responds=lambda folder: not folders().trouble_with(str(folder)),
    )


def state_directory(settings: Settings, variables: Mapping[str, str] | None = None) -> Path:
    """Return the directory of the ledger.

    If the setting `home` is set and `state_dir` is not, the result is a separate directory for
    these home directories. `variables` are the environment variables; by default those of this
    process.
    """
    if settings.state_dir:
        return Path(settings.state_dir).expanduser()
    base = state_base(environment() if variables is None else variables)
    if not settings.home:
        return base
    names = "\0".join(str(_absolute(Path(home))) for home in settings.home)
    return base / "homes" / hashlib.sha256(names.encode()).hexdigest()[:16]


def limit_folders(settings: Settings) -> list[Path]:
    """Return the directories in which the command `statusline` may have stored rate limits."""
    homes = [user_state_directory(Path(home).expanduser()) for home in settings.home]
    states = [state_directory(settings), *(homes or [user_state_directory()])]
    return list(dict.fromkeys(state / limit_files.FOLDER for state in states))


def state_base(variables: Mapping[str, str]) -> Path:
    """Return the directory of the ledger if no setting names another one.

    Before version 254, systemd gave a user service a state directory in `~/.config`. If only this
    directory has a ledger, it is returned.
    """
    if given := variables.get("STATE_DIRECTORY"):
        return Path(given)
    base = user_state_directory()
    before = Path(platformdirs.user_config_dir(PROGRAM))
    return next(filter(has_ledger, (base, before)), base)


def has_ledger(directory: Path) -> bool:
    """Return whether a state directory has a ledger."""
    return os.path.lexists(directory / FILE_NAME)


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


def make_pipeline(
    settings: Settings,
    ledger: Ledger,
    *,
    keep_closed: bool = True,
    children_max: int = CHILDREN_MAX,
) -> Pipeline:
    """Return a pipeline over the agents' files in the homes and the processes of this machine.

    If `keep_closed` is true, snapshots of the pipeline also contain closed sessions. If there are
    many files to read, up to `children_max` child processes read them.
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
        limit_folders=limit_folders(settings),
        children_max=children_max,
        users=owners_of(responding),
    )


def owners_of(homes: Iterable[Path]) -> Users:
    """Return the names of the owners of the home directories, if there are several owners.

    A hash replaces a name that could be an e-mail address.
    """
    names = {
        str(home): account_label(platforms.user_name(user), prefix="user")
        for home in homes
        for user in platforms.owners([home]) or ()
    }
    return users_of_homes(names)


@contextlib.contextmanager
def opened(settings: Settings, *, read_only: bool = False) -> Iterator[Pipeline]:
    """Yield a pipeline that writes the ledger.

    If another process writes the ledger, or if `read_only` is set, the pipeline only reads it.
    """
    directory = None if settings.no_state else state_directory(settings)
    covered = covered_by(settings.plan, load_agents())
    ledger = Ledger(directory, read_only=read_only, brief=True, covered=covered)
    with (
        contextlib.closing(ledger),
        contextlib.closing(make_pipeline(settings, ledger)) as pipeline,
    ):
        yield pipeline


@contextlib.contextmanager
def one_shot(settings: Settings, *, read_only: bool = False) -> Iterator[Pipeline]:
    """Yield a pipeline, as `opened` does, for a command that exits soon.

    The ledger is written so that the next command has less to read.
    """
    log_for_people(settings)
    gc.disable()  # the process is short-lived and creates no reference cycles
    if not read_only:
        warn_of_missing_homes(settings)
    with opened(settings, read_only=read_only) as pipeline:
        yield pipeline

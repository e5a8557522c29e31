"""Implements `agtop_exporter.snapshot`, with which other programs read the agents' files."""

import contextlib
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from agtop_exporter.agents import load_agents
from agtop_exporter.existence import is_directory
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import AgtopError, Plan, Snapshot
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import PriceBook
from agtop_exporter.settings import SettingsError, checked_settings


def snapshot(  # noqa: PLR0913 - the options of a scan, all by name except `home`
    home: str | os.PathLike[str] | None = None,
    *,
    agents: Collection[str] = (),
    plan: Plan = "retail",
    state_dir: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    now: float | None = None,
) -> Snapshot:
    """Read the agents' files once, and return all sessions, totals, limits and errors.

    Args:
        home: The home directory whose agents are read; by default that of the user.
        agents: The names of the agents to read, such as "claude"; by default all.
        plan: The plan that determines the billed cost; the list price does not depend on it.
        state_dir: A directory for a ledger. A later call with the same directory reads only what is
            new, and knows the sessions whose files were deleted. Without it, nothing is written.
        environment: The variables by which agents find their directories, such as CODEX_HOME; by
            default those of this process.
        now: The time of the result in unix seconds; by default the current time.

    Costs are picodollars (`PICODOLLARS_PER_USD`), sizes bytes, and times unix seconds. Unknown
    values are None. Sessions are not matched with processes, so their states follow from their
    files alone. Nothing is downloaded: prices are those of the installed packages.

    All work is done in this process, except that paths in transcripts are looked up by a child
    process, which ends before the function returns. The function can be called from any thread, and
    does not change the configuration of logging, signals or the garbage collector. Problems are
    logged with structlog, and `Snapshot.errors` has the parts of the scan that failed.

    Raises:
        SettingsError: An argument is invalid.
        AgtopError: Another process writes the ledger in `state_dir`, or the whole scan failed.

    """
    values = {"agent": tuple(agents), "plan": plan}
    settings = checked_settings(values)
    variables = dict(os.environ if environment is None else environment)  # noqa: TID251 - an edge
    at = time.time() if now is None else now  # noqa: TID251 - an edge
    directory = Path.home() if home is None else Path(home).expanduser()
    if home is not None and not is_directory(directory):
        raise SettingsError(f"home: {directory} is not a directory")
    with (
        contextlib.closing(Ledger(Path(state_dir) if state_dir else None)) as ledger,
        contextlib.closing(
            Pipeline(
                settings,
                agents=load_agents(),
                homes=[directory],
                environment=variables,
                ledger=ledger,
                prices=PriceBook(),
                processes=None,
                children_max=0,
            )
        ) as pipeline,
    ):
        with pipeline.steps.step("refresh"):
            return pipeline.refresh(at)
        errors = "; ".join(map(str, pipeline.steps.errors))
        raise AgtopError(f"an unexpected error ended the scan: {errors}")

"""Defines the report of the command `doctor`.

The descriptions of the fields are in the JSON Schema that `doctor --schema` prints.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from agtop_exporter.build import Build
from agtop_exporter.doctor.not_read import InstalledAgent
from agtop_exporter.doctor.places import NotRead
from agtop_exporter.doctor.records import Records
from agtop_exporter.model import PriceSource
from agtop_exporter.pricing.explanation import Explanation


class Root(msgspec.Struct, frozen=True):
    """A directory or file in which an agent may store its transcripts."""

    path: str
    exists: Annotated[bool, Meta(description="False if it is missing or does not respond.")]


class Unreadable(msgspec.Struct, frozen=True):
    """A file or directory that could not be read, with the reason."""

    path: str
    reason: str


class Skipped(msgspec.Struct, frozen=True):
    """The records that could not be used for one reason, or could be used only in part."""

    reason: str
    count: Annotated[int, Meta(description="The number of these records.")]
    first: Annotated[str, Meta(description="Path and byte offset of the first of these records.")]


class Finding(msgspec.Struct, frozen=True):
    """An agent that is read: what its files show, and the result of the check of its files."""

    agent: Annotated[str, Meta(description="The value of the label `agent`.")]
    title: Annotated[str, Meta(description="The name of the product.")]
    exact: Annotated[str, Meta(description="The figures that are exact.")]
    not_in_files: Annotated[str, Meta(description="The usage that none of its files shows.")]
    versions_seen: Annotated[
        tuple[str, ...],
        Meta(
            description="The versions whose files were examined, the newest first. Empty if the "
            "format is known from public sources only."
        ),
    ]
    roots: Annotated[tuple[Root, ...], Meta(description="Where its transcripts are searched.")]
    accounts: Annotated[
        dict[str, str | None],
        Meta(
            description="The plan of each account, null if unknown. The name of the account in "
            "the default directory is empty."
        ),
    ]
    files: Annotated[int, Meta(description="The number of files that were read.")]
    sessions: Annotated[int, Meta(description="The number of sessions in these files.")]
    records: Annotated[int, Meta(description="The number of records in these files.")]
    unreadable: Annotated[
        tuple[Unreadable, ...], Meta(description="What could not be read, which is a problem.")
    ]
    not_read: Annotated[
        tuple[NotRead, ...], Meta(description="Files in its directories that are not read.")
    ]
    elsewhere: Annotated[
        tuple[NotRead, ...],
        Meta(description="Places outside of its directories that may have usage."),
    ]
    responses: Records
    sessions_without_directory: Annotated[
        int, Meta(description="The number of sessions whose working directory is unknown.")
    ]
    skipped: Annotated[
        tuple[Skipped, ...], Meta(description="Records that could not be used, which is a problem.")
    ]
    unknown_records: Annotated[
        dict[str, int],
        Meta(description="The number of records by type that the reader does not know: a problem."),
    ]
    unpriced_models: Annotated[
        dict[str, int],
        Meta(description="The number of tokens without a price by model: a problem."),
    ]
    known_types: Annotated[
        tuple[str, ...], Meta(description="The record types that the reader knows.")
    ]
    sessions_ahead: Annotated[
        int, Meta(description="The number of sessions whose last record is in the future.")
    ]
    processes_in_containers: Annotated[
        int, Meta(description="The number of processes in containers whose sessions are unknown.")
    ]
    processes_of_others: Annotated[
        bool, Meta(description="True if another user runs the agent in a container.")
    ]

    @property
    def is_present(self) -> bool:
        """Return whether one of the agent's roots exists on this machine."""
        return any(root.exists for root in self.roots)

    @property
    def needs_attention(self) -> bool:
        """Return whether a problem makes the agent's metrics wrong, or may make them wrong."""
        return bool(self.unreadable or self.skipped or self.unknown_records or self.unpriced_models)


class Price(msgspec.Struct, frozen=True):
    """The price of a model in one price source, in US dollars per million tokens.

    If the price depends on the length of the prompt, this is the price of short prompts.
    """

    model: str
    source: str
    priced_as: Annotated[str, Meta(description="The name of the model in the price source.")]
    match: Annotated[str, Meta(description="How this name was found, such as `exact`.")]
    input_usd: float
    cache_read_usd: float
    output_usd: float


class PriceConflict(msgspec.Struct, frozen=True):
    """A model whose current prices differ between two price sources."""

    model: str
    used: Annotated[Price, Meta(description="The price that is used.")]
    other: Annotated[Price, Meta(description="The price that is not used.")]


class ServiceCheck(msgspec.Struct, frozen=True):
    """The installed service of the user, and what differs between it and the shell."""

    unit: str
    pid: Annotated[int | None, Meta(description="Its process; null if it does not run.")]
    problems: Annotated[
        tuple[str, ...],
        Meta(description="Differences because of which the service may read other files."),
    ]
    differences: Annotated[tuple[str, ...], Meta(description="All other differences.")]


class Report(msgspec.Struct, frozen=True):
    """The result of all checks."""

    agents: Annotated[tuple[Finding, ...], Meta(description="All agents that are read.")]
    agents_not_read: Annotated[
        tuple[InstalledAgent, ...],
        Meta(description="Installed agents that are not read. Their usage is not counted."),
    ]
    price_sources: Annotated[
        tuple[PriceSource, ...],
        Meta(description="The price lists in use, with their dates in unix seconds."),
    ]
    prices_used: tuple[Explanation, ...]
    price_conflicts: tuple[PriceConflict, ...]
    problems: Annotated[
        tuple[str, ...],
        Meta(description="Problems of the exporter and of the prices. `agents` has all others."),
    ]
    build: Annotated[Build, Meta(description="The program, and what it runs on.")]
    cost_corrections_usd: Annotated[
        dict[str, float],
        Meta(
            description="By agent: how much more its usage costs at today's prices than the "
            "counters in the daemon's ledger show, in US dollars."
        ),
    ] = {}
    service: Annotated[
        ServiceCheck | None, Meta(description="Null if no service is installed.")
    ] = None

    @property
    def needs_attention(self) -> bool:
        """Return whether the report contains problems. A price conflict is not a problem."""
        differs = self.service is not None and bool(self.service.problems)
        wrong = any(finding.needs_attention for finding in self.agents)
        return bool(self.problems) or differs or wrong

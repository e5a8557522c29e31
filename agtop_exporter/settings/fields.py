"""Defines every setting once: name, type, unit, bounds, default and description.

Messages, `--help` and the documentation are generated from these definitions. To add a setting, add
a field to `Settings`.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agtop_exporter.settings.form import Form
from agtop_exporter.settings.values import (
    Addresses,
    AgentNames,
    Budgets,
    Directories,
    HostNames,
    LabelPairs,
    MetricsFile,
    Number,
    PathText,
    PlanName,
    Price,
    RoutePrefix,
    Url,
    WholeNumber,
)

DEFAULT_PORT = 10041
DEFAULT_ADDRESS = f"127.0.0.1:{DEFAULT_PORT}"
PREFIX = "AGTOP_"
A_DIRECTORY = ("a directory",)


class Settings(BaseSettings):
    """All settings of the program. Times are in seconds, except `retention_days`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_ignore_empty=True
    )

    home: Annotated[
        Directories,
        Form(
            nouns=("a directory or a list of directories", "a directory"),
            metavar="DIR",
            separator=os.pathsep,
            default_text="your home directory",
            needs_restart=True,
        ),
        Field(description="Read the agents' files below this directory; repeatable."),
    ] = ()
    listen_address: Annotated[
        Addresses,
        Form(
            nouns=("HOST:PORT or a list of them", "HOST:PORT"),
            metavar="HOST:PORT",
            separator=",",
            default_text=DEFAULT_ADDRESS,
            needs_restart=True,
        ),
        Field(description="Address that serves /metrics; port 0 selects a free port; repeatable."),
    ] = ()
    web_config_file: Annotated[
        PathText,
        Form(nouns=("a file",), metavar="FILE", default_text="no TLS, no passwords"),
        Field(description="YAML file with TLS, users and headers, as for Prometheus."),
    ] = ""
    web_allowed_host: Annotated[
        HostNames,
        Form(
            nouns=("a host name or a list of host names", "a host name"),
            metavar="NAME",
            separator=",",
            default_text="loopback names; on a network address, all names",
            needs_restart=True,
        ),
        Field(
            description="Host name that requests may contain, such as box.lan, *.ts.net, or * for"
            " all; repeatable."
        ),
    ] = ()
    web_external_url: Annotated[
        Url,
        Form(
            nouns=("an http or https URL with a host, such as https://box.lan/agtop/",),
            metavar="URL",
            default_text="none",
            needs_restart=True,
        ),
        Field(description="URL of this exporter behind a reverse proxy."),
    ] = ""
    web_route_prefix: Annotated[
        RoutePrefix,
        Form(
            nouns=("a path such as /agtop",),
            metavar="PATH",
            default_text="the path of the external URL",
            needs_restart=True,
        ),
        Field(description="Path before /metrics and the other paths that this exporter serves."),
    ] = ""
    web_max_connections: Annotated[
        WholeNumber,
        Form(unit="connections", needs_restart=True),
        Field(ge=1, le=10_000, description="Maximum number of open connections."),
    ] = 512
    interval: Annotated[
        Number,
        Form(unit="seconds"),
        Field(ge=0.05, le=86_400, description="Time between two scans."),
    ] = 5.0
    state_dir: Annotated[
        PathText,
        Form(
            nouns=A_DIRECTORY,
            metavar="DIR",
            default_text="$STATE_DIRECTORY, else ~/.local/state/agtop-exporter",
            needs_restart=True,
        ),
        Field(description="Directory of the ledger database."),
    ] = ""
    no_state: Annotated[
        bool,
        Form(needs_restart=True),
        Field(description="Keep the ledger in memory only."),
    ] = False
    cache_dir: Annotated[
        PathText,
        Form(
            nouns=A_DIRECTORY,
            metavar="DIR",
            default_text="$CACHE_DIRECTORY, else ~/.cache/agtop-exporter",
            needs_restart=True,
        ),
        Field(description="Directory of downloaded price lists."),
    ] = ""
    no_pricing_refresh: Annotated[
        bool,
        Form(needs_restart=True),
        Field(description="Never download price lists: use no network."),
    ] = False
    refresh_pricing: Annotated[bool, Field(description="Download the price lists now.")] = False
    prices: Annotated[
        dict[str, Price],
        Form(nouns=("a table for each model",)),
        Field(
            description="Your own prices by model (* and ? are wildcards), in US dollars per"
            " million tokens. They win over every price list.",
        ),
    ] = {}
    budgets: Annotated[
        Budgets,
        Form(nouns=("a list of budgets",)),
        Field(
            description="Limits of the cost in US dollars per day, week or month, by agent or"
            " project."
        ),
    ] = ()
    plan: Annotated[
        PlanName,
        Field(
            description="What is billed: everything (retail), everything but what a Max"
            " subscription covers (max), or nothing (included)."
        ),
    ] = "retail"
    agent: Annotated[
        AgentNames,
        Form(
            nouns=("a name or a list of names", "the name of an agent"),
            metavar="NAME",
            separator=",",
            default_text="all agents",
        ),
        Field(description="Read only the files of this agent; repeatable."),
    ] = ()
    log_format: Annotated[
        Literal["logfmt", "json"], Field(description="Format of the log, which goes to stderr.")
    ] = "logfmt"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="Lowest severity of a message that is logged."),
    ] = "info"
    sessions_max: Annotated[
        WholeNumber,
        Form(unit="sessions"),
        Field(ge=0, le=10_000, description="Maximum number of sessions with series of their own."),
    ] = 200
    session_linger: Annotated[
        Number,
        Form(unit="seconds"),
        Field(
            ge=0, description="How long a session keeps its metric series after its last activity."
        ),
    ] = 900.0
    retention_days: Annotated[
        Number,
        Form(unit="days"),
        Field(
            ge=0,
            le=36_500,
            description="Age above which the ledger stores usage in less detail: keys instead of "
            "events, and days and months instead of hours. 0 keeps every detail. Sums never "
            "change.",
        ),
    ] = 90.0
    store_titles: Annotated[
        bool,
        Field(description="Keep the titles of sessions in the ledger while their files exist."),
    ] = True
    redact_projects: Annotated[
        bool,
        Form(needs_restart=True),
        Field(
            description="Replace the names of projects with pseudonyms in metrics, over OTLP, in"
            " the textfile and over HTTP."
        ),
    ] = False
    procfs: Annotated[
        str,
        Form(nouns=A_DIRECTORY, metavar="DIR", needs_restart=True),
        Field(description="Where the host's /proc is mounted, in a container."),
    ] = "/proc"
    otlp: Annotated[
        bool,
        Form(needs_restart=True),
        Field(description="Push to the OpenTelemetry receiver that OTEL_* variables name."),
    ] = False
    otlp_genai: Annotated[
        bool,
        Form(needs_restart=True),
        Field(description="Also push gen_ai.client.token.usage of the GenAI conventions."),
    ] = False
    textfile: Annotated[
        MetricsFile,
        Form(nouns=("a file name that ends with .prom",), metavar="FILE.prom", needs_restart=True),
        Field(description="File for node_exporter's textfile collector, rewritten regularly."),
    ] = ""
    textfile_label: Annotated[
        LabelPairs,
        Form(
            nouns=("NAME=VALUE or a list of them", "NAME=VALUE with a name other than le"),
            metavar="NAME=VALUE",
            separator=",",
            default_text="none",
            needs_restart=True,
        ),
        Field(
            description="Label of every series in the textfile, such as user=ada if several users"
            " write textfiles; repeatable."
        ),
    ] = ()
    textfile_interval: Annotated[
        Number,
        Form(unit="seconds", needs_restart=True),
        Field(ge=1, le=86_400, description="Time between two writes of the textfile."),
    ] = 60.0

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - a parameter of the hook
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return only the arguments of the constructor as a source.

        `load_settings` merges the other sources.
        """
        return (init_settings,)

    @property
    def listen(self) -> tuple[tuple[str, int], ...]:
        """The hosts and the ports to listen on. Port 0 selects a free port."""
        addresses = self.listen_address or (DEFAULT_ADDRESS,)
        pairs = (address.rpartition(":") for address in addresses)
        return tuple((host.strip("[]") or "127.0.0.1", int(port)) for host, _, port in pairs)

    @property
    def labels_of_textfile(self) -> dict[str, str]:
        """The labels that are added to every series in the textfile."""
        return dict(pair.split("=", 1) for pair in self.textfile_label)

    @property
    def external_host(self) -> str:
        """The host name in the external URL, in lower case; "" without such a URL."""
        return urlsplit(self.web_external_url).hostname or ""

    @property
    def route_prefix(self) -> str:
        """The path before the routes of the server, without a slash at the end; "" for none."""
        return (self.web_route_prefix or urlsplit(self.web_external_url).path).rstrip("/")

    def reloaded(self, new: "Settings") -> tuple["Settings", list[str]]:
        """Return the settings after a reload, and the names of the changes that need a restart.

        `new` has the settings of the reload. A setting that needs a restart keeps its old value.
        The names are those of the settings whose new value is ignored for this reason.
        """
        kept: dict[str, Any] = {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if Form.of(field).needs_restart
        }
        ignored = [name for name, value in kept.items() if getattr(new, name) != value]
        return new.model_copy(update=kept), ignored


FIELDS: Mapping[str, FieldInfo] = Settings.model_fields

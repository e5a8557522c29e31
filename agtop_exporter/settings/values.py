"""Types of the values of settings, with functions that check and convert them.

The functions raise PydanticCustomError for a mistake.
"""

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError, PydanticKnownError

from agtop_exporter.model import PLANS, Budget, Plan
from agtop_exporter.pricing.override_fields import problems_of
from agtop_exporter.settings import budgets

MAX_PORT = 65_535
HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ROUTE_PREFIX = re.compile(r"/|(/[A-Za-z0-9._~-]+)+/?")
PLAN_ALIASES: dict[str, Plan] = {
    "default": "retail",
    "api": "retail",
    "enterprise": "included",
    "not-billed": "included",
}


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _plan(value: object) -> object:
    """Return a plan in lower case. An alias is replaced by the name of the plan."""
    if not isinstance(value, str):
        return value
    plan = PLAN_ALIASES.get(value.lower(), value.lower())
    return plan if plan in PLANS else _plans_with_agents().get(plan, plan)


def _plans_with_agents() -> dict[str, Plan]:
    """Return the names that combine an agent and a plan, such as `claude-max` or `claude_max`.

    The result maps each combined name to the name of the plan. It contains plans that cover the
    agent.
    """
    from agtop_exporter.agents import load_agents  # noqa: PLC0415 - imports every reader

    return {
        f"{agent.name}{separator}{plan}": plan
        for agent in load_agents()
        for plan in agent.plan_covers
        for separator in "-_"
    }


def _agent(value: str) -> str:
    """Return the name of the agent with the name or alias `value`, in lower case.

    Raises PydanticCustomError if there is no such agent.
    """
    from agtop_exporter.agents import load_agents  # noqa: PLC0415 - imports every reader

    agents = load_agents()
    known = sorted(agent.name for agent in agents)
    names = {alias: agent.name for agent in agents for alias in (agent.name, *agent.aliases)}
    name = names.get(value.lower())
    if name is None:
        raise PydanticCustomError("agent", "no such agent", {"known": known})
    return name


def _address(value: str) -> str:
    port = value.rpartition(":")[2]
    if ":" not in value or not (port.isascii() and port.isdecimal() and int(port) <= MAX_PORT):
        raise PydanticCustomError("address", "not an address")
    return value


def _host_name(value: str) -> str:
    name = value.strip().rstrip(".").lower()
    if name != "*" and not HOST_NAME.fullmatch(name.removeprefix("*.")):
        raise PydanticCustomError("host_name", "not a host name")
    return name


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_valid = False
    else:
        is_valid = is_valid and not (parts.query or parts.fragment or parts.username)
    if value and not is_valid:
        raise PydanticCustomError("url", "not a URL")
    return value


def _prefix(value: str) -> str:
    if value and not ROUTE_PREFIX.fullmatch(value):
        raise PydanticCustomError("prefix", "not a path")
    return value


def _path(value: str) -> str:
    """Return a path unchanged.

    Raises ValueError if it begins with `~` and an unknown user, or is relative to a working
    directory that was deleted.
    """
    path = Path(value)
    try:
        if value:
            path.expanduser().absolute()
    except FileNotFoundError:
        raise ValueError("is a relative path, and the working directory was deleted") from None
    except RuntimeError:
        user = path.parts[0]
        if user == "~":
            raise ValueError("the home directory is unknown: set HOME") from None
        raise ValueError(f"{user} names an unknown user") from None
    return value


def _textfile(value: str) -> str:
    if value and not value.endswith(".prom"):
        raise PydanticCustomError("textfile", "no metrics file")
    return value


def _label(value: str) -> str:
    name, equals, _ = value.partition("=")
    is_reserved = name.startswith("__") or name == "le"  # `le`: of the buckets of histograms
    if not equals or not LABEL_NAME.fullmatch(name) or is_reserved:
        raise PydanticCustomError("label", "not a label")
    return value


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


def _price(value: object) -> object:
    """Return `value`, a price or a list of dated prices of one model, if it is valid.

    Raises PydanticCustomError with the mistakes.
    """
    problems = tuple(problems_of(value))
    if problems:
        raise PydanticCustomError("override", "no price", {"problems": problems})
    return value


def _budgets(value: tuple[object, ...]) -> tuple[Budget, ...]:
    """Return the budgets that a list of tables describes.

    Raises PydanticCustomError with the mistakes.
    """
    problems = tuple(budgets.problems_of(value, _agent))
    if problems:
        raise PydanticCustomError("override", "no budgets", {"problems": problems})
    return budgets.decoded(value, _agent)


Number = Annotated[float, BeforeValidator(_no_boolean)]
WholeNumber = Annotated[int, BeforeValidator(_no_boolean)]
Price = Annotated[Any, AfterValidator(_price)]
PathText = Annotated[str, AfterValidator(_path)]
Directory = Annotated[PathText, StringConstraints(min_length=1)]
AgentName = Annotated[str, AfterValidator(_agent)]
Address = Annotated[str, AfterValidator(_address)]
HostName = Annotated[str, AfterValidator(_host_name)]
Url = Annotated[str, AfterValidator(_url)]
RoutePrefix = Annotated[str, AfterValidator(_prefix)]
MetricsFile = Annotated[PathText, AfterValidator(_textfile)]
PlanName = Annotated[Plan, BeforeValidator(_plan)]
Budgets = Annotated[tuple[Any, ...], AfterValidator(_budgets)]
AgentNames = Annotated[tuple[AgentName, ...], BeforeValidator(_as_list)]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(_as_list)]
Directories = Annotated[tuple[Directory, ...], BeforeValidator(_as_list)]
LabelPairs = Annotated[
    tuple[Annotated[str, AfterValidator(_label)], ...], BeforeValidator(_as_list)
]
HostNames = Annotated[tuple[HostName, ...], BeforeValidator(_as_list)]

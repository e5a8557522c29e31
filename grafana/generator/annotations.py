"""Marks on the graphs: compactions, exhausted limits and new versions of agents."""

from generator.panels import BLUE, ORANGE, RED, annotation
from generator.variables import Selectors

of = Selectors("agent")


def _versions(offset=""):
    return f"group by (agent, agent_version) ({of('agtop_session_info')}{offset})"


ANNOTATIONS = (
    annotation(
        "Limit reached",
        f"max by (instance, agent, window) ({of('agtop_rate_limit_used_ratio')}) >= 1",
        "{{agent}} {{window}} on {{instance}}",
        color=RED,
        shown=True,
    ),
    annotation(
        "Compaction",
        f"sum by (instance, agent) (increase({of('agtop_compactions_total')}[1m])) > 0",
        "{{agent}} on {{instance}}",
        color=BLUE,
    ),
    annotation(
        "New version",
        f"{_versions()} unless {_versions(' offset 1h')}",
        "{{agent}} {{agent_version}}",
        color=ORANGE,
    ),
)

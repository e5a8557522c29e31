"""Recognizes the ids that Codex invents for records of others: they are not unique.

Codex invents ids in these two cases:

* It rewrites a rollout of an older version in the form of version 0.153. Turns and items without an
  id get the ids `rollout-<number>` and `item-<number>`. The numbers begin again in every rollout.
* It imports a conversation of another program. The turns get the ids
  `external-import-turn-<number>`.

Sources (GitHub repository, and pull request or issue number): openai/codex 37175 and 45203
(rewritten rollouts), pacphi/agentic-kit 221 (imports).
"""

import re

IMPORTED = "external-import-turn-"

_ADDED = re.compile(r"(?:rollout|item)-[0-9]+")


def recorded(identifier: str | None) -> str:
    """Return an id; "" if there is none, or if Codex added it when it rewrote the rollout."""
    return "" if not identifier or _ADDED.fullmatch(identifier) else identifier


def is_imported(turn_id: str | None) -> bool:
    """Return whether a turn belongs to a conversation that was imported from another program."""
    return (turn_id or "").startswith(IMPORTED)

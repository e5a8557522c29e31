"""What the ledger remembers of a session and of an event, and how two sightings merge."""

import math
from collections import Counter
from typing import TypeVar

import msgspec

from agtop_exporter.model import (
    NO_COST,
    NO_TOKENS,
    NO_USAGE,
    PROMPT_RANK,
    Cost,
    ModelUsage,
    SessionUpdate,
    TokenCounts,
    UsageEvent,
)

S = TypeVar("S", int, str)
"""What names a session: the id of its record, or its own."""

Calls = tuple[tuple[str, str], ...]


class SessionRecord(msgspec.Struct, array_like=True):
    """All that is known of one session: its own usage, without its subagents'."""

    id: int
    agent: str
    session_id: str
    facts: SessionUpdate
    project: str = ""
    models: dict[str, ModelUsage] = {}
    tools: dict[str, int] = {}
    tool_errors: dict[str, int] = {}
    turns: int = 0
    compactions: int = 0
    floor_tokens: TokenCounts = NO_TOKENS  # published before a better claim took some away
    floor_cost: Cost = NO_COST

    def without_title(self) -> "SessionRecord":
        """Return the same session without its title, which quotes a prompt."""
        facts = msgspec.structs.replace(self.facts, title="", title_rank=0)
        return msgspec.structs.replace(self, facts=facts)

    @property
    def usage_by_model(self) -> dict[str, ModelUsage]:
        """What was used of each model, never less than nothing.

        Sums that an earlier version stored may be negative; a later sighting corrects them.
        """
        return {model: usage.max(NO_USAGE) for model, usage in self.models.items()}

    @property
    def usage(self) -> ModelUsage:
        """The sum over all models; most sessions have one."""
        used = list(self.usage_by_model.values())
        return used[0] if len(used) == 1 else sum(used, NO_USAGE)


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One event as it has been counted, so that another sighting adds only what is new."""

    session: int  # id of the session that owns it
    copied: bool
    time: float
    model: str
    tokens: TokenCounts
    cost: Cost | None  # None: no price was known
    requests: int
    turns: int
    compactions: int
    tools: Calls
    tool_errors: Calls
    provider: str
    speed: str
    reported_cost: int | None

    @property
    def claim(self) -> tuple[bool, float]:
        """How good the claim to the event is; the least is the best."""
        return self.copied, self.time or math.inf

    def moved_to(self, session: int) -> "Entry":
        """Return the same event as one of another session."""
        return msgspec.structs.replace(self, session=session)

    def merged(self, other: "Entry", *, began_before: bool = False) -> "Entry":
        """Return both sightings as one, with the larger figures.

        A record that shows no sign of being a copy has the better claim to the event, then the
        earlier record, then that of the session that began before; of equal claims the first.
        """
        ours, theirs = self.claim, other.claim
        owner = other if theirs < ours or (theirs == ours and began_before) else self
        return msgspec.structs.replace(
            owner,
            model=self.model or other.model,
            speed=self.speed or other.speed,
            tokens=self.tokens.max(other.tokens),
            requests=max(self.requests, other.requests),
            turns=max(self.turns, other.turns),
            compactions=max(self.compactions, other.compactions),
            tools=union(self.tools, other.tools),
            tool_errors=union(self.tool_errors, other.tool_errors),
            reported_cost=larger(self.reported_cost, other.reported_cost),
        )


def tally(
    counts: Counter[tuple[S, str, str]], session: S, said: Entry | UsageEvent, sign: int = 1
) -> None:
    """Add what is seldom said to counts by session, kind and tool name."""
    counts[session, "turns", ""] += sign * said.turns
    counts[session, "compactions", ""] += sign * said.compactions
    for _, name in said.tool_errors:
        counts[session, "tool_call_errors", name] += sign


def unpriced(tokens: TokenCounts) -> Cost:
    """Return the cost of tokens without a known price."""
    return Cost(unpriced_tokens=tokens.total)


def union(first: Calls, second: Calls) -> Calls:
    """Return the calls of both, each id once."""
    return first if first == second else tuple({**dict(second), **dict(first)}.items())


def larger(first: int | None, second: int | None) -> int | None:
    """Return the larger of two figures that may be unknown."""
    return max(first, second) if first is not None and second is not None else first or second


def merge_facts(known: SessionUpdate, new: SessionUpdate) -> SessionUpdate:
    """Return what is known of a session after an update; the order of updates does not matter."""
    late, early = (new, known) if _is_newer(new, known) else (known, new)
    first, second = (new, known) if _began_before(new, known) else (known, new)
    title = late if known.title_rank > PROMPT_RANK else first
    if known.title_rank != new.title_rank:
        title = known if known.title_rank > new.title_rank else new
    peaks = [u.context_peak_tokens for u in (known, new) if u.context_peak_tokens is not None]
    starts = [u.started_at for u in (known, new) if u.started_at is not None]
    return SessionUpdate(
        session_id=known.session_id,
        data_path=late.data_path or early.data_path,
        parent_session_id=known.parent_session_id or new.parent_session_id,
        started_at=min(starts, default=None),
        last_active=late.last_active if late.last_active is not None else early.last_active,
        title=title.title,
        title_rank=title.title_rank,
        cwd=first.cwd or second.cwd,
        git_branch=late.git_branch or early.git_branch,
        agent_version=late.agent_version or early.agent_version,
        model=late.model or early.model,
        model_effort=late.model_effort or early.model_effort,
        subscription=late.subscription or early.subscription,
        context_used_tokens=late.context_used_tokens or early.context_used_tokens,
        context_peak_tokens=max(peaks, default=None),
        context_window_tokens=late.context_window_tokens or early.context_window_tokens,
        subagent=known.subagent or new.subagent,
        signal=late.signal if late.signal.kind != "unknown" else early.signal,
    )


def _is_newer(new: SessionUpdate, known: SessionUpdate) -> bool:
    if new.last_active is None or known.last_active is None:
        return new.last_active is not None or known.last_active is None
    return new.last_active >= known.last_active


def _began_before(new: SessionUpdate, known: SessionUpdate) -> bool:
    if new.started_at is None or known.started_at is None:
        return new.started_at is not None
    return new.started_at < known.started_at

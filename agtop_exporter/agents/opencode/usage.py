"""Creates the events of billed responses and compactions.

A response consists of steps. A step is one request to a model. OpenCode writes a `step-finish` part
with the token counts and the cost of each step. The message of the response has the sum of the
costs, but only the tokens of the last step (https://github.com/anomalyco/opencode/issues/42324).
Nothing here does I/O.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec

from agtop_exporter.agents.opencode.events import Context, is_copy
from agtop_exporter.agents.opencode.overlap import cached_input
from agtop_exporter.agents.opencode.records import Message, Model, Part, Tokens, Vector
from agtop_exporter.model import PICODOLLARS_PER_USD, TokenCounts, UsageEvent

COMPACTED = msgspec.Raw(b"true")
STEP_END = "step-finish"
RUNNING = "running"  # status of a compaction whose request has not ended
FAILED = "failed"
MAX_COST_USD = 1e6  # maximum cost of one response; a larger value is an error


class Request(msgspec.Struct, frozen=True):
    """The tokens and the cost of one request. `cost_usd` is None if OpenCode recorded no cost."""

    tokens: Tokens
    cost_usd: float | None = None


def requests_of(message: Message, parts: Iterable[Part]) -> list[Request]:
    """Return the requests of a message, the latest last; [] if the message was never billed.

    Each step in `parts` is a request. Some steps can be missing, because they were deleted or never
    written. If the token counts of the message cannot be computed from the steps, the message
    itself is added as another request.
    """
    if message.role != "assistant":
        return []
    steps = [
        Request(part.tokens, part.cost)
        for part in parts
        if part.type == STEP_END and part.tokens is not None
    ]
    if len(steps) == 1 and steps[0].cost_usd is None:
        steps = [Request(steps[0].tokens, message.cost)]
    own, vector = message.tokens or Tokens(), message.vector
    if not steps:
        return [Request(own, message.cost)] if any(vector) or message.finish else []
    if not any(vector) or _is_explained(vector, [step.tokens.vector for step in steps]):
        return steps
    remaining = (message.cost or 0.0) - sum(step.cost_usd or 0.0 for step in steps)
    return [*steps, Request(own, remaining)]


def _is_explained(own: Vector, steps: Sequence[Vector]) -> bool:
    """Return whether the token counts of a message are those of its steps, or of its first steps.

    `own` has the token counts of the message. `steps` has the token counts of each step. Depending
    on the version, each count of the message is the count of the latest step, or the sum over the
    steps.
    """
    sums = accumulate(steps, lambda total, step: tuple(map(sum, zip(total, step, strict=True))))
    return any(
        all(figure in pair for figure, *pair in zip(own, step, total, strict=True))
        for step, total in zip(steps, sums, strict=True)
    )


def usage_events(
    message: Message, context: Context, message_id: str, requests: Sequence[Request]
) -> Iterator[UsageEvent]:
    """Yield the events of a message's requests.

    A fork copies messages and parts, and gives the copies new ids. Therefore the event key consists
    of properties that a copy keeps. If several requests of a message have equal token counts, a
    number makes their event keys different.
    """
    created, model, provider = message.created, message.model_name, message.provider
    origin = f"{created:.3f}:{provider}" if created else message_id
    seen: Counter[Vector] = Counter()
    for number, request in enumerate(requests):
        vector = request.tokens.vector
        seen[vector] += 1
        repetition = f":{seen[vector]}" if seen[vector] > 1 else ""
        counts = token_counts(request.tokens, context)
        overlap = cached_input(vector, provider, created)
        counts = msgspec.structs.replace(counts, input=counts.input - overlap)
        # OpenCode's cost includes what two of the counts include.
        charged_twice = overlap or (counts.reasoning and counts.output == vector[1])
        yield UsageEvent(
            key=f"response:{origin}:{model}:{figures(vector)}{repetition}",
            session_id=context.session_id,
            time=created,
            model=model,
            tokens=counts,
            requests=1,
            compactions=1 if message.summary == COMPACTED and not number else 0,
            copied=is_copy(created, context),
            provider=provider,
            reported_cost=None if charged_twice else picodollars(request.cost_usd),
        )


def compaction_event(
    message: Message, context: Context, message_id: str, model: Model | None
) -> UsageEvent | None:
    """Return the event of a compaction's message; None while the compaction runs.

    `model` is the model of the session at the time of the compaction. It is used if the message
    names no model. Compactions of the first versions have no token counts. A failed compaction is
    billed, but does not count as a compaction.
    """
    if message.status == RUNNING:
        return None
    return _compaction(
        message,
        context,
        message_id,
        model,
        request=Request(message.tokens or Tokens(), message.cost),
        compactions=0 if message.status == FAILED else 1,
    )


def compaction_usage(
    message: Message, context: Context, message_id: str, model: Model | None, request: Request
) -> UsageEvent:
    """Return the event of a compaction's request that is in the event log.

    `message` is the message of the compaction. If the message has the same token counts as the
    request, the event of the message has the same key.
    """
    return _compaction(message, context, message_id, model, request=request, compactions=0)


def _compaction(  # noqa: PLR0913 - the facts of one event
    message: Message,
    context: Context,
    message_id: str,
    model: Model | None,
    *,
    request: Request,
    compactions: int,
) -> UsageEvent:
    created, vector = message.created, request.tokens.vector
    billed = any(vector)
    model = message.model or model
    origin = f"{created:.3f}" if created else message_id
    return UsageEvent(
        key=f"compaction:{origin}:{figures(vector)}",
        session_id=context.session_id,
        time=created,
        model=model.name if model and billed else "",
        tokens=token_counts(request.tokens, context),
        requests=1 if billed else 0,
        compactions=compactions,
        copied=is_copy(created, context),
        provider=(model.provider_id or "") if model and billed else "",
        reported_cost=picodollars(request.cost_usd) if billed else None,
    )


def side_event(
    context: Context, entry_id: str, model: Model | None, request: Request
) -> UsageEvent:
    """Return the event of a request that belongs to no message, such as the request for a title.

    `entry_id` is the id of the request's log entry, which has no time. The event has the start time
    of the session, because the title is requested first.
    """
    return UsageEvent(
        key=f"usage:{entry_id}",
        session_id=context.session_id,
        time=context.created,
        model=model.name if model else "",
        tokens=token_counts(request.tokens, context),
        requests=1,
        provider=(model.provider_id or "") if model else "",
        reported_cost=picodollars(request.cost_usd),
    )


def figures(vector: Vector) -> str:
    """Return the token counts of a request as a part of an event key."""
    return ":".join(map(str, vector))


def token_counts(tokens: Tokens, context: Context) -> TokenCounts:
    """Convert recorded tokens to token counts in which output includes reasoning.

    The cache lifetime of cache writes is not recorded. All cache writes count as 5-minute writes.
    """
    uncached, output, reasoning, read, write = tokens.vector
    if reasoning and not holds_reasoning(tokens, context):
        output += reasoning
    return TokenCounts(
        input=uncached,
        cache_read=read,
        cache_write_5m=write,
        output=output,
        reasoning=reasoning,
    )


def holds_reasoning(tokens: Tokens, context: Context) -> bool:
    """Return whether the recorded output tokens include the reasoning tokens.

    The result follows from the recorded total. If the total is missing or does not fit, the result
    follows from the version of OpenCode.
    """
    values = tokens.vector
    reasoning, everything = values[2], sum(values)
    if tokens.total == everything:
        return False
    if tokens.total == everything - reasoning:
        return True
    return context.reasoning_inside and reasoning <= values[1]


def picodollars(cost_usd: float | None) -> int | None:
    """Convert a recorded cost to picodollars; return None if the cost is missing, 0 or invalid."""
    if cost_usd is None or not 0 < cost_usd < MAX_COST_USD:
        return None
    return round(cost_usd * PICODOLLARS_PER_USD)

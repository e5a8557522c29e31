"""Model responses of Claude Code.

A transcript has several lines for each response, and each of these lines repeats the usage.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from agtop_exporter.agents.claude.iterations import other_parts, own_parts
from agtop_exporter.agents.claude.records import Usage, token_counts
from agtop_exporter.model import NO_TOKENS, SessionUpdate, Signal, TokenCounts, UsageEvent

Calls = tuple[tuple[str, str], ...]  # (call id, tool name)
NO_CALLS: Calls = ()
NO_SIGNAL = Signal()


class Response(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A model response, merged from the transcript lines that have been read so far."""

    session_id: str
    time: float
    model: str
    usage: Usage  # of the latest line
    copied: bool
    main_chain: bool
    tools: Calls = NO_CALLS
    request_id: str = ""
    advisor: str = ""  # model of the advisor
    key: str = ""
    other_keys: tuple[str, ...] = ()  # further keys under which it may be counted
    tokens: TokenCounts = NO_TOKENS  # merged counts of earlier lines, if not those of `usage`
    answered: bool = False  # a tool result follows its latest line
    prompted: bool = False  # a prompt follows its latest line
    prompted_at: float = 0.0  # the time of that prompt, in unix seconds
    listed: bool = False  # the response is in `SessionRead.responses` of this read

    def grow(self, usage: Usage) -> None:
        """Merge the usage of one more line into the response."""
        if usage.cache_creation is None:
            usage.cache_creation = self.usage.cache_creation
        elif self.usage.cache_creation is None:
            self.usage.cache_creation = usage.cache_creation
        if not usage.continues(self.usage):
            self.tokens = self.all_tokens()
        usage.keep_terms(self.usage)
        usage.iterations = usage.iterations or self.usage.iterations
        self.usage = usage

    def all_tokens(self) -> TokenCounts:
        """Return the token counts of all lines, merged (see `TokenCounts.merged`).

        If the lines divide the prompt differently, the line with the most output tokens is right.
        """
        latest, earlier = token_counts(self.usage), self.tokens
        if earlier == NO_TOKENS:
            return latest
        if latest.output < earlier.output:
            latest, earlier = earlier, latest
        return latest.merged(earlier)

    def may_have(self, request_id: str | None) -> bool:
        """Return whether a line with a given request id can belong to this response.

        A line or a response without a request id matches any request id.
        """
        return not request_id or not self.request_id or request_id == self.request_id

    def is_after(self, time: float) -> bool:
        """Return whether this response began after `time` (unix seconds); False if `time` is 0."""
        return 0 < time < self.time

    def is_continued_by(
        self, request_id: str | None, usage: Usage, time: float, *, has_id: bool
    ) -> bool:
        """Return whether a line continues this response, which has no unique id.

        `request_id`, `usage` and `time` (in unix seconds) belong to the line. `has_id` is false if
        the line has neither a message id nor a request id.

        The lines of one response follow each other, with only tool results between them, and have
        the same input token counts. A prompt ends the response. But a line that is older than the
        prompt is out of order, and can still continue the response.
        """
        is_late = self.prompted and 0 < time < self.prompted_at
        if (self.prompted and not is_late) or not self.may_have(request_id):
            return False
        if self.answered or is_late or not has_id:
            same_prompt = usage.prompt == self.usage.prompt
            return same_prompt and (usage.output_tokens or 0) >= (self.usage.output_tokens or 0)
        return True

    def event(self, total: TokenCounts) -> UsageEvent:
        """Return the usage event of a response without iterations.

        `total` are the token counts of the response.
        """
        return self._event(self.model, total, self.usage.price_tier)

    def events(self, total: TokenCounts) -> Iterator[UsageEvent]:
        """Yield a usage event for each billed model response in the iterations.

        `total` are the token counts of all lines of this response.
        """
        first, *more = own_parts(self.usage, self.model, total)
        yield self._event(first.model, first.tokens, first.speed)
        for part in (*more, *other_parts(self.usage, self.model, self.advisor)):
            yield self._event(part.model, part.tokens, part.speed, f"#{part.place}")

    def _event(
        self, model: str, tokens: TokenCounts, speed: str | None, place: str = ""
    ) -> UsageEvent:
        """Return a usage event of this response.

        `place` is the suffix of its event keys; "" for the first event of the response.
        """
        return UsageEvent(
            f"{self.key}{place}",
            self.session_id,
            self.time,
            model,
            tokens,
            requests=1,
            tools=NO_CALLS if place else without_duplicates(self.tools),
            copied=self.copied,
            speed=speed or "",
            web_searches=0 if place else self.usage.web_searches,
            region=self.usage.region,
            other_keys=tuple(f"{key}{place}" for key in self.other_keys),
        )


@dataclass(slots=True)
class SessionRead:
    """The data that one read of a transcript has found about one session.

    The values that change with nearly every record are stored in fields of this class, because the
    fields of the Struct `update` are slower to set.
    """

    update: SessionUpdate
    signal: Signal = NO_SIGNAL
    model: str = ""
    effort: str = ""
    responses: list[Response] = field(default_factory=list)  # in order of their start
    # the latest responses with a unique id
    by_id: dict[str, Response] = field(default_factory=dict)
    latest: Response | None = None  # of the main chain
    compacted_to: int | None = None  # context tokens after the latest compaction
    first: datetime | None = None  # times of the earliest and the latest record that is no copy
    last: datetime | None = None

    def complete_update(self) -> None:
        """Copy the values that are stored here to `update`."""
        update = self.update
        update.signal, update.model, update.model_effort = self.signal, self.model, self.effort
        if self.first is not None and self.last is not None:
            update.observe_time(self.first.timestamp())
            update.observe_time(self.last.timestamp())

    def totals(self) -> list[TokenCounts]:
        """Return the token counts of each response."""
        return [response.all_tokens() for response in self.responses]

    def events(self, totals: list[TokenCounts]) -> Iterator[UsageEvent]:
        """Yield the usage events of the responses, whose token counts are `totals`."""
        for response, total in zip(self.responses, totals, strict=True):
            if response.usage.iterations:
                yield from response.events(total)
            else:
                yield response.event(total)


def without_duplicates(calls: Calls) -> Calls:
    """Return tool calls without duplicates.

    The lines of a response can repeat a tool call.
    """
    return calls if len(calls) < 2 else tuple(dict(calls).items())  # noqa: PLR2004 - two

"""The usage that was counted from one transcript, for the comparison with its `cost-state` sums."""

from collections.abc import Iterable, Mapping
from zlib import crc32

import msgspec
from msgspec import field

from agtop_exporter.model import NO_TOKENS, TokenCounts, UsageEvent

RECENT_EVENTS = 8  # maximum number of events in the state that the next read may continue

ModelTokens = dict[str, TokenCounts]  # by model


class Tally(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The usage that was counted from one transcript. A part of its reader state.

    `complete` is false if the sums may include usage that is counted elsewhere, or that was counted
    earlier: the transcript has or may have copies, or responses whose usage was removed.
    """

    complete: bool = True
    prompts: set[str] = field(default_factory=set)  # ids of prompts before the first response
    answered: bool = False  # the transcript has a response
    # whether a response had a service tier or region, so the price of other requests is unknown
    special: bool = False
    counted: ModelTokens = field(default_factory=dict)  # of the responses in all reads
    # tokens of the latest of these responses, by a hash of their event keys
    recent: dict[int, TokenCounts] = field(default_factory=dict)
    agents: list[str] = field(default_factory=list)  # ids of the subagents in results of tools
    subagents: ModelTokens = field(
        default_factory=dict
    )  # the largest usage seen in their transcripts
    unlisted: ModelTokens = field(default_factory=dict)  # of unlisted requests; see `unlisted`

    def with_events(self, events: Iterable[UsageEvent]) -> ModelTokens:
        """Return the usage of the earlier reads and of the responses of this read."""
        usage = dict(self.counted)
        latest: dict[str, TokenCounts] = {}
        for event in events:
            before = latest.get(event.key)
            if before is None:
                before = (
                    self.recent.get(_number(event.key), NO_TOKENS) if self.recent else NO_TOKENS
                )
            after = latest[event.key] = before.merged(event.tokens)
            add(usage, event.model, after - before)
        return usage

    def add_events(self, events: list[UsageEvent]) -> None:
        """Add the responses of this read."""
        self.counted = self.with_events(events)
        for event in events[-RECENT_EVENTS:]:
            number = _number(event.key)
            before = self.recent.pop(number, NO_TOKENS)
            self.recent[number] = before.merged(event.tokens)
        self.recent = dict([*self.recent.items()][-RECENT_EVENTS:])


def add(usage: ModelTokens, model: str, tokens: TokenCounts) -> None:
    """Add the tokens of a model to a usage."""
    usage[model] = usage.get(model, NO_TOKENS) + tokens


def total_of(usage: Mapping[str, TokenCounts]) -> TokenCounts:
    """Return the tokens of all models, without `reasoning`."""
    return msgspec.structs.replace(sum(usage.values(), NO_TOKENS), reasoning=0)


def _number(key: str) -> int:
    return crc32(key.encode(errors="replace"))

"""The part of the Codex parser for records that contain token counts or rate limits."""

from agtop_exporter.agents.codex.copies import may_be_repeated
from agtop_exporter.agents.codex.counting import (
    count_key,
    record_keys,
    usage_of_count,
    usage_of_record,
)
from agtop_exporter.agents.codex.limits import OWN_LIMITS, rate_limits
from agtop_exporter.agents.codex.records import NOTHING, Payload, RateLimits, TokenUsage
from agtop_exporter.agents.codex.rollout import Rollout
from agtop_exporter.agents.codex.signals import signal
from agtop_exporter.agents.codex.tiers import requested
from agtop_exporter.agents.codex.usage import token_counts
from agtop_exporter.model import UsageEvent


class ResponseHandlers(Rollout):
    """The part of the Codex parser that processes usage records and token counts."""

    def handle_usage_record(self, payload: Payload) -> None:
        """Add the response of a `token_usage_record` to the batch.

        A response that has been counted before is not added.
        """
        usage = usage_of_record(payload, self.state, self.time)
        if usage is not None:
            foreign = payload.thread_id not in (None, self.thread_id(payload))
            copied = self.copied or foreign
            self._add_response(*record_keys(payload, self.state), usage=usage, copied=copied)
            if not copied:
                self.session.set_context_used(usage.total_tokens)

    def handle_token_count(self, payload: Payload) -> None:
        """Add a response if the running total in a `token_count` has grown.

        Also store the rate limits in the record, and the use and size of the context window.
        """
        time, limits, info = self.time, payload.rate_limits, payload.info
        is_late = self.state.seen.is_late(time)
        if payload.context is not NOTHING and not is_late:
            self.use_model(payload.counted_model)
            self.session.model = payload.counted_model or self.session.model
        if limits is not None and limits.limit_id in OWN_LIMITS and not is_late:
            self._use_limits(limits)
        if info is not None:
            if info.last_token_usage is not None and not (self.copied or is_late):
                self.session.set_context_used(info.last_token_usage.total_tokens)
            self.session.context_window_tokens = (
                info.model_context_window or self.session.context_window_tokens
            )
            found = usage_of_count(info, self.state, time)
            # The origin may have counted by usage records, which have other keys.
            if found is not None and not self.surely_copied:
                state, (usage, total) = self.state, found
                copied = self.copied or may_be_repeated(state)
                owner = state.turn_id or ((state.family or state.origin) if copied else "")
                key = count_key(usage, total, owner or self.thread_id(), state)
                self._add_response(key, usage=usage, copied=copied)
        self.end_question()

    def _use_limits(self, limits: RateLimits) -> None:
        """Store the plan and the rate limits of a record.

        The rate limits of a copied record are ignored, because their time can be wrong.
        """
        self.plan_type = limits.plan_type or self.plan_type
        if not self.copied:
            self.limits, self.limits_at = limits, self.moment

    def _add_response(self, key: str, *other_keys: str, usage: TokenUsage, copied: bool) -> None:
        state = self.state
        state.has_answers = state.has_answers or not copied
        self.add_response(
            UsageEvent(
                key,
                self.thread_id(),
                self.time,
                state.model,
                token_counts(usage),
                requests=1,
                copied=copied,
                provider=state.provider,
                speed=requested(state.speed, state.model),
                other_keys=other_keys,
            )
        )

    def end_question(self) -> None:
        """Set the activity to running if a tool call was waiting for the user's permission.

        The caller processes a record that shows the end of the wait. In version 0.169, this is the
        record of a finished command or a token count.
        """
        if self.state.asked and not self.copied:
            self.state.asked = False
            self.session.signal = signal("running", "function_call", tool=self.state.calls.tool)

    def finish(self) -> None:
        """Add the latest rate limits to the batch, and set the subscription of the session.

        Also store the time of the last activity in the reader state.
        """
        limits, limits_at = self.limits, self.limits_at
        if self.plan_type:
            self.session.subscription = f"ChatGPT {self.plan_type.capitalize()}"
        if limits is not None:
            observed_at = limits_at.timestamp() if limits_at is not None else 0.0
            self.batch.rate_limits.extend(rate_limits(self.batch.agent, limits, observed_at))
        self.state.last_active = self.session.last_active

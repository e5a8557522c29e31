"""The part of the Codex parser for records about turns, prompts and tool calls."""

from collections.abc import Callable
from typing import ClassVar

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.codex.ids import recorded
from agtop_exporter.agents.codex.records import NOTHING, Payload, ThreadSettings
from agtop_exporter.agents.codex.responses import ResponseHandlers
from agtop_exporter.agents.codex.signals import (
    TURN_SIGNALS,
    asks_permission,
    final_answer,
    signal,
    turn_end,
)
from agtop_exporter.agents.codex.tiers import speed_of
from agtop_exporter.model import PROMPT_RANK, UsageEvent

THREAD_NAME_RANK = 5
TOOL_CALLS = frozenset(
    {"function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call"}
)


class TurnHandlers(ResponseHandlers):
    """The part of the Codex parser that processes events and items of the conversation."""

    def handle_event(self, payload: Payload) -> None:
        """Call the handler for the type of an event."""
        handler = self.event_handlers.get(payload.type, TurnHandlers._handle_other_event)
        handler(self, payload)

    def _handle_other_event(self, payload: Payload) -> None:
        """Update the session from an event whose type has no handler.

        If the event contains settings of the thread, use them. Otherwise set the activity, unless
        the record is a copy.
        """
        settings = payload.thread_settings
        if settings is not None:
            if not self.repeats(payload.type, settings.model, settings.service_tier):
                self._use_settings(settings)
        elif not self.copied:
            self.state.asked = False
            self.session.signal = TURN_SIGNALS.get(payload.type, self.session.signal)

    def _use_settings(self, settings: ThreadSettings) -> None:
        """Store the settings of a thread, which can change while a turn runs.

        A turn keeps the model of its `turn_context`, and the service tier with which it began.
        """
        state, session = self.state, self.session
        if state.has_contexts:
            state.next_model = settings.model or state.next_model
        else:
            self.use_model(settings.model)
        state.next_speed = speed_of(settings.service_tier)
        if not state.has_answers:  # the turn records its own settings before its first response
            state.speed = state.next_speed
        if not self.copied:
            state.provider = settings.model_provider_id or state.provider
        session.model = settings.model or session.model
        session.model_effort = settings.reasoning_effort or session.model_effort

    def _handle_turn_begin(self, payload: Payload) -> None:
        if payload.thread_settings is not None or self.copied:
            self._handle_other_event(payload)
            return
        if self.repeats(payload.type, payload.turn_id):
            return
        state, session = self.state, self.session
        state.asked = False
        state.calls.clear()
        state.turn_id = recorded(payload.turn_id) or state.turn_id
        state.has_tasks = True
        self._use_next_settings(payload)
        session.context_window_tokens = (
            payload.model_context_window or session.context_window_tokens
        )
        session.signal = signal("running", payload.type)

    def _use_next_settings(self, turn: Payload) -> None:
        """Use the settings that were selected for a turn, at its beginning.

        The `turn_context` with the model of the turn follows. Before it, Codex may compact the
        context with the model of the previous turn. A turn that the user starts only to compact
        the context uses the selected model (seen in 0.169 and 0.171).
        """
        state = self.state
        if turn.turn_attribution is NOTHING:
            self.use_model(state.next_model)
        state.speed = state.speed if state.next_speed is None else state.next_speed
        state.next_model, state.next_speed, state.has_answers = "", None, False

    def _handle_turn_end(self, payload: Payload) -> None:
        self._handle_other_event(payload)
        if payload.thread_settings is None and not self.copied:
            self.session.signal = turn_end(payload)

    def _handle_thread_name(self, payload: Payload) -> None:
        self.session.set_title(payload.thread_name or "", THREAD_NAME_RANK)

    def handle_compaction(self, _payload: Payload) -> None:
        """Count a compaction of the context, unless the record is a copy."""
        if not self.copied:
            self.add_event(f"compaction:{self.thread_id()}:{self.time}", compactions=1)

    # --- prompts ----------------------------------------------------------------------------

    def _handle_completed_item(self, payload: Payload) -> None:
        item = payload.item
        if item is None:
            self._handle_other_event(payload)
        elif item.type == "UserMessage":
            text = " ".join(part.text or "" for part in item.content or ())
            item_id = recorded(item.id)
            self._add_prompt(f"prompt:{item_id}" if item_id else self._prompt_key(), text)
        elif item.type == "CommandExecution":
            self.end_question()
            if item.status == "failed" or item.exit_code:
                failed = ((item.id, "exec_command"),)
                self.add_event(f"failure:{item.id}", tool_errors=failed)

    def _handle_user_message(self, payload: Payload) -> None:
        self._add_prompt(self._prompt_key(), payload.message or "")

    def _prompt_key(self) -> str:
        return f"prompt:{self.thread_id()}:{self.time}"

    def _add_prompt(self, key: str, text: str) -> None:
        if not text.lstrip().startswith("<"):
            self.session.set_title(text, PROMPT_RANK)
        if not self.copied:
            self.state.calls.clear()
            self.session.signal = signal("running", "user_message")
            self.add_event(key, turns=1)

    # --- items of the conversation ----------------------------------------------------------

    def handle_item(self, payload: Payload) -> None:
        """Process a tool call or an answer of the model. Ignore other items."""
        is_call = payload.type in TOOL_CALLS
        if not is_call and payload.role != "assistant":
            return
        if not self.copied:
            self.state.inherits = False  # the replay has ended
        if is_call:
            self._handle_call(payload)
        elif (
            payload.type == "message"
            and not (self.copied or self.state.has_tasks)
            and payload.phase in (None, "final_answer")
        ):
            self.session.signal = final_answer(payload)

    def _handle_call(self, payload: Payload) -> None:
        thread_id, time = self.thread_id(), self.time
        call_id = payload.call_id or payload.id or f"{thread_id}:{time}"
        call = (call_id, tool_label(payload.name or payload.type.removesuffix("_call")))
        named = bool(payload.call_id or payload.id)
        searches = payload.web_searches if named or not self.copied else 0
        self.batch.events.append(
            UsageEvent(
                f"call:{call_id}",
                thread_id,
                time,
                self.state.model if searches else "",
                tools=(call,),
                copied=self.copied,
                provider=self.state.provider if searches else "",
                web_searches=searches,
            )
        )
        if self.copied:
            return
        if payload.call_id and payload.type != "web_search_call":  # it has no result
            self.state.calls.begin((call,))
        if asks_permission(payload):
            self.state.asked = True
            kind, reason = "waiting", "permission"
        else:
            kind, reason = "running", ""
        self.session.signal = signal(kind, payload.type, reason, self.state.calls.tool)

    def end_call(self, payload: Payload) -> None:
        """Process the result of a tool call. Another call may still wait for permission."""
        if self.copied or not payload.call_id:
            return
        calls = self.state.calls
        if calls.end(payload.call_id) and not self.state.asked:
            self.session.signal = signal("running", payload.type, tool=calls.tool)

    event_handlers: ClassVar[dict[str, Callable[["TurnHandlers", Payload], None]]] = {  # by type
        "item_completed": _handle_completed_item,
        "task_complete": _handle_turn_end,
        "task_started": _handle_turn_begin,
        "thread_name_updated": _handle_thread_name,
        "token_count": ResponseHandlers.handle_token_count,
        "turn_complete": _handle_turn_end,
        "turn_started": _handle_turn_begin,
        "user_message": _handle_user_message,
    }

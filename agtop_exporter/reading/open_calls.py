"""The tool calls of a session that have no result yet. Does no I/O."""

import msgspec

CALLS_MAX = 64  # maximum number of calls that are stored; the oldest is dropped


class OpenCalls(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The names of the tools that run, by call id, in the order of their calls."""

    names: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def tool(self) -> str:
        """The tool that was called last and still runs; "" if none runs."""
        return next(reversed(self.names.values()), "")

    def begin(self, calls: tuple[tuple[str, str], ...]) -> None:
        """Store calls, each as (call id, tool name)."""
        self.names.update(calls)
        while len(self.names) > CALLS_MAX:
            del self.names[next(iter(self.names))]

    def end(self, call_id: str) -> bool:
        """Forget a call, because its result is known. Return whether the call was stored."""
        return self.names.pop(call_id, None) is not None

    def clear(self) -> None:
        """Forget all calls, because another turn begins."""
        self.names.clear()

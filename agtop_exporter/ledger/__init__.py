"""Turns usage events into totals that count everything once, never fall, and outlive a crash.

What one refresh learns (cursors, dedupe keys, sessions, totals) is committed in one transaction.
Nothing here reads a transcript, knows a price table, or asks for the time.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from sqlite3 import DatabaseError

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.packed import FindTariff, Page, entry_of, event_keys, unpack
from agtop_exporter.ledger.records import Entry, SessionRecord, merge_facts
from agtop_exporter.ledger.store import Row, Store
from agtop_exporter.model import (
    MAX_SUM,
    TOKEN_TYPES,
    Batch,
    Cost,
    Cursor,
    ModelUsage,
    Packed,
    RateLimit,
    Series,
    SessionUpdate,
    UsageEvent,
)

__all__ = ["Entry", "Ledger", "Price", "SessionRecord"]

CHECKPOINT_EVENTS = 5_000  # so few that writing them holds up no scrape
LABELS_MAX = 64  # models, tools or projects of one agent that get series of their own
CHANGES_MAX = 100  # gather before they are brought into the sums
WINDOWS_MAX = 8  # rate-limit windows of one agent
OTHER, UNKNOWN = "other", "unknown"

Price = Callable[[UsageEvent], Cost | None]
"""What a response cost, or None where no price is known."""

_decode_entry = msgspec.msgpack.Decoder(Entry).decode
_encode = msgspec.msgpack.Encoder().encode


class Ledger:
    """The totals, the sessions and the cursors; the one place that changes them.

    `warning` is the reason, if any, why the ledger is not being kept on disk.
    """

    def __init__(self, directory: Path | None = None, *, read_only: bool = False) -> None:
        """Open the ledger of a state directory, or one in memory.

        Raises AgtopError where another daemon writes to the same directory.
        """
        self._store = Store(directory, read_only=read_only)
        self._totals: dict[Series, int | float] = {}
        self._sessions: dict[tuple[str, str], SessionRecord] = {}
        self.cursors: dict[str, dict[str, Cursor]] = {}  # by agent and path
        self.rate_limits: dict[tuple[str, str], RateLimit] = {}
        self._by_id: list[SessionRecord] = []
        self._created: list[SessionRecord] = []  # by the batch at hand
        self._changes = Changes()  # that the sums do not have yet
        self._before: dict[int, ModelUsage] = {}  # what changed sessions had at the last commit
        self._unsaved: set[int] = set()
        self._dirty_totals: set[Series] = set()
        self._dirty_cursors: set[tuple[str, str]] = set()  # agent, path
        self._dirty_limits = False
        self.facts: dict[str, bytes] = {}  # what others asked to remember
        self._dirty_facts: set[str] = set()
        self._labels: dict[tuple[str, str], set[str]] = {}  # those with series: family, agent
        try:
            self._load()
        except (DatabaseError, msgspec.MsgspecError) as error:
            for known in (
                self._totals,
                self._sessions,
                self.cursors,
                self.rate_limits,
            ):
                known.clear()
            self._by_id.clear()
            self._store.recover(error)

    def _load(self) -> None:
        store = self._store
        for _, data in store.all("sessions"):
            record = msgspec.msgpack.decode(data, type=SessionRecord)
            self._sessions[record.agent, record.session_id] = record
            self._by_id.append(record)
        self._by_id.sort(key=lambda record: record.id)
        for series, value in store.all("totals"):
            self._totals[tuple(msgspec.json.decode(series, type=list[str]))] = value
        for path, agent, data in store.all("cursors"):
            cursor = msgspec.msgpack.decode(data, type=Cursor)
            self.cursors.setdefault(agent, {})[path] = cursor
        for name, data in store.all("facts"):
            if name != "rate_limits":
                self.facts[name] = data
            else:
                for limit in msgspec.msgpack.decode(data, type=list[RateLimit]):
                    self.rate_limits[limit.agent, limit.window] = limit

    @property
    def totals(self) -> dict[Series, int | float]:
        """Every running total; none of them ever falls."""
        self._apply()
        return self._totals

    @property
    def sessions(self) -> dict[tuple[str, str], SessionRecord]:
        """Every session by its agent and id."""
        self._apply()
        return self._sessions

    @property
    def warning(self) -> str:
        """Why the ledger is not being kept on disk; empty where it is."""
        return self._store.warning

    @property
    def is_new(self) -> bool:
        """Nothing has ever been counted."""
        return not self.totals

    def close(self) -> None:
        """Give the file and its lock back; what was not committed is forgotten."""
        self._store.close()

    def size_bytes(self) -> int:
        """Return the size of the ledger on disk."""
        return self._store.size_bytes()

    # --- learning ---------------------------------------------------------------------------

    def record(
        self,
        batch: Batch,
        *,
        price: Price,
        project: Callable[[str], str],
        find_tariff: FindTariff = lambda _run: None,
    ) -> None:
        """Take in what one read found. `project` names the project of a working directory."""
        agent = batch.agent
        for update in batch.sessions:
            self._update(agent, update, project)
        packed = batch.packed
        if packed is None:
            self._merge(agent, batch.events, price)
        elif not self._count_packed(agent, packed, find_tariff):
            self._merge(agent, unpack(packed), price)
        if len(self._changes.usage) >= CHANGES_MAX:
            self._apply()
        for record in self._created:
            if not record.facts.parent_session_id:
                self.add(("sessions_started", agent), 1)
        self._created.clear()
        for limit in batch.rate_limits:
            self._take_limit(agent, limit)
        self.add(("scan_bytes", agent), batch.bytes_read)
        self.add(("scan_records", agent), batch.records)
        for error in batch.errors:
            self.add(("parse_errors", agent, error.reason), error.count)
        if batch.reset:
            self.add(("source_resets", agent, batch.reset), 1)
        self.set_cursor(agent, batch.path, batch.cursor)

    def _take_limit(self, agent: str, limit: RateLimit) -> None:
        """Keep the latest word on a window, of the few windows that were told last."""
        known = self.rate_limits.get((agent, limit.window))
        if known is not None and limit.observed_at < known.observed_at:
            return
        self.rate_limits[agent, limit.window] = limit
        windows = [key for key in self.rate_limits if key[0] == agent]
        if len(windows) > WINDOWS_MAX:
            del self.rate_limits[min(windows, key=lambda key: self.rate_limits[key].observed_at)]
        self._dirty_limits = True

    def add(self, series: Series, amount: float) -> None:
        """Let a total grow; a negative amount is ignored, for totals never fall."""
        if amount > 0 or series not in self._totals:
            self._totals[series] = min(MAX_SUM, self._totals.get(series, 0) + max(0, amount))
            self._dirty_totals.add(series)

    def remember(self, name: str, data: bytes) -> None:
        """Keep something of another module's under a name."""
        self.facts[name] = data
        self._dirty_facts.add(name)

    def cursor(self, agent: str, path: str) -> Cursor:
        """Return how far a file has been read: from its start on where it is new."""
        return self.cursors.get(agent, {}).get(path, Cursor())

    def set_cursor(self, agent: str, path: str, cursor: Cursor) -> None:
        """Remember how far a file has been read."""
        self.cursors.setdefault(agent, {})[path] = cursor
        self._dirty_cursors.add((agent, path))

    def forget_cursor(self, agent: str, path: str) -> None:
        """Forget a file that is gone; what it held stays counted."""
        if self.cursors.get(agent, {}).pop(path, None) is not None:
            self._dirty_cursors.add((agent, path))

    def _update(self, agent: str, update: SessionUpdate, project: Callable[[str], str]) -> None:
        record = self._session(agent, update.session_id)
        if update.parent_session_id:
            self._session(agent, update.parent_session_id)  # its own file may hold nothing
        facts = merge_facts(record.facts, update)
        if facts == record.facts:
            return
        self._touch(record)
        record.facts = facts
        if not record.project and facts.cwd:
            record.project = project(facts.cwd)

    def lacks_project(self, agent: str, session_id: str) -> bool:
        """Tell whether the working directory of a session is still to be given a project."""
        record = self._sessions.get((agent, session_id))
        return record is None or not record.project

    def _session(self, agent: str, session_id: str) -> SessionRecord:
        record = self._sessions.get((agent, session_id))
        if record is None:
            facts = SessionUpdate(session_id=session_id)
            record = SessionRecord(len(self._by_id), agent, session_id, facts)
            self._sessions[agent, session_id] = record
            self._by_id.append(record)
            self._created.append(record)
            self._touch(record)
        return record

    def _touch(self, record: SessionRecord) -> None:
        """Note what a session had before this refresh changes it."""
        if record.id not in self._before:
            self._before[record.id] = record.usage.bounded()

    # --- counting ---------------------------------------------------------------------------

    def _count_packed(self, agent: str, packed: Packed, find_tariff: FindTariff) -> bool:
        """Count many events by their sums; False where each of them must be looked at.

        That is where one is known already, or one price does not hold for all of a run.
        """
        keys = self._store.keys(packed.keys)
        different = set(keys)
        if len(different) < len(keys) or self._store.knows_any(different):
            return False
        tariffs = [None if run.own_word else find_tariff(run) for run in packed.runs]
        if any(t is None and not run.own_word for run, t in zip(packed.runs, tariffs, strict=True)):
            return False
        ids = {id_: self._session(agent, id_).id for id_ in packed.session_ids}
        page = Page(keys, packed, ids=ids, tariffs=tariffs)
        self._changes.add_page(page)
        self._store.put_page(page)
        return True

    def _merge(self, agent: str, events: Sequence[UsageEvent], price: Price) -> None:
        changes = self._changes
        keys = self._store.keys(event_keys(agent, events))
        known = {key: _decode_entry(data) for key, data in self._store.entries(keys).items()}
        ids: dict[str, int] = {}
        for key, event in zip(keys, events, strict=True):
            session = ids.get(event.session_id)
            if session is None:
                session = ids[event.session_id] = self._session(agent, event.session_id).id
            cost = price(event) if event.requests else None
            entry = entry_of(event, session, cost)
            before = known.get(key)
            if before is not None:
                merged = before.merged(entry, began_before=self._began(entry) < self._began(before))
                if merged == before:
                    continue
                entry = _priced(merged, before, price)
                changes.take(before)
            changes.add(entry)
            known[key] = entry
            unpriced = entry.cost is None and entry.requests > 0
            self._store.put_event(key, _encode(entry), unpriced=unpriced)

    def _began(self, entry: Entry) -> float:
        started_at = self._by_id[entry.session].facts.started_at
        return math.inf if started_at is None else started_at

    def reprice(self, price: Price) -> int:
        """Price what no price was known for; returns how many events now have one."""
        changes, priced = self._changes, 0
        for key, data in self._store.unpriced().items():
            entry = _decode_entry(data)
            cost = price(_as_event(entry))
            if cost is not None:
                changes.take(entry)
                entry = msgspec.structs.replace(entry, cost=cost)
                changes.add(entry)
                self._store.put_event(key, _encode(entry), unpriced=False)
                priced += 1
        return priced

    def _apply(self) -> None:
        """Bring the sums of sessions, hours and totals up to date."""
        changes, self._changes = self._changes, Changes()
        by_model: dict[tuple[str, str], ModelUsage] = {}
        by_project: dict[tuple[str, str], list[int]] = {}
        for place, usage in changes.usage.items():
            session, model, _ = place
            record = self._by_id[session]
            self._touch(record)
            known = record.models.get(model, ModelUsage())
            record.models[model] = (known + usage).bounded()
            if record.models[model].requests == 0:
                del record.models[model]  # another session has a better claim to all of it
            key = (record.agent, model)
            by_model[key] = by_model.get(key, ModelUsage()) + usage
            spent = by_project.setdefault((record.agent, record.project), [0, 0])
            spent[0] += usage.tokens.total
            spent[1] += usage.cost.total
            sums = (usage.requests, *astuple(usage.tokens), usage.cost.total)
            self._store.add_hourly(place, (*sums, usage.cost.unpriced_tokens))
        for (agent, model), net in by_model.items():
            self._total_usage(agent, self._label("requests", agent, model), net)
        for (agent, name), (tokens, cost) in by_project.items():
            project = self._label("project_tokens", agent, name)
            self.add(("project_tokens", agent, project), tokens)
            self.add(("project_cost", agent, project), cost)
        self._apply_counts(changes)

    def _label(self, family: str, agent: str, value: str) -> str:
        """Return the label of a value: itself, or "other" once a family has LABELS_MAX of them.

        A value that has a series keeps it, so that no series ever loses what another gains.
        """
        labels = self._labels.get((family, agent))
        if labels is None:
            known = (s[2] for s in self._totals if s[:2] == (family, agent))
            labels = self._labels[family, agent] = set(known)
        if value not in labels:
            if len(labels) >= LABELS_MAX:
                return OTHER
            labels.add(value or UNKNOWN)
        return value or UNKNOWN

    def _total_usage(self, agent: str, model: str, net: ModelUsage) -> None:
        self.add(("requests", agent, model), net.requests)
        for token_type in TOKEN_TYPES:
            if tokens := getattr(net.tokens, token_type):
                self.add(("tokens", agent, model, token_type), tokens)
            if cost := getattr(net.cost, token_type):
                self.add(("cost", agent, model, token_type, "estimated"), cost)
        if net.tokens.reasoning:
            self.add(("reasoning_tokens", agent, model), net.tokens.reasoning)
        if net.cost.reported:
            self.add(("cost", agent, model, "unsplit", "reported"), net.cost.reported)
        self.add(("unpriced_tokens", agent, model), net.cost.unpriced_tokens)

    def _apply_counts(self, changes: Changes) -> None:
        net: dict[Series, int] = {}
        for (session, kind, name), number in changes.counts.items():
            if not number:
                continue
            record = self._by_id[session]
            self._touch(record)
            if kind == "turns":
                record.turns += number
            elif kind == "compactions":
                record.compactions += number
            else:
                calls = record.tools if kind == "tool_calls" else record.tool_errors
                calls[name] = calls.get(name, 0) + number
                if not calls[name]:
                    del calls[name]
            label = (self._label(kind, record.agent, name),) if name else ()
            series: Series = (kind, record.agent, *label)
            net[series] = net.get(series, 0) + number
        for series, number in net.items():
            self.add(series, number)

    # --- committing -------------------------------------------------------------------------

    def commit(self) -> list[SessionRecord]:
        """End a refresh: make its changes durable, and return the sessions that it changed."""
        self._apply()
        changed = [self._by_id[session] for session in self._before]
        self.checkpoint()
        self._before.clear()
        return changed

    def checkpoint(self) -> None:
        """Make all that is known so far durable.

        What cannot be written stays in memory and is tried again next time; `warning` says why.
        """
        self._apply()
        for session, before in self._before.items():
            _keep_floor(self._by_id[session], before)
        self._unsaved.update(self._before)
        unsaved = any(
            (
                self._unsaved,
                self._dirty_totals,
                self._dirty_cursors,
                self._dirty_limits,
                self._dirty_facts,
            )
        )
        if not unsaved or self._store.flush(self._rows(), gone=self._gone()):
            self._unsaved.clear()
            self._dirty_totals.clear()
            self._dirty_cursors.clear()
            self._dirty_limits = False
            self._dirty_facts.clear()

    @property
    def wants_checkpoint(self) -> bool:
        """So much is waiting in memory that it should not wait for the end of the refresh."""
        return self._store.waiting_events() >= CHECKPOINT_EVENTS

    def _rows(self) -> dict[str, Iterable[Row]]:
        return {
            "sessions": ((id_, _encode(self._by_id[id_])) for id_ in self._unsaved),
            "totals": (
                (msgspec.json.encode(series).decode(), self._totals[series])
                for series in self._dirty_totals
            ),
            "cursors": (
                (path, agent, _encode(cursor))
                for agent, path in self._dirty_cursors
                if (cursor := self.cursors[agent].get(path)) is not None
            ),
            "facts": (
                ("rate_limits", _encode(list(self.rate_limits.values()))),
                *((name, self.facts[name]) for name in self._dirty_facts),
            ),
        }

    def _gone(self) -> list[str]:
        return [path for agent, path in self._dirty_cursors if path not in self.cursors[agent]]


def _keep_floor(record: SessionRecord, before: ModelUsage) -> None:
    """Remember what was published of a session, where another session took some of it."""
    now = record.usage
    if now.tokens.max(before.tokens) != now.tokens:
        record.floor_tokens = record.floor_tokens.max(before.tokens)
        record.floor_cost = record.floor_cost.max(before.cost)


def _as_event(entry: Entry) -> UsageEvent:
    return UsageEvent(
        key="",
        session_id="",
        time=entry.time,
        model=entry.model,
        tokens=entry.tokens,
        requests=entry.requests,
        provider=entry.provider,
        speed=entry.speed,
        reported_cost=entry.reported_cost,
    )


def _priced(merged: Entry, before: Entry, price: Price) -> Entry:
    """Price what is now known better; what has been charged is never lowered."""
    if _priced_by(merged) == _priced_by(before):
        cost = before.cost
    else:
        cost = price(_as_event(merged))
        if cost is not None and before.cost is not None:
            cost = cost.max(before.cost)
    return msgspec.structs.replace(merged, cost=cost or before.cost)


def _priced_by(entry: Entry) -> tuple[object, ...]:
    """Return all that a price depends on."""
    return (entry.tokens, entry.model, entry.speed, entry.time, entry.reported_cost)

"""Restores lost rows of a damaged ledger, and adds usage counted while the file was unusable.

The tables of sessions, totals and events contain the same usage. If one of these tables has lost
rows, its sums are calculated from another table. Totals never decrease.
"""

from collections import Counter
from collections.abc import Collection

from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.counting import apply, hourly_sums
from agtop_exporter.ledger.damage import COUNTING_AGAIN, encode_names
from agtop_exporter.ledger.merging import Merging, Price
from agtop_exporter.ledger.moves import has_less
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.state import RESTORING, LedgerState
from agtop_exporter.ledger.totals import OF_USERS, Spent, Totals
from agtop_exporter.model import ModelUsage, Series, SessionState, hour_of

OF_SESSIONS = frozenset({"sessions", "session_models", "session_tools"})
FROM_EVENTS = frozenset(
    {"requests", "tokens", "reasoning_tokens", "unpriced_tokens", "cost", "turns", "compactions"}
    | OF_USERS
    | {
        "billed",
        "tool_calls",
        "tool_call_errors",
        "project_tokens",
        "project_cost",
        "account_tokens",
        "account_cost",
        "sessions_started",
    }
)
"""The names of the totals that can be calculated from events and sessions."""


def check(state: LedgerState, incomplete: set[str]) -> None:
    """Restore sums and totals that are missing in the loaded state.

    `incomplete` has the names of the tables with lost rows.
    """
    if state.sessions.lost:
        incomplete = incomplete | {"sessions"}
    least, requests = _totals_of(state)
    if "hourly" not in incomplete and requests != state.store.requests_by_session():
        incomplete = incomplete | {"session_models"}
    if incomplete & OF_SESSIONS:
        _add_up_sessions(state)
        least, _ = _totals_of(state)
    if "totals" in incomplete or has_less(state.totals, least):
        state.totals.raise_to(least)
    for series, value in least.values.items():
        if series[0] == "billed":  # older versions of this program did not count billed amounts
            state.totals.add(series, value - state.totals.values.get(series, 0))
    state.totals.complete_accounts()
    complete_users(state)
    after_damage(state, incomplete)
    # lost facts of sessions are only in the transcripts, so all files are read again
    if "sessions" in incomplete:
        for agent, path in state.files():
            state.forget_cursor(agent, path)


def end_restoring(state: LedgerState, agents: Collection[str]) -> None:
    """End the restoration of lost usage, if no file is left to read again.

    `agents` are those whose files have been read completely. The sums of sessions and hours that
    lost rows are calculated from the events, which are complete now.
    """
    if state.to_restore or not (state.metadata.get(RESTORING) or state.counts_again):
        return
    apply(state)
    if state.metadata.get(RESTORING):
        _add_up_sessions(state)
        _fill_hours(state)
        state.remember(RESTORING, b"")
    if again := state.counts_again & set(agents):
        least, _ = _totals_of(state)
        state.totals.raise_to(least.of_agents(again))
        state.remember(COUNTING_AGAIN, encode_names(state.counts_again - again))
    state.totals.complete_accounts()
    complete_users(state)


def complete_users(state: LedgerState) -> None:
    """Add the usage that is counted for an agent, but for no user, to the totals of the users.

    The usage of a session belongs to the owner of its transcript. Usage of unknown sessions belongs
    to the user "".
    """
    if not state.users:
        return
    missing = state.totals.lacking("user")
    wanted: Counter[Series] = Counter()
    for record in state.sessions.values() if missing else ():
        owner, usage = state.users.owner_of(record.facts.data_path), record.usage
        wanted["user_tokens", record.agent, owner] += usage.tokens.total
        wanted["user_cost", record.agent, owner] += usage.cost.total
    for series, amount in wanted.items():
        place = series[0], series[1]
        known = int(state.totals.values.get(series, 0))
        missing[place] -= int(state.totals.add(series, min(amount - known, missing[place])))
    for (family, agent), amount in (+missing).items():
        state.totals.add((family, agent, ""), amount)


def after_damage(state: LedgerState, incomplete: set[str]) -> None:
    """Restore lost hourly sums, and mark all files to be read again if event keys were lost.

    `incomplete` has the names of the tables with lost rows.
    """
    if incomplete & {"events", "old_keys"}:
        state.restore_keys()
    if "hourly" in incomplete:
        _fill_hours(state)


def _fill_hours(state: LedgerState) -> None:
    """Complete the hourly sums of all sessions.

    If the hourly sums of a session lack usage, the missing usage is added to the hour of the last
    activity of the session.
    """
    apply(state)
    known: dict[tuple[int, str], list[int]] = {}
    for session, model, _, *sums in state.store.hours():
        before = known.setdefault((session, model), [0] * len(sums))
        known[session, model] = [a + b for a, b in zip(before, sums, strict=True)]
    for record in state.sessions.all():
        for model, usage in record.models.items():
            whole = hourly_sums(usage)
            have = known.get((record.id, model), [0] * len(whole))
            missing = [max(0, a - b) for a, b in zip(whole, have, strict=True)]
            if any(missing):
                hour = hour_of(record.facts.last_active or 0.0)
                state.store.new.add_hourly((record.id, model, hour), missing)


def _add_up_sessions(state: LedgerState) -> None:
    """Calculate the sums of each session and model from the stored events.

    If the events do not have more requests than the present sum, the present sum stays.
    """
    changes = Changes()
    for _, entry in state.store.all_entries():
        state.sessions.make_room(entry.session)
        changes.add(entry)
    models: dict[tuple[int, str], ModelUsage] = {}
    for (session, model, _), usage in changes.usage.items():
        models[session, model] = models.get((session, model), ModelUsage()) + usage
    for (session, model), usage in models.items():
        known = state.sessions.numbered(session).models.get(model, ModelUsage())
        if usage.requests > known.requests or known == ModelUsage():
            record = state.sessions.change(session)
            record.models[model] = usage.bounded()
            record.billed[model] = changes.billed[session, model]
            state.remember_bill(record)
    for (session, kind, name), number in changes.counts.items():
        _raise_count(state.sessions.change(session), kind, name, number)
    state.sessions.unsaved.update(state.sessions.numbers())


def _raise_count(record: SessionState, kind: str, name: str, number: int) -> None:
    if kind == "turns":
        record.turns = max(record.turns, number)
    elif kind == "compactions":
        record.compactions = max(record.compactions, number)
    elif number:
        calls = record.tools if kind == "tool_calls" else record.tool_errors
        calls[name] = max(calls.get(name, 0), number)


def _totals_of(state: LedgerState) -> tuple[Totals, dict[int, int]]:
    """Return (totals, requests by session number), calculated from the sums of the sessions.

    Each of these totals is a minimum for the stored total. Sessions without requests are left out.
    """
    requests: dict[int, int] = {}
    least = state.totals.empty_copy()
    counts: Counter[tuple[str, str, str]] = Counter()
    models: dict[tuple[str, str], ModelUsage] = {}
    billed: Counter[tuple[str, str]] = Counter()
    for record in state.sessions.values():
        usage = record.usage
        if usage.requests:
            requests[record.id] = usage.requests
        for model, used in record.models.items():
            key = record.agent, model
            models[key] = models.get(key, ModelUsage()) + used
            billed[key] += record.billed.get(model, 0)
        least.add_project(
            record.agent, record.project, tokens=usage.tokens.total, cost=usage.cost.total
        )
        spent = Spent(usage.tokens.total, usage.cost.total)
        least.add_owner("account", record.agent, record.facts.account, spent)
        counts["turns", record.agent, ""] += record.turns
        counts["compactions", record.agent, ""] += record.compactions
        counts["sessions_started", record.agent, ""] += not record.facts.parent_session_id
        for kind, calls in (("tool_calls", record.tools), ("tool_call_errors", record.tool_errors)):
            for name, number in calls.items():
                counts[kind, record.agent, name] += number
    for (agent, model), used in models.items():
        least.add_usage(agent, model, used)
        if agent not in state.covered and not state.totals.has_bill(agent, model):
            least.add_bill(agent, model, used.cost.total + billed[agent, model])
    for (kind, agent, name), number in (+counts).items():
        least.count(kind, agent, name, number)
    least.fold_like(state.totals)
    return least, requests


def join(stored: LedgerState, state: LedgerState) -> None:
    """Add to `stored` the usage that was counted in `state` while the file was unusable.

    `stored` is the content of the file. `state` is the ledger that was only in memory.
    """
    numbers: dict[int, int] = {}
    for record in state.sessions.all():
        numbers[record.id] = stored.sessions.find(record.agent, record.session_id)
        stored.sessions.update(record.agent, record.facts)
        known = stored.sessions.change(numbers[record.id])
        known.project = known.project or record.project
    entries = list(state.store.new.entries())
    merging = Merging(stored, [key for key, _ in entries])
    for key, entry in entries:
        merging.add(key, entry.moved_to(numbers[entry.session]), _price_of(entry))
    merging.finish()
    apply(stored)
    for series, value in state.totals.values.items():
        if series[0] not in FROM_EVENTS:
            stored.totals.add(series, value - state.loaded.get(series, 0))
    stored.totals.raise_to(state.totals)  # published values must not decrease
    stored.totals.complete_accounts()
    complete_users(stored)
    for agent, path in state.files():
        stored.set_cursor(agent, path, state.cursor(agent, path))
    for window, limit in state.rate_limits.items():
        known_limit = stored.rate_limits.get(window)
        if known_limit is None or known_limit.observed_at <= limit.observed_at:
            stored.rate_limits[window] = limit
    stored.changed_limits = True


def _price_of(entry: Entry) -> Price:
    return lambda _event: entry.cost

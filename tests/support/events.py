"""Events and batches for the tests of the ledger."""

from driving import price, project
from hypothesis import strategies as st

from agtop_exporter.model import Batch, Cursor, SessionUpdate, TokenCounts, UsageEvent

NOON = 1_772_445_600.0  # 2026-03-02 10:00:00 UTC
AGENT = "claude"


def response(key, session="s1", *, input=10, output=5, **given):  # noqa: A002 - the token type
    return UsageEvent(
        key=key,
        session_id=session,
        time=given.pop("time", NOON),
        model=given.pop("model", "model-1"),
        tokens=TokenCounts(input=input, output=output),
        requests=given.pop("requests", 1),
        **given,
    )


def batch(*events, path="/t.jsonl", offset=0, **given):
    ids = dict.fromkeys(event.session_id for event in events)
    return Batch(
        agent=given.pop("agent", AGENT),
        path=path,
        cursor=Cursor(offset=offset),
        events=events,
        sessions=given.pop(
            "sessions", tuple(SessionUpdate(session_id=id_, cwd="/home/ada/engine") for id_ in ids)
        ),
        **given,
    )


def record(ledger, *events, price=price, **given):
    """Record events as one batch, and commit."""
    ledger.record(batch(*events, **given), price=price, project=project)
    return ledger.commit()


counts = st.integers(0, 1_000)
calls = st.lists(
    st.tuples(st.sampled_from("abc"), st.just("Bash")), unique_by=lambda call: call[0], max_size=3
).map(tuple)
growing = st.builds(  # the prompts of any two of these do not contradict each other
    lambda prompt, output, reasoning: TokenCounts(
        prompt, 2 * prompt, prompt // 2, prompt // 3, output, reasoning
    ),
    counts,
    counts,
    counts,
)
contradicting = st.builds(TokenCounts, counts, counts, counts, counts, counts, counts)
sightings = st.builds(
    UsageEvent,
    key=st.sampled_from([f"k{number}" for number in range(6)]),
    session_id=st.sampled_from(["s1", "s2", "s3"]),
    time=st.sampled_from([NOON, NOON + 10, NOON + 4_000]),
    model=st.just("model-1"),
    tokens=growing,
    requests=st.just(1),
    tools=calls,
    copied=st.booleans(),
)

"""`Sessions`: all sessions of the ledger in memory, and which of them have changed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from sys import intern

import msgspec

from agtop_exporter.ledger.records import merge_facts
from agtop_exporter.model import SessionState, SessionUpdate

Key = tuple[str, str]  # agent, session id

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SessionState).decode


class Sessions(Mapping[Key, SessionState]):
    """All sessions of the ledger, by (agent, session id) and by number.

    Recently changed sessions are objects. Every other session is packed, which means encoded as one
    `bytes` value. A packed session takes a fifth of the memory. Reading a packed session returns a
    copy. To change a session, the caller must get the session from `change`.

    `unsaved` has the numbers of sessions whose changes are not on disk yet. `lost` has the numbers
    of sessions whose agent and session id were lost in a damaged file. When a transcript contains
    events of a lost session, these events move to the session of the transcript.
    """

    def __init__(self) -> None:
        self._numbers: dict[Key, int] = {}
        self.count_by_agent: Counter[str] = Counter()
        self._packed: list[bytes] = []  # by number; empty for a session that is an object
        self._objects: dict[int, SessionState] = {}
        # packed states before the first change; empty for a new session
        self._before: dict[int, bytes] = {}
        self._in_use: set[int] = set()  # changed since the last call of `pack`
        self.created: list[SessionState] = []  # new sessions; the caller clears the list
        self.unsaved: set[int] = set()
        self.lost: set[int] = set()

    # --- reading --------------------------------------------------------------------------------

    def __getitem__(self, key: Key) -> SessionState:
        """Return a session, which the caller must not change. Raises KeyError."""
        return self.numbered(self._numbers[key])

    def __contains__(self, key: object) -> bool:
        return key in self._numbers

    def __iter__(self) -> Iterator[Key]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def numbered(self, number: int) -> SessionState:
        """Return the session with a number. The caller must not change the session.

        The result can be a session whose agent and session id were lost in a damaged file.
        """
        return self._objects.get(number) or _decode(self._packed[number])

    def numbers(self) -> range:
        """Return the numbers of all sessions, including lost sessions."""
        return range(len(self._packed))

    def all(self) -> Iterator[SessionState]:
        """Return all sessions in the order of their numbers in the ledger.

        The result includes lost sessions, whose names a damaged ledger no longer holds. The caller
        must not change the sessions.
        """
        return map(self.numbered, self.numbers())

    # --- changing -------------------------------------------------------------------------------

    def load(self, found: Iterable[SessionState]) -> None:
        """Add stored sessions in the order of their numbers.

        The number of a session without an agent is added to `lost`.
        """
        for record in found:
            if record.agent:
                self._add(record)
            else:
                self.lost.add(record.id)
            self._packed.append(_encode(record))

    def make_room(self, number: int) -> None:
        """Add lost sessions up to a number, whose rows a damaged file has lost."""
        while len(self._packed) <= number:
            lost = len(self._packed)
            self.load([SessionState(lost, "", str(lost), SessionUpdate(""))])

    def find(self, agent: str, session_id: str) -> int:
        """Return the number of a session. Create the session if it does not exist."""
        number = self._numbers.get((agent, session_id))
        if number is None:
            number = len(self._packed)
            record = SessionState(number, agent, session_id, SessionUpdate(session_id=session_id))
            self._add(record)
            self._packed.append(b"")
            self._objects[number] = record
            self._before[number] = b""
            self._note(number)
            self.created.append(record)
        return number

    def _add(self, record: SessionState) -> None:
        self._numbers[intern(record.agent), record.session_id] = record.id
        self.count_by_agent[record.agent] += 1

    def change(self, number: int) -> SessionState:
        """Return a session that the caller may change.

        The state of the session before its first change is stored for `take_changed`.
        """
        record = self._objects.get(number)
        if record is None:
            packed, self._packed[number] = self._packed[number], b""
            record = self._objects[number] = _decode(packed)
            self._before.setdefault(number, packed)
        elif number not in self._before:
            self._before[number] = _encode(record)
        self._note(number)
        return record

    def _note(self, number: int) -> None:
        self.unsaved.add(number)
        self._in_use.add(number)

    def update(self, agent: str, update: SessionUpdate) -> SessionState | None:
        """Merge the facts from a transcript into their session.

        Return the session if the merge changed its facts, else None.
        """
        number = self.find(agent, update.session_id)
        if update.parent_session_id:
            self.find(agent, update.parent_session_id)  # a parent can have no records of its own
        known = self.numbered(number).facts
        facts = merge_facts(known, update)
        if facts == known:
            return None
        record = self.change(number)
        record.facts = facts
        return record

    def forget_titles(self, agent: str, paths: set[str]) -> bool:
        """Delete the titles of sessions whose transcripts are in `paths`.

        Return whether any title was deleted.
        """
        if not paths:
            return False
        of_agent = (self[key] for key in self if key[0] == agent)
        found = [each for each in of_agent if each.facts.title and each.facts.data_path in paths]
        for record in found:
            self.change(record.id).facts = record.without_title().facts
        return bool(found)

    def keep_floors(self) -> None:
        """Store the earlier usage of each changed session whose tokens or cost decreased.

        The earlier usage is a minimum for the published counters, which must not decrease.
        """
        published = {number: packed for number, packed in self._before.items() if packed}
        for number, packed in published.items():
            before = _decode(packed).usage.bounded()
            now = self.numbered(number).usage
            fell = now.tokens.max(before.tokens) != now.tokens
            if fell or now.cost.total < before.cost.total:
                record = self.change(number)
                record.floor_tokens = record.floor_tokens.max(before.tokens)
                record.floor_cost = record.floor_cost.max(before.cost)

    def take_changed(self) -> dict[Key, bytes]:
        """Return the sessions that changed since the last call of `take_changed`.

        The keys are (agent, session id). The value is the state of the session before the change,
        encoded as bytes; the function `unpacked` decodes it. The value for a new session is b"".
        """
        changed, self._before = self._before, {}
        names = ((self.numbered(number), packed) for number, packed in changed.items())
        return {(r.agent, r.session_id): packed for r, packed in names if r.id not in self.lost}

    def pack(self, keep: Iterable[Key] = ()) -> None:
        """Encode all sessions in memory as bytes to save memory.

        Sessions in `keep`, and sessions that changed since the last call of `pack`, stay decoded.
        """
        kept = self._in_use.union(self._numbers[key] for key in keep if key in self._numbers)
        for number in self._objects.keys() - kept:
            self._packed[number] = _encode(self._objects.pop(number))
        self._in_use.clear()

    def replace_by(self, other: "Sessions") -> None:
        """Replace all sessions with the sessions of `other`. Mark all of them as changed."""
        self.__dict__.update(other.__dict__)
        for record in self.all():
            self._before.setdefault(record.id, _encode(record))
        self.unsaved.update(self.numbers())


def unpacked(packed: bytes) -> SessionState:
    """Decode a session state that `take_changed` returned."""
    return _decode(packed)

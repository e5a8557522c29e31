"""Creates the session updates of a batch from OpenCode's records."""

import re
from collections.abc import Mapping, Sequence

from agtop_exporter.agents.opencode.events import Context, provider_of
from agtop_exporter.agents.opencode.records import Message
from agtop_exporter.agents.opencode.usage import Request, token_counts
from agtop_exporter.model import SessionUpdate
from agtop_exporter.reading.batch import BatchBuilder

TITLE_RANK = 3
DEFAULT_TITLE = re.compile(r"^(New|Child) session - ")  # until a model has generated a better title


class Sessions:
    """Creates the session updates of a batch.

    `accounts` names the account that pays for each provider.
    """

    def __init__(self, batch: BatchBuilder, accounts: Mapping[str, str]) -> None:
        self._batch = batch
        self._accounts = accounts
        self._newest: dict[str, float] = {}  # time of the latest response with a model, by session

    def session(self, session_id: str) -> SessionUpdate:
        """Return the update of a session in the batch. Add an empty update if there is none."""
        return self._batch.session(session_id)

    def add_answer(self, message: Message, context: Context, requests: Sequence[Request]) -> None:
        """Set the model, subscription and used context of a session from its latest response.

        `message` is a response. If it is older than another response of the session, only the peak
        of the used context is updated. `requests` are the requests of the response. The last
        request shows the used context. The response may be copied from another session.
        """
        session, created = self.session(context.session_id), message.created
        used = token_counts(requests[-1].tokens, context).total if requests else 0
        if used:
            session.context_peak_tokens = max(used, session.context_peak_tokens or 0)
        if created < self._newest.get(context.session_id, 0.0):
            return
        self._newest[context.session_id] = created
        session.model = message.model_name or session.model
        account = self._accounts.get(provider_of(message), "")
        session.subscription = account or session.subscription
        session.set_context_used(used)

    def describe(
        self,
        context: Context,
        *,
        directory: str,
        title: str,
        created: float | None,
        updated: float | None,
    ) -> None:
        """Update a session from its record.

        `created` and `updated` are in unix seconds.
        """
        session = self.session(context.session_id)
        session.parent_session_id = context.parent_id
        if not session.work_in(directory):
            self._batch.error("schema", 0)
        session.agent_version = context.version
        if not DEFAULT_TITLE.match(title):
            session.set_title(title, TITLE_RANK)
        for time in (created, updated):
            if time is not None:
                session.observe_time(time)

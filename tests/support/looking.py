"""Refreshes homes with the real pipeline, at a time and with processes that a test sets."""

import json
from datetime import datetime
from pathlib import Path

from logged import logged_to

from agtop_exporter.agents import load_agents
from agtop_exporter.folders import Folders
from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import collect
from agtop_exporter.model import NO_USERS
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import PriceBook
from agtop_exporter.render import json as json_page
from agtop_exporter.settings import Settings

EVERY_AGENT = load_agents()
EVENING = datetime.fromisoformat("2026-03-02T20:00:00Z").timestamp()


class Look:
    """Some agents' files in a home, which are refreshed repeatedly."""

    def __init__(  # noqa: PLR0913 - the parts that a test may replace
        self,
        *homes,
        agents=EVERY_AGENT,
        environment=None,
        prices=None,
        ledger=None,
        state=None,
        processes=None,
        folders=None,
        guard=None,
        keep_closed=True,
        limit_folders=(),
        users=NO_USERS,
        **settings,
    ):
        self.told = []  # logged messages
        self.pipeline = self._pipeline = Pipeline(
            Settings(**settings),
            agents=agents,
            homes=[Path(home) for home in homes],
            environment=environment or {},
            ledger=ledger or Ledger(state),
            prices=PriceBook(overrides=prices),
            processes=processes,
            folders=folders or Folders(environment or {}, in_child=False),
            guard=guard,
            keep_closed=keep_closed,
            limit_folders=limit_folders,
            users=users,
        )

    def close(self):
        """Close the ledger, so that another process can open it."""
        self.pipeline.close()
        self.pipeline.ledger.close()

    def at(self, now=EVENING):
        """Refresh; return the snapshot."""
        with logged_to(self.told):
            return self._pipeline.refresh(now)

    def document(self, now=EVENING):
        """Return the document of `agtop json`."""
        return json.loads(json_page.render(self.at(now)))

    def sessions(self, now=EVENING):
        """Return the sessions of the document by id."""
        return {session["session_id"]: session for session in self.document(now)["sessions"]}

    def samples(self, now=EVENING):
        """Return the samples of /metrics: {(name, *label values): value}."""
        return {
            (family.metric.name, *labels): value
            for family in collect(self.at(now))
            for labels, value in family.samples
        }

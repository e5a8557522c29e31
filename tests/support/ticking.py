"""A daemon without a server, whose refreshes a test runs."""

import gc

from faults import QUOTED
from looking import EVENING, Look
from running import samples_of

from agtop_exporter.agents import claude
from agtop_exporter.daemon import Daemon
from agtop_exporter.server import Endpoint
from agtop_exporter.settings import Settings


class Refresher:
    """A price refresher that does nothing."""


class Outlet:
    """An outlet that stores the published snapshots, and raises an exception when it is broken."""

    def __init__(self):
        self.offered, self.broken = [], False

    def publish(self, snapshot):
        """Store a snapshot."""
        if self.broken:
            raise KeyError(QUOTED)
        self.offered.append(snapshot)

    def save_state(self, ledger):
        """Do nothing."""


class Ticking:
    """A daemon without a server. The test runs its refreshes."""

    def __init__(self, home):
        self.now = EVENING
        look = Look(home, agents=(claude.AGENT,))
        self.outlets = [Outlet(), Outlet()]
        self._endpoint = Endpoint(Settings(listen_address=["127.0.0.1:0"]))
        self._daemon = Daemon(
            Settings(),
            endpoint=self._endpoint,
            pipeline=look.pipeline,
            refresher=Refresher(),
            reload=Settings,
            clock=lambda: self.now,
            configure_logging=lambda _settings: None,
            outlets=self.outlets,
        )

    def tick(self):
        """Refresh; return the samples of the page, and the reason why it may be out of date."""
        self.now += 5
        self._daemon._tick()  # noqa: SLF001 - what `run` repeats
        samples = samples_of(self._daemon._publisher.pages.latest.text.decode())  # noqa: SLF001
        return samples, self._daemon._health.trouble(5)  # noqa: SLF001

    def close(self):
        """Close the sockets of the daemon."""
        self._daemon._wakeups.close()  # noqa: SLF001
        self._endpoint.close()
        gc.enable()
        gc.unfreeze()

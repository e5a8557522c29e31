"""The exporter's own counters are in the catalogue, and reach the ledger once, from any thread."""

import threading
from typing import get_args

from agtop_exporter.ledger import Ledger
from agtop_exporter.telemetry import COUNTERS, Name, Telemetry


def test_increments_are_flushed_once():
    telemetry, ledger = Telemetry(), Ledger()
    for _ in range(3):
        telemetry.count("refresh_errors", "scan")
        telemetry.flush(ledger.add)
        telemetry.flush(ledger.add)
    assert ledger.totals["refresh_errors", "scan"] == 3
    assert telemetry.value("refresh_errors", "scan") == 3
    assert telemetry.value("refresh_errors", "match") == 0


def test_totals_of_earlier_processes_go_on():
    ledger = Ledger()
    ledger.add(("otlp_exports",), 40)
    telemetry = Telemetry()
    telemetry.count("otlp_exports")
    telemetry.flush(ledger.add)
    assert ledger.totals["otlp_exports",] == 41
    assert isinstance(ledger.totals["otlp_exports",], int)  # a float would be shown as 41.0


def test_only_declared_counters_are_published_at_zero():
    telemetry, ledger = Telemetry(), Ledger()
    telemetry.declare("otlp_exports")
    telemetry.flush(ledger.add)
    assert ledger.totals == {("otlp_exports",): 0}


def test_threads_lose_no_increment_and_create_each_counter_once():
    telemetry, ledger = Telemetry(), Ledger()
    start = threading.Barrier(8)

    def work():
        start.wait()
        for _ in range(200):
            telemetry.count("pricing_refresh_errors")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        telemetry.flush(ledger.add)
    telemetry.flush(ledger.add)
    assert ledger.totals["pricing_refresh_errors",] == 1600


def test_every_name_has_a_counter():
    assert set(get_args(Name)) == set(COUNTERS)

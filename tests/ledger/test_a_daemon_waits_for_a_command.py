"""A daemon that starts while a command writes the ledger waits for its end."""

import pytest

from agtop_exporter.ledger import Ledger, is_locked, lock
from agtop_exporter.model import AgtopError


@pytest.mark.slow
def test_a_daemon_waits_for_a_command(tmp_path, monkeypatch):
    steps = []
    command = Ledger(tmp_path, brief=True)

    def pause(seconds):
        steps.append(seconds)
        if len(steps) == 3:
            command.close()

    monkeypatch.setattr(lock, "sleep", pause)
    daemon = Ledger(tmp_path)
    assert len(steps) == 3
    assert daemon.durable
    daemon.close()


@pytest.mark.slow
def test_a_daemon_does_not_wait_for_ever(tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr(lock, "sleep", steps.append)
    command = Ledger(tmp_path, brief=True)
    with pytest.raises(AgtopError, match="another agtop-exporter already writes"):
        Ledger(tmp_path)
    assert sum(steps) == pytest.approx(60)
    command.close()


@pytest.mark.slow
def test_a_daemon_does_not_wait_for_a_daemon(tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr(lock, "sleep", steps.append)
    daemon = Ledger(tmp_path)
    with pytest.raises(AgtopError, match="another agtop-exporter already writes"):
        Ledger(tmp_path)
    assert len(steps) == 1
    daemon.close()


@pytest.mark.slow
def test_a_command_waits_for_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "sleep", lambda _: pytest.fail("it waits"))
    assert not is_locked(tmp_path)
    daemon = Ledger(tmp_path)
    assert is_locked(tmp_path)
    command = Ledger(tmp_path, brief=True)
    assert (command.durable, command.warning) == (None, "")
    command.close()
    daemon.close()
    assert not is_locked(tmp_path)

"""The daemon starts anywhere, stops at once, reloads, and rejects a second daemon."""

import json
import os
import signal
import stat

import pytest
from running import PATIENCE_SECONDS, daemon, once, run, total
from small_homes import TOKENS_OF_A_TURN, claude_answer, claude_file, claude_turns

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_r05_no_agent_installed_is_a_page(tmp_path):
    with daemon(tmp_path, "--no-state") as running:
        running.until_ready()
        samples = running.samples()
        assert samples["agtop_agent_enabled", (("agent", "claude"),)] == 0
        assert samples["agtop_agent_enabled", (("agent", "codex"),)] == 0
        assert running.get("/-/healthy")[0] == 200
        assert running.get("/")[0] == 200
        assert running.get("/nowhere")[0] == 404


@pytest.mark.long
def test_it_does_not_wait_for_its_next_scan_before_it_stops(tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT):
        with daemon(tmp_path, "--no-state", interval=10 * PATIENCE_SECONDS) as running:
            running.until_ready()
            code, _ = running.end(number)
            assert code == 0


@pytest.mark.long
def test_it_does_not_finish_a_long_first_scan_before_it_stops(tmp_path):
    """CPU time is measured, because wall time depends on the load of the machine."""
    turns = claude_turns(1, range(4000)).encode()
    for number in range(1, 61):
        claude_file(tmp_path, number).write_bytes(turns.replace(b"-1-", b"-%d-" % number))
    with daemon(tmp_path, "--state-dir", tmp_path / "state", is_script=True) as running:
        assert running.get("/-/ready")[0] == 503
        code, cpu_seconds = running.end()
        assert code == 0
        assert cpu_seconds < 1


@pytest.mark.long
def test_a_second_daemon_is_refused(tmp_path):
    """It says in one line which process writes the ledger, and the first daemon serves on."""
    state = tmp_path / "state"
    claude_file(tmp_path).write_text(claude_turns(1, range(5)))
    with daemon(tmp_path, "--state-dir", state) as first:
        first.until(lambda samples: total(samples, "agtop_tokens_total") == 5 * TOKENS_OF_A_TURN)
        arguments = ("--state-dir", state, "--listen-address", "127.0.0.1:0")
        done = run("agtop-exporter", *arguments, home=tmp_path, check=False)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        holder = f"(process {first.process.pid})"
        assert f"another agtop-exporter already writes to {state} {holder}" in line
        claude_file(tmp_path).write_text(claude_turns(1, range(7)))
        first.until(lambda samples: total(samples, "agtop_tokens_total") == 7 * TOKENS_OF_A_TURN)


@pytest.mark.slow
def test_a_port_in_use_is_reported(tmp_path):
    with daemon(tmp_path, "--no-state") as running:
        address = f"127.0.0.1:{running.port}"
        done = run(
            "agtop-exporter", "--no-state", "--listen-address", address, home=tmp_path, check=False
        )
        assert done.returncode == 1
        assert f"{address} is in use" in done.stderr


@pytest.mark.long
def test_settings_are_reloaded(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('plan = "retail"\n')
    claude_file(tmp_path).write_text(claude_turns(1, range(2)))
    reloaded = ("agtop_config_last_reload_successful", ())
    with daemon(tmp_path, "--no-state", "--config", config) as running:
        running.until_ready()
        config.write_text('plan = "gold"\n')
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda samples: samples[reloaded] == 0)
        config.write_text('agent = ["codex"]\n')
        running.process.send_signal(signal.SIGHUP)
        samples = running.until(lambda samples: samples[reloaded] == 1)
        assert ("agtop_agent_enabled", (("agent", "claude"),)) not in samples


@pytest.mark.long
def test_a_new_price_applies_at_a_reload_and_at_a_start(tmp_path):
    """The ledger keeps the usage that has no price yet."""
    config, state = tmp_path / "config.toml", tmp_path / "state"
    config.touch()
    claude_file(tmp_path).write_text(claude_answer(1, 0, model="ours"))
    claude_file(tmp_path, 2).write_text(claude_answer(2, 0, model="theirs"))
    arguments = ("--config", config, "--state-dir", state)

    def is_priced(model, samples):
        return total(samples, "agtop_cost_usd_total", model=model) > 0

    with daemon(tmp_path, *arguments) as running:
        running.until(lambda samples: total(samples, "agtop_unpriced_tokens_total") == 400)
        config.write_text("[prices.ours]\ninput = 1\noutput = 1\n")
        running.process.send_signal(signal.SIGHUP)
        samples = running.until(lambda samples: is_priced("ours", samples))
        assert not is_priced("theirs", samples)
        running.end()
    config.write_text("[prices.theirs]\ninput = 1\noutput = 1\n")
    with daemon(tmp_path, *arguments) as running:
        running.until(lambda samples: is_priced("ours", samples) and is_priced("theirs", samples))


@pytest.mark.slow
def test_a_damaged_ledger_is_reported(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "ledger.db").write_bytes(b"no database at all")
    with daemon(tmp_path, "--state-dir", state) as running:
        running.until_ready()
        running.end()
    (line,) = [line for line in running.log if "was damaged" in line]
    assert f"the damaged file is {state}/ledger.db.damaged-1" in line


@pytest.mark.long
def test_the_log_is_json_throughout(tmp_path):
    """This includes messages of other threads, here of a failed download."""
    claude_file(tmp_path).write_text(claude_answer(1, 0, model="ours"))
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    with daemon(tmp_path, "--log-format", "json", offline=False, **nowhere) as running:
        running.until(lambda samples: total(samples, "agtop_pricing_refresh_errors_total") > 0)
        running.end()
    logged = [json.loads(line) for line in running.log]
    assert any("price refresh failed" in entry["msg"] for entry in logged)
    assert all({"timestamp", "level", "msg"} <= set(entry) for entry in logged)


@pytest.mark.long
def test_the_ledger_is_private_whether_a_daemon_or_a_command_writes_it(tmp_path):
    state = tmp_path / "state"
    claude_file(tmp_path).write_text(claude_turns(1, range(5)))
    with daemon(tmp_path, "--state-dir", state) as running:
        running.until(lambda samples: total(samples, "agtop_tokens_total") == 1000)
        running.end()
    claude_file(tmp_path, 2).write_text(claude_turns(2, range(5)))
    assert once(tmp_path, "--state-dir", state)["totals"]["tokens"]["total"] == 2000
    modes = {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


@pytest.mark.long
def test_an_unwritable_state_directory_is_reported_and_survived(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(5)))
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    with daemon(tmp_path, "--state-dir", blocked / "state") as running:
        running.until(lambda samples: total(samples, "agtop_tokens_total") == 1000)
        assert "keeping the ledger in memory" in "".join(running.log)


@pytest.mark.slow
def test_an_unreadable_transcript_hurts_no_other(tmp_path):
    claude_file(tmp_path, 1).write_text(claude_turns(1, range(5)))
    claude_file(tmp_path, 2).write_text(claude_turns(2, range(5)))
    os.mkfifo(claude_file(tmp_path, 3))
    claude_file(tmp_path, 4).mkdir()
    claude_file(tmp_path, 5).symlink_to(claude_file(tmp_path, 2))
    assert once(tmp_path)["totals"]["tokens"]["total"] == 2000

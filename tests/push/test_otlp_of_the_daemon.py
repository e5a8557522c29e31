"""The daemon pushes the values of its pages, survives every receiver, and stops in time."""

import socket
import subprocess
import sys

import pytest
from otlp_names import as_page
from otlp_receiver import GrpcReceiver, metrics, points, receiver, resource_of, value_of
from running import PATIENCE_SECONDS, daemon, environment, total
from small_homes import TOKENS_OF_A_TURN, claude_answer, claude_file, claude_turns

pytestmark = pytest.mark.integration

TOKENS = "agtop.tokens"
SECRET = "aaaSECRETaaa"  # noqa: S105 - invented


@pytest.fixture
def home(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(10)))
    return tmp_path


def pushing(home, endpoint, *arguments, **more):
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "500",
        **more,
    }
    return daemon(home, "--otlp", *arguments, **variables)


def undelivered(running):
    """Return the reasons in the warnings that the last push was not delivered."""
    found = [line for line in running.log if "last otlp push not delivered" in line]
    return [line.partition("reason=")[2].strip() for line in found]


def tokens_are(turns):
    return lambda running: any(
        value_of(request, TOKENS) == turns * TOKENS_OF_A_TURN for request in running.accepted
    )


@pytest.mark.slow
def test_it_pushes_what_the_page_shows(home):
    """After one refresh, a request has exactly the agtop series of the page."""
    with (
        receiver() as backend,
        daemon(
            home,
            *("--otlp", "--no-state"),
            interval=600,
            AGTOP_SESSION_LINGER="1e9",
            OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint,
        ) as running,
    ):
        backend.until(tokens_are(10))
        page = running.samples()
    assert as_page(backend.accepted[0]) == {
        key: value for key, value in page.items() if key[0].startswith("agtop_")
    }
    assert {name for name, _ in page} >= {"agtop_tokens_total", "agtop_session_info"}


@pytest.mark.long
def test_a_new_model_is_pushed_at_zero_first(home):
    with receiver() as backend, pushing(home, backend.endpoint, "--no-state"):
        backend.until(tokens_are(10))
        claude_file(home, 2).write_text(claude_answer(2, 0, model="claude-opus-4-5"))
        backend.until(tokens_are(11))
        seen = [value_of(request, TOKENS, model="claude-opus-4-5") for request in backend.accepted]
        values = [value for value in seen if value is not None]
        assert values[0] == 0
        assert values[-1] == TOKENS_OF_A_TURN


@pytest.mark.long
def test_it_is_the_same_instance_and_start_after_a_restart(home):
    with receiver() as backend:
        for _ in range(2):
            count = len(backend.accepted)
            with pushing(home, backend.endpoint, "--state-dir", home / "state"):
                backend.until(lambda backend, count=count: len(backend.accepted) > count)
        first, last = backend.accepted[0], backend.accepted[-1]
        assert resource_of(first) == resource_of(last)
        starts = {
            point.start_time_unix_nano
            for request in (first, last)
            for point in points(metrics(request)[TOKENS])
        }
        assert len(starts) == 1


@pytest.mark.long
def test_new_values_are_pushed_at_the_end(home):
    long = {"OTEL_METRIC_EXPORT_INTERVAL": "3600000"}
    with receiver() as backend, pushing(home, backend.endpoint, "--no-state", **long) as running:
        backend.until(tokens_are(10))
        with claude_file(home).open("a") as file:
            file.write(claude_turns(1, range(10, 15)))
        running.until(lambda samples: total(samples, "agtop_tokens_total") == 15 * TOKENS_OF_A_TURN)
        code, seconds = running.end()
        assert (code, seconds < 5) == (0, True)
        assert len(backend.accepted) == 2
        assert value_of(backend.accepted[-1], TOKENS) == 15 * TOKENS_OF_A_TURN


@pytest.mark.long
def test_grpc_is_pushed_and_ends_as_well(home):
    more = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_METRIC_EXPORT_INTERVAL": "3600000"}
    with GrpcReceiver() as backend:
        endpoint = f"http://127.0.0.1:{backend.port}"
        with pushing(home, endpoint, "--no-state", **more) as running:
            backend.until(tokens_are(10))
            code, seconds = running.end()
            running._reader.join()  # noqa: SLF001 - to its end
            assert (code, seconds < 5) == (0, True)
            assert all("level=" in line for line in running.log), running.log
        assert len(backend.accepted) >= 1


@pytest.mark.long
def test_a_receiver_that_hangs_delays_neither_pages_nor_the_end(home):
    with receiver() as backend:
        backend.answers.extend([(None, {})] * 10)
        slow = {"OTEL_EXPORTER_OTLP_TIMEOUT": "60000"}
        with pushing(home, backend.endpoint, "--no-state", **slow) as running:
            backend.until(lambda backend: backend.requests)
            running.until(
                lambda samples: total(samples, "agtop_tokens_total") == 10 * TOKENS_OF_A_TURN
            )
            code, seconds = running.end()
            running._reader.join()  # noqa: SLF001 - to its end
            assert (code, seconds < 5) == (0, True)
            assert undelivered(running) == ['"no answer within 3 seconds"']


@pytest.mark.long
def test_a_receiver_that_comes_back_gets_all(home):
    with receiver() as backend:
        backend.answers.extend([(500, {})] * 3)
        with pushing(home, backend.endpoint, "--no-state") as running:
            backend.until(tokens_are(10))
            samples = running.until(
                lambda samples: total(samples, "agtop_otlp_export_errors_total") == 3
            )
            assert total(samples, "agtop_otlp_exports_total") >= 3
            running.end()
            log = "".join(running.log)
            assert log.count('reason="HTTP 500"') == 1
            assert log.count("otlp push works again") == 1
            assert undelivered(running) == []


@pytest.mark.long
def test_an_unreachable_receiver_is_logged_once(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    header = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {SECRET}"}
    endpoint = f"http://user:{SECRET}@127.0.0.1:{port}"
    with pushing(home, endpoint, "--no-state", **header) as running:
        running.until(lambda samples: total(samples, "agtop_otlp_export_errors_total") >= 2)
        code, seconds = running.end()
        running._reader.join()  # noqa: SLF001 - to its end
        log = "".join(running.log)
        assert (code, seconds < 5) == (0, True)
        assert log.count('msg="otlp push" reason=ConnectionError') == 1
        assert undelivered(running) == ["ConnectionError"]
        assert SECRET not in log
        assert "Traceback" not in log


@pytest.mark.long
def test_deltas_go_on_after_a_restart(home):
    delta = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}
    state = ("--state-dir", home / "state")
    with receiver() as backend:
        with pushing(home, backend.endpoint, *state, **delta) as running:
            backend.until(lambda backend: len(backend.accepted) >= 2)
            running.end()
        with claude_file(home).open("a") as file:
            file.write(claude_turns(1, range(10, 13)))  # while the daemon is stopped
        with pushing(home, backend.endpoint, *state, **delta):
            added = 3 * TOKENS_OF_A_TURN
            backend.until(
                lambda backend: sum(value_of(r, TOKENS) or 0 for r in backend.accepted) == added
            )


@pytest.mark.long
def test_variables_alone_push_nothing(home):
    """OTEL_* variables may be set for an agent only."""
    variables = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "100"}
    with receiver() as backend:
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = backend.endpoint
        with daemon(home, "--no-state", **variables) as running:
            samples = running.until(
                lambda samples: total(samples, "agtop_tokens_total") == 10 * TOKENS_OF_A_TURN
            )
            running.end()
        assert backend.requests == []
        assert not [name for name, _ in samples if "otlp" in name]


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["AGTOP_OTLP", "config"])
def test_it_can_be_switched_on_otherwise(home, variable):
    config = home / "config.toml"
    config.write_text("otlp = true\notlp_genai = true\n" if variable == "config" else "")
    more = {"AGTOP_OTLP": "1", "AGTOP_OTLP_GENAI": "1"} if variable == "AGTOP_OTLP" else {}
    with receiver() as backend:
        more["OTEL_EXPORTER_OTLP_ENDPOINT"] = backend.endpoint
        with daemon(home, "--no-state", "--config", config, **more):
            backend.until(tokens_are(10))
            assert "gen_ai.client.token.usage" in metrics(backend.accepted[0])


@pytest.mark.long
def test_a_variable_that_disables_the_push_is_logged(home):
    off = {"OTEL_SDK_DISABLED": "true"}
    with receiver() as backend:
        with pushing(home, backend.endpoint, "--no-state", **off) as running:
            running.until_ready()
            running.end()
        assert backend.requests == []
        assert "OTEL_SDK_DISABLED" in "".join(running.log)


@pytest.mark.long
@pytest.mark.parametrize("module", ["cli", "daemon", "outlets", "server", "textfile"])
def test_nothing_of_opentelemetry_is_loaded_unless_it_is_used(module, tmp_path):
    heavy = "{'opentelemetry', 'grpc', 'google', 'requests'}"
    code = f"import sys, agtop_exporter.{module}; print(*(set(sys.modules) & {heavy}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert done.stdout.split() == []

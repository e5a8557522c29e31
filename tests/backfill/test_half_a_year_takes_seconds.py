"""A backfill of 180 days takes at most 10 seconds."""

import shutil
import time
from contextlib import closing

import pytest
from driving import price, project
from events import batch, response
from running import run

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import SessionUpdate

DAYS, SESSIONS, RESPONSES = 180, 6, 30  # of each session, one each 10 minutes
CPU_SECONDS = 10


@pytest.mark.long
@pytest.mark.integration
def test_half_a_year_of_three_models_and_projects(tmp_path):
    import resource  # noqa: PLC0415 - Unix has it only

    end = time.time() - 86_400
    with closing(Ledger(tmp_path / "state")) as ledger:
        for day in range(DAYS):
            for session in range(SESSIONS):
                name = f"s{day}-{session}"
                begin = end - (DAYS - day) * 86_400 + session * 10_000
                events = [
                    response(
                        f"{name}-{n}",
                        name,
                        time=begin + n * 600,
                        model=f"model-{(day + session) % 3}",
                    )
                    for n in range(RESPONSES)
                ]
                update = SessionUpdate(session_id=name, cwd=f"/src/project-{day % 3}")
                ledger.record(batch(*events, sessions=(update,)), price=price, project=project)
        ledger.commit()
    out = tmp_path / "out"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run("agtop-exporter", "backfill", "--state-dir", tmp_path / "state", "--output", out, home=out)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert len(list(out.iterdir())) >= DAYS
    shutil.rmtree(out)  # pytest keeps its directories, and these are large
    assert used < CPU_SECONDS

"""Claude Code: the document for a status line is read, and its account comes from its path.

`claude/status_lines/*.json` are documents. The golden file has what is stored and shown of each.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import AGENT_FOLDERS

from agtop_exporter.agents import claude, load_agents
from agtop_exporter.render import status_line

NOW = 1_790_000_000.0
DOCUMENTS = sorted((AGENT_FOLDERS / "claude" / "status_lines").glob("*.json"))
GOLDEN = AGENT_FOLDERS / "claude" / "status_lines.txt"


def about(path):
    line = claude.AGENT.status_line(path.read_bytes(), NOW)
    limits = [msgspec.json.encode(limit).decode() for limit in line.rate_limits]
    return "\n".join([f"== {path.stem}", status_line.text(line).rstrip(), *limits, ""])


def test_documents_equal_the_golden_file(request):
    text = "".join(map(about, DOCUMENTS))
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_nothing_private_is_kept():
    for path in DOCUMENTS:
        kept = msgspec.json.encode(claude.AGENT.status_line(path.read_bytes(), NOW)).decode()
        assert not [word for word in ("/home", "ada", "@", "6f1c2a9e", "shop") if word in kept]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"transcript_path": 1}',
        b"\xff\xfe",
        b'{"transcript_path":"/x","rate_limits":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
    ],
)
def test_other_data_is_no_status_line(data):
    assert claude.AGENT.status_line(data, NOW) is None


@pytest.mark.slow
@given(
    st.binary()
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(
        lambda value: msgspec.json.encode(
            {"transcript_path": "/a", "rate_limits": {"five_hour": value}}
        )
    )
)
def test_nothing_fails(data):
    status_line.text(claude.AGENT.status_line(data, NOW))


def test_only_one_agent_reads_a_document():
    readers = [agent.name for agent in load_agents() if agent.status_line]
    assert readers == ["claude"]

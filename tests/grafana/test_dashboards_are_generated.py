"""The committed dashboards equal the output of `python grafana/generate.py`."""

import pytest
from generator.boards import BOARDS, FOLDER, file_of, text_of


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_a_dashboard_is_as_generated(board, golden):
    golden(file_of(board), text_of(board))


def test_no_dashboard_is_left_over():
    assert set(FOLDER.iterdir()) == {file_of(board) for board in BOARDS}

"""Codex: tokens that a provider counts in another way than OpenAI are not lost."""

import pytest
from transcripts import THREAD, Codex

from agtop_exporter.model import TokenCounts

KEYS = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens")
KEYS += ("output_tokens", "reasoning_output_tokens", "total_tokens")


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ((100, 60, 0, 20, 5, 120), TokenCounts(40, 60, 0, 0, 20, 5)),  # OpenAI
        ((100, 60, 30, 20, 5, 120), TokenCounts(10, 60, 30, 0, 20, 5)),
        ((100, 60, 0, 20, 5, 0), TokenCounts(40, 60, 0, 0, 20, 5)),  # no sum
        ((100, 60, 0, 20, 50, 170), TokenCounts(40, 60, 0, 0, 70, 50)),  # reasoning is separate
        ((100, 60, 0, 20, 5, 180), TokenCounts(100, 60, 0, 0, 20, 5)),  # cached input is separate
        ((100, 60, 30, 20, 5, 210), TokenCounts(100, 60, 30, 0, 20, 5)),
        ((100, 60, 0, 20, 50, 230), TokenCounts(100, 60, 0, 0, 70, 50)),  # both are
        (
            (100, 50, 0, 20, 50, 170),
            TokenCounts(50, 50, 0, 0, 70, 50),
        ),  # one of both: the sum holds
        ((100, 0, 0, 20, 50, 120), TokenCounts(100, 0, 0, 0, 20, 20)),  # more than the whole
    ],
)
@pytest.mark.parametrize("recorded", [True, False], ids=["usage record", "token count"])
def test_the_sum_shows_what_is_separate(tmp_path, figures, expected, recorded):
    divided = dict(zip(KEYS, figures, strict=True))
    chat = Codex(tmp_path).turn(turn_id="t")
    if recorded:
        chat.add("token_usage_record", response_id="r1", usage=divided, thread_token_usage=divided)
    chat.count(divided, divided)
    told = chat.told()
    assert told.session(THREAD).usage.requests == 1
    assert told.tokens(THREAD) == expected

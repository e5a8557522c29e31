"""Writes a home with usage of many days before now, and adds up what was used."""

import time

from small_homes import BEGIN, TOKENS_OF_A_TURN, claude_answer, claude_file

DAY = 86_400
MODELS = ("claude-sonnet-4-5-20250929", "claude-opus-4-5", "claude-haiku-4-5")
AGES = (33, 31, 29, 20, 12, 11, 3, 1, 0.5, 0.2, 0.01)  # in days


def turn_at(seconds):
    """Return the number of the turn whose answer has a time (unix seconds)."""
    return int(seconds - BEGIN) // 10


def write_usage(home, now=None):
    """Write a session per model; return its tokens, by model and age in days."""
    now = now or time.time()
    used = {}
    for number, model in enumerate(MODELS, 1):
        lines = []
        for age in AGES[number - 1 :]:
            begin = turn_at(now - age * DAY)
            answers = range(begin - 5 * number, begin)
            lines += [claude_answer(number, turn, model=model) for turn in answers]
            used[model, age] = len(answers) * TOKENS_OF_A_TURN
        claude_file(home, number).write_text("".join(lines))
    return used


def append_usage(home, turns=3):
    """Append current turns to the first session; return their tokens."""
    begin = turn_at(time.time())
    with claude_file(home, 1).open("a") as file:
        file.write("".join(claude_answer(1, begin + n, model=MODELS[0]) for n in range(turns)))
    return turns * TOKENS_OF_A_TURN

"""Adds reasoning tokens to output tokens that do not include them."""


def whole_output(output: int, reasoning: int) -> int:
    """Return the number of output tokens with the reasoning tokens.

    Most APIs include reasoning in the output. The chat completions of xAI report it beside the
    output, and agents record both numbers as they are. Reasoning that exceeds the output shows it.
    (GitHub repository and number: vercel/ai 12425, Wei-Shaw/sub2api 5771, where the cost confirms
    it, UKGovernmentBEIS/inspect_ai 5528.)
    """
    return output + reasoning if reasoning > output else output

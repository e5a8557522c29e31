"""The names under which one model may be listed, and what is only a version of a listed name.

A prefix is never a match: `gpt-5` says nothing about the price of `gpt-5.9`.
"""

import re

# Bedrock: [region.]maker.model[-v1:0]; a region costs what the region costs, so aws is asked first.
_BEDROCK = re.compile(
    r"^(?:(?:us|us-gov|eu|ap|apac|au|jp|ca|sa|global)\.)?"
    r"(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|qwen|moonshotai|zai|minimax)\."
)

# (what a change makes of the match, what is replaced, by what); applied one after the other.
_CHANGES = (
    ("suffix-stripped", re.compile(r"\[\w{1,16}\]$"), ""),  # claude-opus-4-6[1m]
    ("prefix-stripped", re.compile(r"^[^/]*/"), ""),  # openrouter/..., models/...
    ("prefix-stripped", re.compile(r"^.*/"), ""),  # .../anthropic/..., a Bedrock ARN
    ("prefix-stripped", _BEDROCK, ""),
    ("suffix-stripped", re.compile(r"-v\d(?::\d{1,3}k?)?$"), ""),
    ("suffix-stripped", re.compile(r"@default$"), ""),  # Vertex
    ("alias", re.compile(r"-(20\d\d)([01]\d)([0-3]\d)$"), r"-\1-\2-\3"),
    ("date-stripped", re.compile(r"[-@](?:\d{8}|\d{4}-\d\d-\d\d)$"), ""),
    ("suffix-stripped", re.compile(r"-latest$"), ""),
)

_VERSION = re.compile(
    r"(?:[-@:](?:\d{4}-\d\d-\d\d|\d\d-\d\d(?:\d\d)?|\d{3,8}|v\d"
    r"|latest|default|preview|exp|customtools|thinking)|:\d)*"
)

LONGEST_NAME = 200  # of any model so far: 80; a transcript may hold anything


def candidates(model: str) -> tuple[tuple[str, str], ...]:
    """Return (name, match kind) of a model, the most exact first; none for what is no name."""
    name = model.strip().lower()
    if not name or len(name) > LONGEST_NAME:
        return ()
    kinds = {name: "exact"}
    for kind, pattern, replacement in _CHANGES:
        shorter = pattern.sub(replacement, name, count=1)
        if shorter:
            name = shorter
            kinds.setdefault(name, kind)
    return tuple(kinds.items())


def providers_named_in(model: str) -> tuple[str, ...]:
    """Return the providers that the name itself gives: `openrouter/anthropic/claude-...`."""
    *prefixes, name = model.strip().lower().split("/")
    return (*prefixes, "aws") if _BEDROCK.match(name) else tuple(prefixes)


def is_version_of(name: str, *, end: int) -> bool:
    """Tell whether `name` is its first `end` characters and then only says which version.

    Dates, build numbers, `-latest`, `-preview` and the like; `-mini` or another digit is another
    model. A digit run or a date that `end` cuts in two counts as a whole.
    """
    if end < len(name) and name[end].isalnum():
        while end and name[end - 1].isdigit():
            end -= 1
        end -= bool(end)
    return _VERSION.fullmatch(name, end) is not None

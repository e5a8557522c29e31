"""Finds the billed web searches of the tool WebSearch.

The tool sends requests that no transcript contains. Only the result of the tool shows their
searches: it has an object with the id of each search that succeeded. A search that failed is not
billed. Other ids belong to searches that another service made.

Source: Claude Code 2.1.332 with a local server in place of the API; for the fee, see
https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool.
"""

import msgspec

TOOL = "WebSearch"
PENDING_CALLS = 16  # maximum number of calls in the state whose result may follow
OF_THE_API = "srvtoolu_"  # how the id of a search begins


class _Result(msgspec.Struct):
    """The result of the tool. `results` has texts and objects with the member `tool_use_id`."""

    results: list[object] = []


_decode = msgspec.json.Decoder(_Result).decode


def note_call(pending: dict[str, str], call_id: str, model: str) -> None:
    """Add a call of the tool to `pending`, which has the model of each call by the call id."""
    pending[call_id] = model
    if len(pending) > PENDING_CALLS:
        del pending[next(iter(pending))]


def billed_searches(result: msgspec.Raw) -> int:
    """Return the number of billed searches in the result of a call; 0 if the result has none."""
    try:
        results = _decode(result).results
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0  # the text of an error
    ids = (each.get("tool_use_id") for each in results if isinstance(each, dict))
    return sum(isinstance(each, str) and each.startswith(OF_THE_API) for each in ids)

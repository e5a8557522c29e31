"""Compare the dollars of agtop-exporter, ccusage and tokscale with the true figures of some homes.

usage: dollars.py CASE... [--ccusage PROGRAM] [--tokscale PROGRAM --litellm FILE]

A CASE is a folder as in tokens.py. The true dollars of a session are its true tokens at the prices
of `prices.json`, which holds the prices of one day with their sources. All programs run without
network access: ours and ccusage use the prices they contain. tokscale contains none, so it gets
FILE, the price list of LiteLLM, in place of its download (PATH must contain `bun`). tokscale
does not list sessions, so only its total is compared.
"""

import argparse
import json
import shutil
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from tokens import ccusage_sessions, our_sessions, output_of

PRICES = json.loads(Path(__file__).with_name("prices.json").read_text())["models"]
PROMPT = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
TOLERANCE = Decimal("0.0000005")  # USD: equal after rounding to a millionth


class NoPriceError(Exception):
    """The true dollars of a session cannot be computed; the text says why."""


def cost_of_request(prices, tokens):
    """Return the dollars of one request, or of requests that all have the same tier."""
    above = prices.get("above")
    if above and prompt_of(tokens) > above["prompt_tokens"]:
        prices = above
    used = {name: tokens[name] for name in (*PROMPT, "output") if tokens.get(name)}
    if missing := used.keys() - prices.keys():
        raise NoPriceError(f"prices.json has no price of {', '.join(sorted(missing))}")
    return sum(Decimal(prices[name]) * number for name, number in used.items()) / 1_000_000


def prompt_of(tokens):
    return sum(tokens.get(name) or 0 for name in PROMPT)


def gemini_requests(home, session_id, model):
    """Return the tokens of each request of a session in the transcripts of Gemini CLI.

    A transcript repeats a message when its tool calls end; the last copy has the same tokens.
    """
    found = {}
    for path in home.rglob(f"session-*{session_id[:8]}.jsonl"):
        for record in map(json.loads, path.read_text().splitlines()):
            if record.get("model") == model and record.get("tokens"):
                found[record["id"]] = record["tokens"]
    return [
        {
            "input": tokens["input"] + tokens["tool"] - tokens["cached"],
            "cache_read": tokens["cached"],
            "output": tokens["output"] + tokens["thoughts"],
        }
        for tokens in found.values()
    ]


def cost_of_model(agent, home, session_id, model, tokens):
    """Return the dollars of a model in a session.

    If the prompts of all requests together are below the long-context limit, each request is too.
    Otherwise the requests are needed, and their sum must be the true figure.
    """
    prices = PRICES.get(f"{agent}:{model}") or PRICES.get(model)
    if not prices:
        raise NoPriceError(f"{model} has no public price")
    above = prices.get("above")
    if not above or prompt_of(tokens) <= above["prompt_tokens"]:
        return cost_of_request(prices, tokens)
    requests = gemini_requests(home, session_id, model)
    names = ("input", "cache_read", "output")
    if any(sum(each[name] for each in requests) != tokens[name] for name in names):
        raise NoPriceError(f"the requests of {model} are unknown, and it has long-context prices")
    return sum(cost_of_request(prices, each) for each in requests)


def true_costs(case, home):
    """Return the dollars of each session, and the reasons for the sessions without dollars."""
    expected = json.loads((case / "expected.json").read_text())
    agent = expected.get("agent", case.name)
    costs, reasons = {}, {}
    for session_id, session in expected["sessions"].items():
        try:
            parts = [
                cost_of_model(agent, home, session_id, model, recorded(tokens))
                for model, tokens in session["models"].items()
            ]
        except NoPriceError as error:
            reasons[session_id] = str(error)
        else:
            costs.update({session_id: sum(parts)} if parts else {})
    return costs, reasons


def recorded(tokens):
    """Return the tokens with the output that the transcript records, as in tokens.py."""
    return {**tokens, "output": tokens.get("output_recorded", tokens["output"])}


def ours(home, tmp):
    """Return the list price of each session: without its subagents, and with them."""
    return {
        session_id: [dollars(each["cost"]["total_usd"]) for each in (session, session["tree"])]
        for session_id, session in our_sessions(home, tmp).items()
    }


def ccusage(program, home, tmp):
    """Return the dollars of each session."""
    return {
        session_id: [dollars(session["totalCost"])]
        for session_id, session in ccusage_sessions(program, home, tmp).items()
    }


def tokscale_total(program, litellm, home, tmp):
    """Return the total of a home, or None if tokscale does not run."""
    cache = tmp / "tokscale"
    cache.mkdir()
    for source, prices in (("litellm", json.loads(litellm.read_text())), ("openrouter", {})):
        document = {"timestamp": int(time.time()), "data": prices}
        (cache / f"pricing-{source}.json").write_text(json.dumps(document))
    try:
        document = json.loads(output_of([program, "models", "--json", "--no-spinner"], home, tmp))
    except (OSError, json.JSONDecodeError):
        return None
    return dollars(document["totalCost"])


def dollars(number):
    return Decimal(str(number or 0))


def compare(truth, skipped, found):
    """Count the sessions whose dollars are right; return the count and the total of the program."""
    right = sum(
        any(abs(candidate - cost) <= TOLERANCE for candidate in found.get(session_id, []))
        for session_id, cost in truth.items()
    )
    total = sum(each[0] for session_id, each in found.items() if session_id not in skipped)
    return right, total


def error(total, truth):
    """Return the error of a total in percent, as text."""
    percent = round((total - truth) / truth * 100, 1)
    return f"{percent:+} %" if percent else "0.0 %"


def row(name, truth, sessions, results):
    """Return one line of the table. A result is the right sessions (or None) and the total."""
    cells = []
    for right, total in results:
        count = "" if right is None else f"{right} of {sessions}, "
        cells.append("not run" if total is None else count + error(total, truth))
    return f"| {name} | {sessions} | {truth:.6f} | {' | '.join(cells)} |"


def measure(case, options):
    """Return the sessions, the true dollars and the results of each program for a case."""
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        home = tmp / "home"
        shutil.copytree(case / "home", home, symlinks=True)
        truth, skipped = true_costs(case, home)
        for reason in sorted(set(skipped.values())):
            count = sum(each == reason for each in skipped.values())
            print(f"{case.name}: {count} sessions are not compared: {reason}")
        if not truth:
            return 0, 0, []
        results = [compare(truth, skipped, ours(home, tmp))]
        results.append(compare(truth, skipped, ccusage(options.ccusage, home, tmp)))
        litellm = options.litellm
        total = tokscale_total(options.tokscale, litellm, home, tmp) if litellm else None
        results.append((None, total))
        return len(truth), sum(truth.values()), results


def sum_of(measured):
    """Add the results of all cases. A program that did not run for a case has no sum."""
    sums = []
    for each in zip(*(results for _, _, results in measured), strict=True):
        right, totals = zip(*each, strict=True)
        sums.append(
            (None if None in right else sum(right), None if None in totals else sum(totals))
        )
    return sums


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", nargs="+", type=Path)
    parser.add_argument("--ccusage", default="ccusage")
    parser.add_argument("--tokscale", default="tokscale")
    parser.add_argument("--litellm", type=Path, help="without this list, tokscale is not run")
    options = parser.parse_args()
    measured = [(case.name, *measure(case, options)) for case in options.case]
    measured = [each for each in measured if each[1]]
    print("| home | sessions | true USD | agtop-exporter | ccusage | tokscale |")
    print("|---|---|---|---|---|---|")
    for name, sessions, truth, results in measured:
        print(row(name, truth, sessions, results))
    sessions = sum(each[1] for each in measured)
    truth = sum(each[2] for each in measured)
    print(row("all", truth, sessions, sum_of([each[1:] for each in measured])))


if __name__ == "__main__":
    main()

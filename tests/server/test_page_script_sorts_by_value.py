"""The script of the page sorts by values, unknown ones last, and can return to the old order."""

import json
import subprocess

import pytest
from programs import find_program

from agtop_exporter.server import page

pytestmark = pytest.mark.integration


def evaluate(expression):
    """Return the value of a JavaScript expression that uses the functions of the script."""
    code = f"{page.SCRIPT}\nconsole.log(JSON.stringify({expression}))"
    node = [find_program("node"), "-"]
    done = subprocess.run(node, input=code, capture_output=True, text=True, check=True, timeout=30)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "sign", "expected"),
    [
        (0, 1, ["docs", "engine", "shop", "-"]),
        (0, -1, ["shop", "engine", "docs", "-"]),
        (1, 1, ["shop", "docs", "engine", "-"]),  # by the numbers 9, 10, 20, not by the texts
        (1, -1, ["engine", "docs", "shop", "-"]),
    ],
)
def test_rows_are_sorted_by_value(column, sign, expected):
    rows = [("docs", "$10.00", "10"), ("-", "?", None), ("engine", "$20.00", "20")]
    rows.append(("shop", "$9.00", "9"))
    cells = [
        [{"textContent": name, "dataset": {}}, {"textContent": cost, "dataset": _data(order)}]
        for name, cost, order in rows
    ]
    order = json.dumps({"column": column, "sign": sign})
    found = evaluate(
        f"sorted({json.dumps([{'cells': row} for row in cells])}, {order})"
        ".map((row) => row.cells[0].textContent)"
    )
    assert found == expected


def _data(order):
    return {} if order is None else {"order": order}


@pytest.mark.slow
@pytest.mark.parametrize("first", [1, -1])
def test_third_click_returns_to_the_order_of_the_exporter(first):
    orders = evaluate(
        "[0, 0, 0, 0, 1].reduce((found, column) =>"
        f" [...found, nextOrder(found.at(-1), column, {first})], [null])"
    )
    mine = [{"column": 0, "sign": first}, {"column": 0, "sign": -first}, None]
    assert orders == [None, *mine, mine[0], {"column": 1, "sign": first}]

"""Computes a one-to-one assignment with the least cost. Deterministic; performs no I/O.

The algorithm is the Hungarian algorithm: https://en.wikipedia.org/wiki/Hungarian_algorithm
"""

from collections.abc import Sequence


def assign(costs: Sequence[Sequence[int | None]]) -> list[int | None]:
    """Assign a column to each row. Return the columns by row; None for a row without a column.

    No column is assigned twice, and as many rows as possible get a column. Of all such assignments,
    the returned one has the least total cost. `costs[row][column]` is None if the row must not get
    the column. All rows have the same length.
    """
    width = len(costs[0]) if costs else 0
    # A row without a column costs more than all allowed pairs, and a forbidden pair twice as much.
    alone = 1 + sum(max((cost or 0 for cost in row), default=0) for row in costs)
    forbidden = 2 * alone
    padded = [
        [forbidden if cost is None else cost for cost in row] + [alone] * len(costs)
        for row in costs
    ]
    matching = _Matching(padded)
    for row in range(len(costs)):
        matching.add(row)
    return [column if column < width else None for column in matching.columns()]


class _Matching:
    """Matches rows with columns at the least cost. Rows are added one at a time.

    A row is added along the cheapest path of reassignments. The potentials of the algorithm keep
    the reduced cost of matched pairs at zero. They keep the reduced cost of all other pairs at zero
    or more.
    """

    def __init__(self, costs: Sequence[Sequence[int]]) -> None:
        self._costs = costs
        self._width = len(costs[0]) if costs else 0
        self._row_potential = [0] * len(costs)
        self._column_potential = [0] * self._width
        self._row_of: list[int | None] = [None] * self._width

    def add(self, row: int) -> None:
        """Match one more row. This may change the columns of rows that were added before."""
        came_from: dict[int, int | None] = {}  # column -> the column before it on the path
        distance = {column: self._reduced(row, column) for column in range(self._width)}
        previous: dict[int, int | None] = dict.fromkeys(distance)
        visited: list[tuple[int, int, int]] = []  # (column, its row, its distance)
        while True:
            column = min(distance, key=lambda candidate: (distance[candidate], candidate))
            reached = distance.pop(column)
            came_from[column] = previous[column]
            holder = self._row_of[column]
            if holder is None:
                break
            visited.append((column, holder, reached))
            for other, known in distance.items():
                through = reached + self._reduced(holder, other)
                if through < known:
                    distance[other], previous[other] = through, column
        self._row_potential[row] += reached
        for passed, holder, at in visited:
            self._row_potential[holder] += reached - at
            self._column_potential[passed] -= reached - at
        self._reassign(row, column, came_from)

    def columns(self) -> list[int]:
        """Return the column of each row."""
        column_of = {row: column for column, row in enumerate(self._row_of) if row is not None}
        return [column_of[row] for row in range(len(self._costs))]

    def _reassign(self, row: int, column: int, came_from: dict[int, int | None]) -> None:
        before = came_from[column]
        while before is not None:
            self._row_of[column] = self._row_of[before]
            column, before = before, came_from[before]
        self._row_of[column] = row

    def _reduced(self, row: int, column: int) -> int:
        return self._costs[row][column] - self._row_potential[row] - self._column_potential[column]

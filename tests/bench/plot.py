"""Draws columns of a table as an SVG picture: one small chart for each column, with the same x."""

from html import escape

WIDTH, HEIGHT, LEFT, BETWEEN = 720, 90, 90, 34  # pixels of a chart and its margins
POINTS_MAX = 720  # more points than pixels only make the file larger


def picture(rows, x, charts, *, title):
    """Return an SVG picture.

    `rows` are dictionaries of numbers. `x` is the name of the column of the x axis. `charts` maps
    the names of the columns to draw to their titles. Each y axis starts at 0.
    """
    height = 30 + len(charts) * (HEIGHT + BETWEEN) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" height="{height}"'
        ' font-family="sans-serif" font-size="11" fill="#333">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-size="13" font-weight="bold">{escape(title)}</text>',
    ]
    last = max(row[x] for row in rows)
    for number, (column, label) in enumerate(charts.items()):
        top = 30 + number * (HEIGHT + BETWEEN) + 14
        parts += _chart(rows, x, column, label, top=top, last=last)
    parts.append(f'<text x="{LEFT}" y="{height - 6}">0</text>')
    parts.append(
        f'<text x="{LEFT + WIDTH}" y="{height - 6}" text-anchor="end">{last:,.0f} {escape(x)}</text>'
    )
    return "\n".join([*parts, "</svg>\n"])


def _chart(rows, x, column, label, *, top, last):
    values = [row[column] for row in rows]
    highest = max(*values, 1e-9)
    step = max(1, len(rows) // POINTS_MAX)
    points = " ".join(
        f"{LEFT + WIDTH * row[x] / last:.1f},{top + HEIGHT - HEIGHT * row[column] / highest:.1f}"
        for row in rows[::step]
    )
    bottom = top + HEIGHT
    yield f'<text x="{LEFT}" y="{top - 4}">{escape(label)}</text>'
    yield f'<path d="M{LEFT} {top}V{bottom}H{LEFT + WIDTH}" stroke="#999" fill="none"/>'
    yield f'<text x="{LEFT - 6}" y="{top + 9}" text-anchor="end">{highest:,.4g}</text>'
    yield f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
    yield f'<polyline points="{points}" stroke="#1f77b4" stroke-width="1.2" fill="none"/>'

"""Draws columns of a table as an SVG picture: one small chart for each column, with the same x."""

from html import escape

WIDTH, HEIGHT, LEFT, BETWEEN = 720, 90, 90, 34  # pixels of a chart and its margins
POINTS_MAX = 720  # more points than pixels only make the file larger


def picture(rows, x, charts, *, title):
    """Return an SVG picture.

    `rows` are dictionaries of numbers. `x` is the name of the column of the x axis, whose numbers
    increase. `charts` maps the names of the columns to draw to their titles. All axes start at 0.
    """
    height = 30 + len(charts) * (HEIGHT + BETWEEN) + 20
    size = f'width="{WIDTH + LEFT + 20}" height="{height}"'
    font = 'font-family="sans-serif" font-size="11" fill="#333"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-size="13" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (column, label) in enumerate(charts.items()):
        parts += _chart(rows, x, column, label, top=44 + number * (HEIGHT + BETWEEN))
    end, bottom = f"{rows[-1][x]:,.0f} {escape(x)}", height - 6
    parts.append(f'<text x="{LEFT}" y="{bottom}">0</text>')
    parts.append(f'<text x="{LEFT + WIDTH}" y="{bottom}" text-anchor="end">{end}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _chart(rows, x, column, label, *, top):
    last = rows[-1][x]
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
    yield f'<text x="{LEFT - 6}" y="{top + 9}" text-anchor="end">{_number(highest)}</text>'
    yield f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
    yield f'<polyline points="{points}" stroke="#1f77b4" stroke-width="1.2" fill="none"/>'


def _number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"

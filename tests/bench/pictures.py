"""Draws panels as HTML and SVG similar to Grafana, to check whether they are readable."""

import html
import math
import re

PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0")
COLOURS = {
    "green": "#73bf69",
    "orange": "#ff9830",
    "red": "#f2495c",
    "yellow": "#fade2a",
    "blue": "#5794f2",
    "text": "#d8d9da",
}
STYLE = """
body { background: #111217; color: #d8d9da; font: 13px sans-serif; margin: 12px }
h1 { font-size: 18px } .board { position: relative }
.panel { position: absolute; background: #181b1f; border: 1px solid #2c3235; overflow: hidden;
  box-sizing: border-box; padding: 6px 8px } .row { position: absolute; font-weight: bold }
h2 { font-size: 13px; margin: 0 } p { color: #8e8e8e; margin: 0 0 4px; font-size: 11px;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.empty { color: #8e8e8e; text-align: center; padding-top: 30px }
.stat { font-size: 34px; text-align: center; padding-top: 14px }
table { border-collapse: collapse; width: 100%; font-size: 12px } td, th { text-align: left;
  border-bottom: 1px solid #2c3235; padding: 2px 6px; white-space: nowrap }
.bar { display: flex; margin: 3px 0; white-space: nowrap }
.bar span { width: 210px; flex: none; overflow: hidden }
.bar i { display: block; height: 15px; margin-right: 6px }
.legend { font-size: 11px; color: #aaa } .legend b { display: inline-block; width: 10px;
  height: 4px; margin: 0 4px 2px 8px }
"""
CELL_WIDTH, CELL_HEIGHT = 64, 34  # pixels of a unit of the grid
BOARD_WIDTH = 24 * CELL_WIDTH + 16


def shown(value, unit):
    """Format a value in its unit, as Grafana does."""
    return "NaN" if math.isnan(value) else UNITS.get(unit, scaled)(value)


def scaled(value, base=1000, names=("", " K", " Mil", " Bil")):
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value, power = value / base, power + 1
    text = f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return text + names[power]


def duration(seconds):
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "mins"), (1, "s")):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds * 1000:.3g} ms"


def size(value):
    return scaled(value, 1024, (" B", " KiB", " MiB", " GiB"))


UNITS = {
    "currencyUSD": lambda value: f"${scaled(value)}",
    "percentunit": lambda value: f"{value * 100:.3g}%",
    "s": duration,
    "bytes": size,
    "Bps": lambda value: f"{size(value)}/s",
    "bool_yes_no": lambda value: "Yes" if value else "No",
}


def color_of(value, thresholds):
    """Return the color of the last step that a value reaches."""
    reached = [s for s in thresholds["steps"] if s["value"] is None or value >= s["value"]]
    return COLOURS[reached[-1]["color"]]


def named(target, labels):
    """Return the name of a series in the legend."""
    legend = target["legendFormat"]
    if legend == "__auto":
        return ", ".join(f"{k}={v}" for k, v in labels.items() if k != "__name__") or "value"
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)


def board_page(board, answers):
    """Return a page; `answers` are by (panel id, ref)."""
    parts, bottom = [], 0
    for panel in board["panels"]:
        place = panel["gridPos"]
        style = (
            f"left:{place['x'] * CELL_WIDTH}px;top:{place['y'] * CELL_HEIGHT}px;"
            f"width:{place['w'] * CELL_WIDTH - 8}px;height:{place['h'] * CELL_HEIGHT - 8}px"
        )
        bottom = max(bottom, (place["y"] + place["h"]) * CELL_HEIGHT)
        if panel["type"] == "row":
            parts.append(f"<div class=row style='{style}'>▾ {html.escape(panel['title'])}</div>")
            continue
        found = [(target, answers[panel["id"], target["refId"]]) for target in panel["targets"]]
        body = DRAWN[panel["type"]](panel, found)
        parts.append(
            f"<div class=panel style='{style}'><h2>{html.escape(panel['title'])}</h2>"
            f"<p>{html.escape(panel['description'])}</p>{body}</div>"
        )
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h1>{board['title']}</h1>"
        f"<div class=board style='height:{bottom}px'>{''.join(parts)}</div>"
    )


def empty(panel):
    return f"<div class=empty>{html.escape(panel['fieldConfig']['defaults']['noValue'])}</div>"


def stat(panel, found):
    defaults = panel["fieldConfig"]["defaults"]
    values = [value for _, answer in found for _, value in answer]
    if not values:
        return empty(panel)
    color = color_of(values[0], defaults["thresholds"])
    return f"<div class=stat style='color:{color}'>{shown(values[0], defaults['unit'])}</div>"


def bars(panel, found):
    defaults = panel["fieldConfig"]["defaults"]
    rows = [(named(target, labels), v) for target, answer in found for labels, v in answer]
    if not rows:
        return empty(panel)
    top = defaults.get("max") or max(value for _, value in rows) or 1
    parts = []
    for number, (name, value) in enumerate(rows):
        color = PALETTE[number % len(PALETTE)]
        if defaults["color"]["mode"] == "thresholds":
            color = color_of(value, defaults["thresholds"])
        width = 55 * max(0, min(1, value / top))
        parts.append(
            f"<div class=bar><span>{html.escape(name)}</span>"
            f"<i style='background:{color};width:{width}%'></i>{shown(value, defaults['unit'])}"
            "</div>"
        )
    return "".join(parts)


def table(panel, found):
    """Merge rows with equal shared labels, as Grafana's transformation does."""
    rows = []
    for target, answer in found:
        value_name = "Value" if len(found) == 1 else f"Value #{target['refId']}"
        for labels, value in answer:
            new = {**labels, value_name: value}
            for row in rows:
                if all(row.get(name, text) == text for name, text in new.items()):
                    row.update(new)
                    break
            else:
                rows.append(new)
    if not rows:
        return empty(panel)
    organize = panel["transformations"][1]["options"]
    unseen = {name for row in rows for name in row}
    unseen -= set(organize["indexByName"]) | set(organize["excludeByName"])
    columns = [*organize["indexByName"], *sorted(unseen)]
    settings = {
        item["matcher"]["options"]: {p["id"]: p["value"] for p in item["properties"]}
        for item in panel["fieldConfig"]["overrides"]
    }
    titles = [organize["renameByName"].get(name, f"?{name}?") for name in columns]
    sort = panel["options"].get("sortBy", [{}])[0].get("displayName")
    if sort:
        key = columns[titles.index(sort)]
        rows.sort(key=lambda row: -row.get(key, -1))
    lines = ["<tr>" + "".join(f"<th>{html.escape(title)}</th>" for title in titles) + "</tr>"]
    for row in rows:
        cells = [
            _cell(row.get(n), settings.get(t, {})) for n, t in zip(columns, titles, strict=True)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _cell(value, settings):
    if value is None:
        return "<td></td>"
    if isinstance(value, str):
        return f"<td>{html.escape(value)}</td>"
    color = color_of(value, settings["thresholds"]) if "thresholds" in settings else "inherit"
    text = shown(value, settings.get("unit", "none"))
    bar = ""
    if "max" in settings:
        width = 70 * min(1, value / settings["max"])
        bar = (
            f"<i style='display:inline-block;height:10px;width:{width}px;background:{color}'></i> "
        )
    return f"<td style='color:{color}'>{bar}{text}</td>"


def timeseries(panel, found):
    """Draw lines, or stacked areas."""
    defaults = panel["fieldConfig"]["defaults"]
    series = [(named(target, labels), points) for target, a in found for labels, points in a]
    series = [(n, [(t, v) for t, v in points if not math.isnan(v)]) for n, points in series]
    series = [(name, points) for name, points in series if points]
    if not series:
        return empty(panel)
    width = panel["gridPos"]["w"] * CELL_WIDTH - 90
    height = panel["gridPos"]["h"] * CELL_HEIGHT - 110
    times = [t for _, points in series for t, _ in points]
    stack = defaults["custom"]["stacking"]["mode"] == "normal"
    below, lines = {}, []
    for name, points in series:
        tops = [(t, v + below.get(t, 0)) if stack else (t, v) for t, v in points]
        if stack:
            below.update(tops)
        lines.append((name, points, tops))
    top = defaults.get("max") or max(v for *_, tops in lines for _, v in tops) * 1.05 or 1
    begin, span = min(times), max(times) - min(times) or 1
    fixed = {
        item["matcher"]["options"]: COLOURS[item["properties"][0]["value"]["fixedColor"]]
        for item in panel["fieldConfig"]["overrides"]
    }

    def at(time, value):
        return f"{(time - begin) / span * width:.1f},{height - value / top * height:.1f}"

    parts, legend = [], []
    for number, (name, points, tops) in reversed(list(enumerate(lines))):
        color = fixed.get(name, PALETTE[number % len(PALETTE)])
        path = " ".join(at(t, v) for t, v in tops)
        floor = f"{at(tops[-1][0], 0)} {at(tops[0][0], 0)}"
        fill = "0.85" if stack else "0.06"
        parts.append(f"<polygon points='{path} {floor}' fill='{color}' opacity='{fill}'/>")
        parts.append(f"<polyline points='{path}' fill='none' stroke='{color}'/>")
        last = shown(points[-1][1], defaults["unit"])
        legend.append(f"<b style='background:{color}'></b>{html.escape(name)} {last}")
    if defaults["custom"]["thresholdsStyle"]["mode"] == "line":
        for step in defaults["thresholds"]["steps"][1:]:
            y = height - step["value"] / top * height
            parts.append(f"<path d='M0 {y} H{width}' stroke='red' stroke-dasharray='4'/>")
    marks = "".join(
        f"<text x='{width + 4}' y='{height - share * (height - 8)}' fill='#8e8e8e' font-size='10'>"
        f"{shown(top * share, defaults['unit'])}</text>"
        for share in (0, 0.5, 1)
    )
    picture = f"<svg width='{width + 70}' height='{height + 10}'>{''.join(parts)}{marks}</svg>"
    return f"{picture}<div class=legend>{' '.join(reversed(legend))}</div>"


DRAWN = {"stat": stat, "bargauge": bars, "table": table, "timeseries": timeseries}

"""Builds dashboards and panels as plain dicts.

The Grafana Foundation SDK is not used: it is in alpha, an unpinned install gives the types of the
oldest Grafana, and it sets no panel ids. The JSON is that of Grafana 11.6 (`schemaVersion` 41). Ids
and positions follow from the order of the panels, so diffs stay small.
"""

from generator.variables import DATASOURCE, variables_of

COLUMNS = 24
SOFT_MAX = {"currencyUSD": 1, "short": 1}  # by unit; otherwise zeros have an axis to 100
ORANGE, RED, GREEN, BLUE, GRAY = "orange", "red", "green", "blue", "text"
STATE_COLOURS = {
    "running": GREEN,
    "waiting": ORANGE,
    "warning": "yellow",
    "error": RED,
    "idle": BLUE,
    "closed": GRAY,
}


UNKNOWN = "-"
"""The text of a table cell without a value."""

SHORT_LABELS = {"agent": 110, "state": 90, "session_id": 100, "confidence": 90, "window": 80}
"""Widths in pixels of columns with short texts. Other labels share the rest of the table."""

LAST_8 = {"type": "regex", "options": {"pattern": ".*(.{8})", "result": {"text": "$1"}}}
"""A value mapping that shows the end of a session id, which distinguishes sessions."""


def query(expression, legend="", *, now=False, table=False, ref="A"):
    """Return a target. With `now`, it is an instant query."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expression,
        "format": "table" if table else "time_series",
        "instant": now,
        "range": not now,
        "legendFormat": legend or "__auto",
        "refId": ref,
    }


def queries(*pairs, now=False):
    """Return a target for each pair of an expression and a legend."""
    return [
        query(expression, legend, now=now, ref=chr(ord("A") + index))
        for index, (expression, legend) in enumerate(pairs)
    ]


def steps(*pairs, base=GREEN):
    """Return thresholds: the color `base`, and then pairs of a lower bound and a color."""
    first = [{"color": base, "value": None}]
    return {
        "mode": "absolute",
        "steps": first + [{"color": color, "value": value} for value, color in pairs],
    }


def panel(kind, title, description, targets, **settings):
    """Return a panel of any kind.

    Settings: `unit`, `empty` (text without data), `width` of 24 and `height`, `thresholds`,
    `options`, `custom`, `defaults`, `overrides`, `transformations`, `links`.
    """
    defaults = {
        "unit": settings["unit"],
        "noValue": settings["empty"],
        "color": {"mode": settings.get("color", "palette-classic")},
        "custom": settings.get("custom", {}),
        "thresholds": settings.get("thresholds", steps()),
        "mappings": [],
        "links": settings.get("links", []),
        **settings.get("defaults", {}),
    }
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": settings.get("overrides", [])},
        "options": settings.get("options", {}),
        "transformations": settings.get("transformations", []),
        "gridPos": {"w": settings.get("width", 12), "h": settings.get("height", 8)},
    }


def no_value(text):
    """Return a value mapping that shows an unknown value as gray text, not in another color."""
    return {
        "type": "special",
        "options": {"match": "null", "result": {"text": text, "color": GRAY}},
    }


def stat(title, description, expression, **settings):
    """Return a panel with one current value."""
    settings["empty"] = settings["empty"].replace(" ", "\N{NO-BREAK SPACE}")  # else cut off
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }
    given = {"width": 4, "height": 4, "color": "thresholds", "options": options}
    given["thresholds"] = steps(base=GRAY)
    defaults = {"mappings": [no_value(settings["empty"])], **settings.pop("defaults", {})}
    given["defaults"] = defaults
    targets = [query(expression, settings.pop("legend", title), now=True)]
    return panel("stat", title, description, targets, **{**given, **settings})


def timeseries(title, description, *pairs, stack=False, **settings):
    """Return a panel with lines over time, for pairs of an expression and a legend."""
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 0 if stack else 1,  # a line of zeros would cover the series below
        "fillOpacity": 40 if stack else 8,
        "showPoints": "never",
        "spanNulls": False,
        "axisSoftMin": 0,
        "axisSoftMax": SOFT_MAX.get(settings["unit"]),
        "stacking": {"mode": "normal" if stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if "thresholds" in settings else "off"},
    }
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "right",
            "showLegend": True,
            "calcs": ["lastNotNull", "max"],
            "sortBy": "Last *",
            "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    given = {"custom": custom, "options": options}
    return panel("timeseries", title, description, queries(*pairs), **{**given, **settings})


def bars(title, description, *pairs, **settings):
    """Return a panel with one bar for the current value of each series."""
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "text",
        "showUnfilled": True,
        "sizing": "manual",
        "minVizHeight": 16,
        "maxVizHeight": 24,
        "namePlacement": "left",
        "text": {"titleSize": 10, "valueSize": 14},  # names are measured at size 12
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    given = {"options": options, "defaults": {"min": 0}}
    targets = queries(*pairs, now=True)
    return panel("bargauge", title, description, targets, **{**given, **settings})


def table(title, description, columns, *, labels=(), hidden=(), **settings):
    """Return a table: a row for each label set, a column for each query and label.

    `columns` are dicts with `expr`, `title`, `unit`, and optionally `bar` (a maximum) and
    `thresholds`. `labels` are (label, title) pairs in the order of
    the columns, and `hidden` has other labels.
    """
    targets, names = [], {}
    # `noValue` of a panel applies to each empty cell, so only a table without rows has a sentence
    overrides = [
        {
            "matcher": {"id": "byType", "options": kind},
            "properties": [{"id": "noValue", "value": UNKNOWN}],
        }
        for kind in ("number", "string")
    ]
    for index, column in enumerate(columns):
        ref = chr(ord("A") + index)
        targets.append(query(column["expr"], now=True, table=True, ref=ref))
        value = "Value" if len(columns) == 1 else f"Value #{ref}"
        names[value] = column.get("title", "")
        if column["unit"]:
            overrides.append(_column(column))
    overrides += [
        {
            "matcher": {"id": "byName", "options": title},
            "properties": [{"id": "custom.width", "value": SHORT_LABELS[label]}],
        }
        for label, title in labels
        if label in SHORT_LABELS
    ]
    overrides += [
        {
            "matcher": {"id": "byName", "options": title},
            "properties": [{"id": "links", "value": links}, {"id": "mappings", "value": [LAST_8]}],
        }
        for title, links in settings.pop("label_links", {}).items()
    ]
    shown = [label for label, _ in labels] + [v for v, name in names.items() if name]
    unseen = ["Time", *hidden, *(value for value, name in names.items() if not name)]
    organize = {
        "excludeByName": dict.fromkeys(unseen, True),
        "indexByName": {name: index for index, name in enumerate(shown)},
        "renameByName": {**dict(labels), **{v: name for v, name in names.items() if name}},
    }
    sort = settings.pop("sort", None)
    options = {"cellHeight": "sm", "showHeader": True, "footer": {"show": False}}
    if sort:
        options["sortBy"] = [{"displayName": sort, "desc": True}]
    given = {
        "width": COLUMNS,
        "unit": "none",
        "custom": {"align": "auto", "filterable": True, "minWidth": 120},
        "options": options,
        "overrides": overrides,
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": organize},
        ],
    }
    return panel("table", title, description, targets, **{**given, **settings})


def _column(column):
    width = 150 if "bar" in column else max(90, 8 * len(column["title"]) + 24)
    properties = [
        {"id": "unit", "value": column["unit"]},
        {"id": "custom.width", "value": width},
    ]
    if "bar" in column:
        cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        properties += [
            {"id": "custom.cellOptions", "value": cell},
            {"id": "min", "value": 0},
            {"id": "max", "value": column["bar"]},
        ]
    elif "thresholds" in column:
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if "thresholds" in column:
        properties += [
            {"id": "thresholds", "value": column["thresholds"]},
            {"id": "color", "value": {"mode": "thresholds"}},
            {"id": "mappings", "value": [no_value(UNKNOWN)]},
        ]
    return {"matcher": {"id": "byName", "options": column["title"]}, "properties": properties}


def colored(colors):
    """Return overrides that set the colors of series by name."""
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for name, color in colors.items()
    ]


def row(title, *panels, collapsed=False):
    """Return a row with a title, and its panels from left to right."""
    return [{"type": "row", "title": title, "collapsed": collapsed, "panels": []}, *panels]


def annotation(name, expression, text, *, color, shown=False):
    """Return marks at the times at which an expression has a value. Users can switch them on."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": shown,
        "hide": False,
        "iconColor": color,
        "expr": expression,
        "step": "60s",
        "titleFormat": name,
        "textFormat": text,
        "useValueForTime": False,
    }


def board(name, description, *rows, since="now-6h", annotations=()):
    """Return a dashboard with the variables that its queries use."""
    panels = _placed([panel for panels in rows for panel in panels])
    variables = variables_of(_all_of(panels), annotations)
    link = {
        "type": "dashboards",
        "tags": ["agtop"],
        "title": "agtop",
        "asDropdown": False,
        "keepTime": True,
        "includeVars": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
    return {
        "uid": "agtop-" + name.lower().split(" ")[0],
        "title": f"agtop / {name}",
        "description": description,
        "tags": ["agtop"],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": since, "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "links": [link],
        "annotations": {"list": list(annotations)},
        "templating": {"list": variables},
        "panels": panels,
    }


def _placed(panels):
    """Return the panels with ids and positions; those of a collapsed row are inside the row."""
    placed, x, y, tallest, closed = [], 0, 0, 0, None
    for number, item in enumerate(panels, 1):
        is_row = item["type"] == "row"
        if is_row and closed is not None:  # the panels of the row before take no space
            x, y, tallest, closed = 0, closed["gridPos"]["y"] + 1, 0, None
        size = {"w": COLUMNS, "h": 1} if is_row else item["gridPos"]
        if x + size["w"] > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        one = {**item, "id": number, "gridPos": {**size, "x": x, "y": y}}
        (closed["panels"] if closed else placed).append(one)
        x, tallest = x + size["w"], max(tallest, size["h"])
        if is_row and item["collapsed"]:
            closed = one = placed[-1] = {**one, "panels": []}
    return placed


def _all_of(panels):
    """Return the panels and those inside collapsed rows."""
    return [each for panel in panels for each in (panel, *panel.get("panels", ()))]

"""The variables of the dashboards, and selectors that use them."""

from agtop_exporter.metrics import CATALOGUE

DATASOURCE = {"type": "prometheus", "uid": "$datasource"}
LABELS = {metric.name: metric.labels for metric in CATALOGUE}
HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")

MACHINE = 'job=~"$job", instance=~"$instance"'
AGENT = f'{MACHINE}, agent=~"$agent"'
SESSION = "job, instance, agent, session_id"
SOURCES = {
    "job": ("label_values(agtop_build_info, job)", "The scrape jobs of agtop-exporter."),
    "instance": (
        'label_values(agtop_build_info{job=~"$job"}, instance)',
        "The machines, one exporter each.",
    ),
    "agent": (
        f"label_values(agtop_agent_enabled{{{MACHINE}}}, agent)",
        "The AI coding agents.",
    ),
    "model": (
        f"label_values(agtop_tokens_total{{{AGENT}}}, model)",
        "Filters panels with metrics by model.",
    ),
    "project": (
        f"label_values(agtop_project_tokens_total{{{AGENT}}}, project)",
        "Filters panels with metrics by project.",
    ),
    "session": (
        f"label_values(agtop_session_info{{{AGENT}}}, session_id)",
        "Sessions that are active or were active in the last 15 minutes.",
    ),
}
LABEL_OF = {"session": "session_id"}
"""Variables that are not called like their label."""


class Selectors:
    """Writes selectors that filter by job and instance, and by other labels of the metric."""

    def __init__(self, *filters):
        """Set the variables by which the dashboard filters."""
        self.filters = filters

    def __call__(self, metric, **matchers):
        """Return the selector of a metric in the catalogue.

        A matcher is `label="value"`, or contains its operator: `label="!=value"`.
        """
        wanted = [
            name for name in self.filters if LABEL_OF.get(name, name) in LABELS[family_of(metric)]
        ]
        names = ["job", "instance", *wanted]
        pairs = [f'{LABEL_OF.get(name, name)}=~"${name}"' for name in names]
        pairs += [_matcher(label, value) for label, value in matchers.items()]
        return f"{metric}{{{', '.join(pairs)}}}"

    def rate(self, metric, **matchers):
        """Return the increase per second over the interval of a point."""
        return f"rate({self(metric, **matchers)}[$__rate_interval])"

    def grown(self, metric, **matchers):
        """Return the increase in the time range of the dashboard."""
        return f"increase({self(metric, **matchers)}[$__range])"

    def hours(self):
        """Return the hours from the first scan in the time range of the dashboard to its end.

        After the first start, this is less than the range.
        """
        first = f"min(min_over_time({self('agtop_snapshot_timestamp_seconds')}[$__range]))"
        return f"((time() - {first}) / 3600)"

    def info(self):
        """Return the info series of each session, one per session.

        After a change of the model, a backend that receives pushes has two for some minutes.
        """
        return f"topk by ({SESSION}) (1, {self('agtop_session_info')})"

    def with_project(self, expression, added="project, model"):
        """Add project and model to the series of sessions."""
        return f"{expression} * on ({SESSION}) group_left ({added}) {self.info()}"

    def in_project(self, expression):
        """Keep the sessions of the selected projects: only the info series has the project."""
        return f"{expression} and on ({SESSION}) {self('agtop_session_info')}"

    def named(self, expression):
        """Add the project, and the end of the id as `session`, which distinguishes sessions.

        The model is not added, because a line would end when a session changes its model.
        """
        known = self.with_project(expression, added="project")
        return f'label_replace({known}, "session", "$1", "session_id", ".*(.{{8}})")'


def family_of(name):
    """Return the name of a metric in the catalogue, without the suffix of a histogram series."""
    families = {metric.name for metric in CATALOGUE if metric.kind == "histogram"}
    for suffix in HISTOGRAM_SUFFIXES:
        if name.removesuffix(suffix) in families:
            return name.removesuffix(suffix)
    return name


def _matcher(label, value):
    operator = value[:2] if value[:2] in {"!=", "=~", "!~"} else "="
    return f'{label}{operator}"{value.removeprefix(operator)}"'


def variables_of(panels, annotations=()):
    """Return the variables in the queries, and those that the linter requires."""
    targets = [target for panel in panels for target in panel.get("targets", ())]
    expressions = " ".join(query["expr"] for query in (*targets, *annotations))
    used = [name for name in SOURCES if f'"${name}"' in expressions]
    source = {
        "name": "datasource",
        "label": "Data source",
        "description": "The Prometheus that scrapes the exporters.",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }
    return [source, *(_variable(name) for name in used)]


def _variable(name):
    question, description = SOURCES[name]
    return {
        "name": name,
        "label": name.capitalize(),
        "description": description,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": question,
        "query": question,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".+" if name in {"job", "instance"} else ".*",  # no project is a project too
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }

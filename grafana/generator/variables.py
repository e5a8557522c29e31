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
    """Writes selectors that filter by job, instance and, where the metric has them, more."""

    def __init__(self, *filters):
        """Take the variables that the dashboard filters by."""
        self.filters = filters

    def __call__(self, metric, **matchers):
        """Return the selector of a metric of the catalogue.

        A matcher is `label="value"`, or has its operator with it: `label="!=value"`.
        """
        wanted = [
            name for name in self.filters if LABEL_OF.get(name, name) in LABELS[family_of(metric)]
        ]
        names = ["job", "instance", *wanted]
        pairs = [f'{LABEL_OF.get(name, name)}=~"${name}"' for name in names]
        pairs += [_matcher(label, value) for label, value in matchers.items()]
        return f"{metric}{{{', '.join(pairs)}}}"

    def rate(self, metric, **matchers):
        """Return the growth per second, as finely as the picture can show."""
        return f"rate({self(metric, **matchers)}[$__rate_interval])"

    def grown(self, metric, **matchers):
        """Return the growth in the time that the dashboard shows."""
        return f"increase({self(metric, **matchers)}[$__range])"

    def info(self):
        """Return what each session is, of one series each.

        After a change of the model a back end that is pushed to has two for some minutes.
        """
        return f"topk by ({SESSION}) (1, {self('agtop_session_info')})"

    def with_project(self, expression, added="project, model"):
        """Add project and model to the series of sessions."""
        return f"{expression} * on ({SESSION}) group_left ({added}) {self.info()}"

    def named(self, expression):
        """Add the project, and the end of the id as `session`: enough to tell sessions apart.

        Without the model: a line would end where a session changes it.
        """
        known = self.with_project(expression, added="project")
        return f'label_replace({known}, "session", "$1", "session_id", ".*(.{{8}})")'


def family_of(name):
    """Return the metric's name in the catalogue: without the suffix of a histogram's series."""
    families = {metric.name for metric in CATALOGUE if metric.kind == "histogram"}
    for suffix in HISTOGRAM_SUFFIXES:
        if name.removesuffix(suffix) in families:
            return name.removesuffix(suffix)
    return name


def _matcher(label, value):
    operator = value[:2] if value[:2] in {"!=", "=~", "!~"} else "="
    return f'{label}{operator}"{value.removeprefix(operator)}"'


def variables_of(panels):
    """Return the variables that the panels' queries use; those of the linter are always there."""
    expressions = " ".join(
        target["expr"] for panel in panels for target in panel.get("targets", ())
    )
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

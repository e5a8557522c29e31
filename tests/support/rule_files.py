"""The rule files as data, and the names of metrics in a PromQL expression."""

import re

import yaml
from places import ROOT, TESTS

RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((TESTS / "rules").glob("*.test.yml"))


def rules():
    """Return every rule of every file."""
    files = [yaml.safe_load(path.read_text()) for path in RULES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def records():
    return {rule["record"]: rule for rule in rules() if "record" in rule}


def metric_names(expression):
    """Return the names of the exporter's and the recorded metrics in an expression."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:[a-z_]+:)?agtop_[a-z0-9_]+(?::[a-z0-9_]+)?", bare))

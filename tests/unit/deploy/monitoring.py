"""The alerts and the dashboard, read for tests."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.unit.deploy.kustomize import ROOT

MONITORING = ROOT / "k8s/components/monitoring"


def read_rules() -> str:
    """Return the rule file of Prometheus that compose cuts out of the cluster's resource."""
    text = (MONITORING / "rules.yaml").read_text()
    below = text.split("\nspec:\n")[1]
    return re.sub(r"^  ", "", below, flags=re.M)


def alerts() -> list[dict[str, Any]]:
    """Return the alerts."""
    return [rule for group in yaml.safe_load(read_rules())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels that show something."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def shown() -> list[str]:
    """Return the dashboard's queries."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def queries() -> list[str]:
    """Return every query of the alerts and of the dashboard."""
    return [alert["expr"] for alert in alerts()] + shown()


def asked_for(query: str) -> Iterator[tuple[str, set[str]]]:
    """Return the samples that a query names, each with the labels it is chosen by."""
    for name, choice in re.findall(r"\b((?:cloud_archive|rabbitmq|kube)_\w+)(\{[^}]*\})?", query):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", choice))

"""Alerts, dashboard and what Prometheus reads: that they ask for what is told, and ring when they should."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from common.telemetry import metrics
from tests.unit.deploy.kustomize import ROOT, of_kind, pod_specs, render_with
from tests.unit.deploy.monitoring import MONITORING, alerts, asked_for, panels, queries, read_rules
from worker.app import create_consumer  # noqa: F401 - all that a worker counts

COMPOSE = yaml.safe_load((ROOT / "compose/docker-compose.yml").read_text())
# What others export: RabbitMQ's plugin rabbitmq_prometheus under /metrics/detailed with the families we ask for, and
# kube-state-metrics.
OTHERS = {
    "rabbitmq_detailed_queue_messages_ready": {"queue", "vhost"},
    "rabbitmq_detailed_queue_messages_unacked": {"queue", "vhost"},
    "rabbitmq_detailed_queue_consumers": {"queue", "vhost"},
    "kube_pod_container_status_last_terminated_reason": {"namespace", "pod", "container", "reason"},
    "kube_pod_container_status_restarts_total": {"namespace", "pod", "container"},
}


def exported() -> dict[str, set[str]]:
    """Return every sample's name that there is, with its labels and those that reading it adds."""
    told = dict(OTHERS)
    for registry in (metrics.WEB, metrics.WORKER):
        for family in registry.collect():
            for sample in family.samples:
                told.setdefault(sample.name, set()).update(sample.labels)
    return {name: labels | {"instance", "job", "namespace"} for name, labels in told.items()}


@pytest.mark.parametrize("query", queries())
def test_queries_ask_for_what_is_told(query: str) -> None:
    """A metric or label that nobody exports would show nothing, and never ring."""
    told, asked = exported(), list(asked_for(query))
    assert asked
    assert {name for name, _ in asked} <= told.keys()
    assert all(labels <= told[name] for name, labels in asked)
    grouped = {label for names in re.findall(r"by \(([^)]*)\)", query) for label in re.findall(r"\w+", names)}
    assert grouped <= set.union(*(told[name] for name, _ in asked))


def test_chosen_words_are_those_that_are_told() -> None:
    """An outcome that is never counted would be waited for in vain."""
    told = {
        (sample.name, label, value)
        for registry in (metrics.WEB, metrics.WORKER)
        for family in registry.collect()
        for sample in family.samples
        for label, value in sample.labels.items()
    }
    for query in queries():
        for name, choice in re.findall(r"\b(cloud_archive_\w+)\{([^}]*)\}", query):
            for label, values in re.findall(r'(\w+)(?:=~|!=|=)"([^"]*)"', choice):
                assert {(name, label, value) for value in values.split("|")} <= told


def test_every_metric_is_shown() -> None:
    """What nobody looks at need not be counted."""
    shown = {name for query in queries() for name, _ in asked_for(query)}
    families = {
        family.name for registry in (metrics.WEB, metrics.WORKER) for family in registry.collect() if family.samples
    }
    assert {name for name in families if not any(each.startswith(name) for each in shown)} == set()


def test_alerts_say_what_to_do() -> None:
    """Each has a summary, a description and a page of the runbook that exists, and a name of ours."""
    headings = re.findall(r"^### (.+)$", (ROOT / "docs/operations.md").read_text(), re.M)
    pages = {f"docs/operations.md#{heading.lower().replace(' ', '-')}" for heading in headings}
    for alert in alerts():
        assert alert["alert"].startswith("CloudArchive")
        assert alert["labels"].keys() == {"severity"}
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"] in pages


def test_alerts_ring_and_fall_silent(tmp_path: Path) -> None:
    """Prometheus' own tool finds settings and rules sound, and each does in time what alerts.yaml expects of it."""
    (tmp_path / "rules.yaml").write_text(read_rules())
    scenarios = (ROOT / "tests/unit/deploy/alerts.yaml").read_text()
    (tmp_path / "alerts.yaml").write_text(scenarios)
    settings = (ROOT / "compose/monitoring/prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(settings.replace("/tmp/rules.yaml", "rules.yaml"))
    for command in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts.yaml")):
        told = subprocess.run(
            [ROOT / "scripts/promtool", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr
    expected = [test for scenario in yaml.safe_load(scenarios)["tests"] for test in scenario["alert_rule_test"]]
    names = {alert["alert"] for alert in alerts()}
    assert {test["alertname"] for test in expected if test.get("exp_alerts")} == names
    # And silent with something there to look at, not only before anything happened.
    assert {test["alertname"] for test in expected if not test.get("exp_alerts")} == names


def test_panels_lie_side_by_side() -> None:
    """No panel covers another, and each has a title and a query with a legend."""
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"])
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    assert (dashboard["uid"], dashboard["title"]) == ("cloud_archive", "cloud_archive")


def test_the_cluster_reads_every_pod(tmp_path: Path) -> None:
    """The component fits the stage: both services and the broker are read, on ports that they have."""
    resources = render_with(tmp_path, "monitoring")
    ports = {
        name: {port["name"] for port in spec["containers"][0]["ports"]} for name, spec in pod_specs(resources).items()
    }
    monitors = {each["metadata"]["name"]: each["spec"] for each in of_kind(resources, "PodMonitor")}
    ours, broker = monitors["cloud-archive"], monitors["cloud-archive-broker"]
    for name in ours["selector"]["matchExpressions"][0]["values"]:
        assert ours["podMetricsEndpoints"][0]["port"] in ports[name]
    assert (
        broker["podMetricsEndpoints"][0]["port"] in ports[broker["selector"]["matchLabels"]["app.kubernetes.io/name"]]
    )
    maps = {each["metadata"]["name"]: each for each in of_kind(resources, "ConfigMap")}
    dashboard = maps["cloud-archive-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["dashboard.json"])["panels"]
    assert of_kind(resources, "PrometheusRule")[0]["spec"] == yaml.safe_load(read_rules())


def test_compose_reads_the_same() -> None:
    """Prometheus has the cluster's rules and asks the broker for the same; Grafana has the same dashboard."""
    prometheus, grafana = COMPOSE["services"]["prometheus"], COMPOSE["services"]["grafana"]
    mounts = [volume.split(":") for each in (prometheus, grafana) for volume in each["volumes"]]
    files = {(ROOT / "compose" / source).resolve() for source, *_ in mounts if source.startswith(".")}
    assert {MONITORING / "rules.yaml", MONITORING / "dashboard.json"} <= files
    assert all(file.is_file() for file in files)
    read = yaml.safe_load((ROOT / "compose/monitoring/prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in read["scrape_configs"]}
    assert jobs.keys() == {"web", "worker", "rabbitmq"}
    cluster = list(yaml.safe_load_all((MONITORING / "monitoring.yaml").read_text()))
    (endpoint,) = next(each["spec"]["podMetricsEndpoints"] for each in cluster if "broker" in each["metadata"]["name"])
    assert (jobs["rabbitmq"]["metrics_path"], jobs["rabbitmq"]["params"]) == (endpoint["path"], endpoint["params"])
    # What its shell makes of the cluster's resource is what the tests above look at.
    (shell,) = prometheus["command"]
    cut = shell.split(" > ")[0].replace("/etc/prometheus/rules.k8s.yaml", str(MONITORING / "rules.yaml"))
    told = subprocess.run(["sh", "-c", cut], capture_output=True, text=True, timeout=60, check=True).stdout
    assert yaml.safe_load(told) == yaml.safe_load(read_rules())
    (source,) = yaml.safe_load((ROOT / "compose/monitoring/grafana.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((ROOT / "compose/monitoring/dashboards.yml").read_text())["providers"]
    assert any(mount[1].startswith(provider["options"]["path"]) for mount in mounts)

"""The manifests that `kubectl apply -k` would send, looked at as a cluster's owner would."""

import ipaddress
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kubernetes_validate import SchemaNotFoundError, latest_version, validate

from common.clouds import CLOUDS
from common.config.settings import WebSettings, WorkerSettings
from common.messages.topology import DEAD, list_queues
from tests.unit.deploy.kustomize import OVERLAYS, ROOT, Resource, of_kind, pod_specs, render, render_with, settings

OURS = ("cloud-archive-web", "cloud-archive-worker")
# Kinds of operators, which no schema here knows.
FOREIGN = {"RabbitmqCluster"}
# The first with everything that the manifests ask for (`preStop.sleep`); docs/operations.md says so too.
OLDEST_CLUSTER = "1.30"
SECRETS = {
    "RABBITMQ_URL": "amqp://u:p@rabbitmq:5672/",
    "SECRET_KEYS": "A" * 43,
    **{each.name: "given" for cloud in CLOUDS for each in cloud.variables if each.default is None},
}


@pytest.fixture(params=OVERLAYS)
def resources(request: pytest.FixtureRequest) -> list[Resource]:
    """Each overlay's resources."""
    return render(request.param)


def check_schemas(resources: list[Resource], version: str = "") -> set[str]:
    """Check every resource against a version's schemas, the newest if none is named; return the kinds without one."""
    unknown = set()
    for resource in resources:
        try:
            validate(resource, version or latest_version(), strict=True)
        except SchemaNotFoundError:
            unknown.add(resource["kind"])
    return unknown


@pytest.mark.parametrize("version", [OLDEST_CLUSTER, latest_version()])
def test_every_resource_is_one(resources: list[Resource], version: str) -> None:
    """A misspelt field would be dropped, or refused, by the cluster, an old one or the newest."""
    assert check_schemas(resources, version) <= FOREIGN


@pytest.mark.parametrize(
    ("overlay", "components", "foreign"),
    [
        ("stage", ("keda", "monitoring"), {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule"}),
        ("prod", ("monitoring",), {"RabbitmqCluster", "PodMonitor", "PrometheusRule"}),
    ],
)
def test_all_components_fit(tmp_path: Path, overlay: str, components: tuple[str, ...], foreign: set[str]) -> None:
    """Each overlay with every optional component that goes with its broker; nothing is there twice."""
    resources = render_with(tmp_path, *components, overlay=overlay)
    assert check_schemas(resources, OLDEST_CLUSTER) == check_schemas(resources) == foreign
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in resources]
    assert len(set(names)) == len(names)


def test_what_a_cluster_must_have_is_said(resources: list[Resource]) -> None:
    """The operator's guide names what the manifests ask of a cluster and do not bring, and shows how to look."""
    guide = (ROOT / "docs/operations.md").read_text()
    (ingress,) = of_kind(resources, "Ingress")
    assert f"kubectl get ingressclass {ingress['spec']['ingressClassName']}" in guide
    assert f"create secret tls {ingress['spec']['tls'][0]['secretName']}" in guide
    claims = [claim for each in of_kind(resources, "StatefulSet") for claim in each["spec"]["volumeClaimTemplates"]]
    assert not any("storageClassName" in claim["spec"] for claim in claims)
    assert "kubectl get storageclass" in guide
    assert of_kind(resources, "HorizontalPodAutoscaler")
    assert "kubectl top nodes" in guide
    assert f"Kubernetes {OLDEST_CLUSTER} or newer" in guide


def test_keda_fits_the_stage(tmp_path: Path) -> None:
    """The optional component builds, scales our worker by our queue, and leaves nobody else to count its replicas."""
    resources = render_with(tmp_path, "keda")
    assert check_schemas(resources) == {"ScaledObject", "TriggerAuthentication"}
    (scaled,) = of_kind(resources, "ScaledObject")
    (worker,) = (each for each in of_kind(resources, "Deployment") if each["metadata"]["name"] == OURS[1])
    assert scaled["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"]
    assert "replicas" not in worker["spec"]
    assert all(isinstance(value, str) for value in scaled["spec"]["triggers"][0]["metadata"].values())
    assert scaled["spec"]["triggers"][0]["metadata"]["value"] == settings(resources)["WORKER_JOBS"]


def test_pods_may_do_nothing_they_need_not(resources: list[Resource]) -> None:
    """Pods run as the "restricted" standard demands, without a token of the cluster."""
    for pod in pod_specs(resources).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    for account in of_kind(resources, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    (namespace,) = of_kind(resources, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_our_pods_write_to_no_disk(resources: list[Resource]) -> None:
    """The root is read-only and there is no volume: a photo cannot land on a disk."""
    pods = pod_specs(resources)
    for name in OURS:
        assert "volumes" not in pods[name]
        assert [each["securityContext"]["readOnlyRootFilesystem"] for each in pods[name]["containers"]] == [True]


def test_a_brokers_cookie_stays_its_own(resources: list[Resource]) -> None:
    """A volume whose files are given to the group at every mount makes Erlang refuse its cookie at the second start."""
    for pod in pod_specs(resources).values():
        if "fsGroup" in pod["securityContext"]:
            assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_pods_are_looked_after(resources: list[Resource]) -> None:
    """Every container has all probes, on ports that it has, and bounds of its memory."""
    for pod in pod_specs(resources).values():
        for container in pod["containers"]:
            names = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container[probe].get("httpGet") or container[probe].get("tcpSocket")
                assert asked is None or asked["port"] in names
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def test_an_outage_of_the_broker_restarts_nothing(resources: list[Resource]) -> None:
    """Only readiness asks for the broker."""
    pods = pod_specs(resources)
    for name in OURS:
        (container,) = pods[name]["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_images_of_others_are_named_by_their_digests(resources: list[Resource]) -> None:
    """With the version beside it for people; ours have a version, and a digest once they were pushed."""
    named = [container["image"] for pod in pod_specs(resources).values() for container in pod["containers"]]
    named += [broker["spec"]["image"] for broker in of_kind(resources, "RabbitmqCluster")]
    assert len(named) == 3
    for image in named:
        ours = re.fullmatch(r"[a-z.]+/cloud_archive-\w+:\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", image)
        assert ours or re.fullmatch(r"[a-z/]+:\d[\w.-]+@sha256:[0-9a-f]{64}", image)


def test_our_images_are_pinned_when_they_are_pushed(tmp_path: Path) -> None:
    """`scripts/pin` names one by version and digest, and by newer ones later; nothing else changes."""
    for name in ("scripts/pin", "k8s/overlays/prod/kustomization.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    project = tmp_path / "pyproject.toml"

    def pin(*arguments: str) -> int:
        command = [sys.executable, tmp_path / "scripts/pin", *arguments]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode

    for character, version in (("a", "0.9.0"), ("b", "0.10.0")):
        project.write_text(f'[project]\nversion = "{version}"\n')
        assert pin("prod", "web", f"sha256:{character * 64}") == 0
    images = yaml.safe_load((tmp_path / "k8s/overlays/prod/kustomization.yaml").read_text())["images"]
    before = yaml.safe_load((ROOT / "k8s/overlays/prod/kustomization.yaml").read_text())["images"]
    assert images == [{**before[0], "newTag": "0.10.0", "digest": f"sha256:{'b' * 64}"}, before[1]]
    assert pin("prod", "web", "latest") == 2
    assert pin("prod", "sandbox", f"sha256:{'a' * 64}") == 1
    assert pin("nowhere", "web", f"sha256:{'a' * 64}") == 1


def test_the_brokers_pods_are_closed_too(resources: list[Resource]) -> None:
    """Its root is read-only like ours; what an operator makes is overridden so."""
    pods = [pod for name, pod in pod_specs(resources).items() if name not in OURS]
    clusters = of_kind(resources, "RabbitmqCluster")
    pods += [cluster["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"] for cluster in clusters]
    assert len(pods) == 1
    for pod in pods:
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 999)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
        for volume in pod["volumes"]:
            assert "configMap" in volume or "sizeLimit" in volume["emptyDir"]


def broker_settings(resources: list[Resource]) -> str:
    """Return what the broker is configured with."""
    told = [broker["spec"]["rabbitmq"]["additionalConfig"] for broker in of_kind(resources, "RabbitmqCluster")]
    for each in of_kind(resources, "ConfigMap"):
        told += [text for name, text in each["data"].items() if name.endswith(".conf")]
    (settings,) = told
    return str(settings)


def test_dead_messages_expire(resources: list[Resource]) -> None:
    """They hold sealed permissions: a policy of the broker's lets them go after two weeks, wherever it runs."""
    assert find_policy(broker_settings(resources)) == {
        "vhost_pattern": ".*",
        "queue_pattern": "^cloud_archive[.]dead$",
        "message_ttl": "14d",
    }
    assert find_policy((ROOT / "compose/rabbitmq.conf").read_text()) == find_policy(broker_settings(resources))
    pattern = find_policy(broker_settings(resources))["queue_pattern"]
    assert [queue.name for queue in list_queues() if re.search(pattern, queue.name)] == [DEAD]


def find_policy(settings: str) -> dict[str, str]:
    """Return the operator policy that a broker's settings hold."""
    return dict(re.findall(r"^default_policies\.operator\.cloud_archive_dead\.(\w+) = (.+)$", settings, re.M))


def test_who_is_told_to_stop_has_time_for_it(resources: list[Resource]) -> None:
    """SIGKILL comes after the grace that the services take themselves."""
    pods = pod_specs(resources)
    grace = float(settings(resources)["SHUTDOWN_GRACE_SECONDS"])
    assert pods["cloud-archive-worker"]["terminationGracePeriodSeconds"] >= grace + 5
    web = pods["cloud-archive-web"]
    before = web["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    # web/__main__.py's GRACE_SECONDS.
    assert web["terminationGracePeriodSeconds"] >= before + 32 + 5


def test_a_rollout_takes_nobody_away_first(resources: list[Resource]) -> None:
    """A new pod is ready before an old one goes, and a drain takes one at a time."""
    for deployment in of_kind(resources, "Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    budgets = {
        each["metadata"]["name"]: each["spec"]["maxUnavailable"] for each in of_kind(resources, "PodDisruptionBudget")
    }
    assert {name: budgets[name] for name in OURS} == dict.fromkeys(OURS, 1)


def test_selectors_find_their_pods(resources: list[Resource]) -> None:
    """What selects by labels selects pods that exist."""
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(resources, "Deployment", "StatefulSet")]
    for each in of_kind(resources, "Service", "PodDisruptionBudget", "Deployment", "StatefulSet"):
        selector = each["spec"]["selector"].get("matchLabels", each["spec"]["selector"])
        operated = selector == {"app.kubernetes.io/name": "rabbitmq"}
        assert operated or any(selector.items() <= labels.items() for labels in pods)


def test_the_ingress_takes_our_paths_only(resources: list[Resource]) -> None:
    """The gallery's /cloud_archive/done on the same host is never taken, nor is anything of operators."""
    (ingress,) = of_kind(resources, "Ingress")
    (rule,) = ingress["spec"]["rules"]
    paths = [(path["path"], path["pathType"]) for path in rule["http"]["paths"]]

    def is_taken(asked: str) -> bool:
        return any(
            asked == path or (kind == "Prefix" and asked.startswith(path.rstrip("/") + "/")) for path, kind in paths
        )

    ours = ["/cloud_archive", "/cloud_archive/callback/yadisk", "/cloud_archive/jobs/x", "/cloud_archive/jobs/x/events"]
    assert [is_taken(path) for path in ours] == [True] * 4
    others = ["/cloud_archive/done", "/cloud_archive/", "/", "/metrics", "/docs", "/healthz", "/cloud_archive/jobsx"]
    assert [is_taken(path) for path in others] == [False] * 7
    assert all(kind in ("Exact", "Prefix") for _, kind in paths)
    assert f"https://{rule['host']}" == settings(resources)["PUBLIC_BASE_URL"]
    assert [rule["host"]] == ingress["spec"]["tls"][0]["hosts"]


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "169.254.169.254", "172.20.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fe80::1"],
)
def test_nothing_private_is_reached(resources: list[Resource], address: str) -> None:
    """No rule lets our pods reach a private or metadata address, only the public internet by https."""
    place = ipaddress.ip_address(address)
    blocks = [
        (to["ipBlock"], rule["ports"])
        for policy in of_kind(resources, "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for to in rule.get("to", [])
        if "ipBlock" in to
    ]
    assert blocks
    for block, ports in blocks:
        networks = [ipaddress.ip_network(each) for each in (block["cidr"], *block["except"])]
        assert place not in networks[0] or any(place in network for network in networks[1:])
        assert ports == [{"port": 443, "protocol": "TCP"}]


def test_the_services_take_these_settings(resources: list[Resource]) -> None:
    """With the ConfigMap and the secrets' keys both services start: the right gallery, guarded, every cloud."""
    environment = {**settings(resources), **SECRETS}
    variables = {cloud.name: cloud.variables for cloud in CLOUDS}
    web, worker = WebSettings.read(environment, variables), WorkerSettings.read(environment, variables)
    assert worker.gallery_base_url == web.public_base_url
    assert set(web.clouds) == set(worker.clouds) == set(variables)
    assert not web.network.allow_private
    pods = pod_specs(resources)
    assert pods["cloud-archive-web"]["containers"][0]["ports"][0]["containerPort"] == web.port
    assert pods["cloud-archive-worker"]["containers"][0]["ports"][0]["containerPort"] == worker.port

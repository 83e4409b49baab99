"""The manifests of deploy/kubernetes, as far as they can be checked without a cluster."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gong_worker.cli import COMMANDS
from gong_worker.settings_registry import settings_classes

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
NAME = "app.kubernetes.io/name"


def documents(folder: str) -> Iterator[dict[str, Any]]:
    """Everything that a kustomization of ours names."""
    named = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text())
    for file in named.get("resources", ()):
        yield from yaml.safe_load_all((FOLDER / folder / file).read_text())


COMPONENTS = ("relay", "metrics", "keda", "oauth")
MANIFESTS = [*documents("base"), *documents("relay"), *documents("metrics")]
WORKLOADS = [one for one in MANIFESTS if one["kind"] in ("Deployment", "Job")]
SECRETS = {
    one["metadata"]["name"]: set(one["stringData"])
    for one in yaml.safe_load_all((FOLDER / "secrets.example.yaml").read_text())
}


def kinds(kind: str) -> list[dict[str, Any]]:
    return [one for one in MANIFESTS if one["kind"] == kind]


def pod_of(workload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod's spec and its only container."""
    spec = workload["spec"]["template"]["spec"]
    [container] = spec["containers"]
    return spec, container


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_each_manifest_is_what_the_api_takes(version: str) -> None:
    """No unknown field and no wrong type, by the schemas of the oldest and the newest release we name."""
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, version, strict=True)


def kustomized(folder: Path, *components: str) -> list[dict[str, Any]]:
    """What kustomize makes of the base with these components."""
    for name in ("base", *components):
        shutil.copytree(FOLDER / name, folder / name)
    (folder / "kustomization.yaml").write_text(
        f"resources: [base]\ncomponents: [{', '.join(components)}]\nnamespace: gong-views\n"
    )
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kustomize comes with kubectl, which is not on PATH"
)
def test_kustomize_builds_it(tmp_path: Path) -> None:
    """kustomize itself joins base and component; nothing gets lost, everything is in the namespace."""
    built = kustomized(tmp_path, *COMPONENTS)
    assert sorted(one["kind"] for one in built) == sorted(
        one["kind"] for one in [*MANIFESTS, *documents("keda")]
    )
    assert {one["metadata"].get("namespace") for one in built if one["kind"] != "Namespace"} == {"gong-views"}
    [worker] = (
        one for one in built if (one["kind"], one["metadata"]["name"]) == ("Deployment", "gong-views-worker")
    )
    assert "replicas" not in worker["spec"]  # or each apply would undo what KEDA has scaled
    _, container = pod_of(worker)
    [secret] = yaml.safe_load_all((FOLDER / "oauth" / "secret.example.yaml").read_text())
    assert secret["metadata"]["name"] == worker["metadata"]["name"]
    given = {one["name"]: one["value"] for one in container["env"]}
    folder = "/etc/gong-views/secrets/"
    files = {name: value.removeprefix(folder) for name, value in given.items() if value.startswith(folder)}
    assert set(files.values()) == set(secret["stringData"])
    assert {name for name in files if name.startswith("GONG_")} == {
        "GONG_OAUTH_CLIENT_ID_FILE", "GONG_OAUTH_CLIENT_SECRET_FILE", "GONG_OAUTH_KEY_FILE",
    }  # fmt: skip


def test_keda_scales_what_there_is_by_what_is_served() -> None:
    """Its target is the workers' deployment; every metric of its query is one of docs/metrics.md."""
    [scaler] = documents("keda")
    assert scaler["spec"]["scaleTargetRef"]["name"] in {
        one["metadata"]["name"] for one in kinds("Deployment")
    }
    metrics = (FOLDER.parents[1] / "docs" / "metrics.md").read_text()
    for trigger in scaler["spec"]["triggers"]:
        for name in re.findall(r"gong_views_\w+", trigger["metadata"]["query"]):
            assert f"| `{name}` |" in metrics


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one["metadata"]["name"])
def test_each_pod_runs_what_there_is_with_least_rights(workload: dict[str, Any]) -> None:
    """Command and variables exist, secret files are in a Secret of its own, and it has no right it can do without."""
    spec, container = pod_of(workload)
    name = workload["metadata"]["name"]
    assert container["args"][0] in COMMANDS
    known = {str(field.validation_alias) for one in settings_classes() for field in one.model_fields.values()}
    config = {one["metadata"]["name"]: one["data"] for one in kinds("ConfigMap")}
    given = {one["name"]: one["value"] for one in container["env"]}
    for source in container.get("envFrom", ()):
        given |= config[source["configMapRef"]["name"]]
    assert {variable.removesuffix("_FILE") for variable in given} <= known
    [secret] = (volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume)
    assert secret == name
    folder = "/etc/gong-views/secrets/"
    assert {value.removeprefix(folder) for value in given.values() if value.startswith(folder)} == SECRETS[
        secret
    ]

    assert spec["automountServiceAccountToken"] is spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["resources"]["limits"]["memory"]
    assert (name == "gong-views-worker") == any(variable.startswith("GONG_ACCESS") for variable in given)


def test_whatever_selects_pods_finds_them() -> None:
    """Services, budgets, policies and deployments select the labels that the pods have, and ports that they open."""
    labels = {one["spec"]["template"]["metadata"]["labels"][NAME]: pod_of(one)[1] for one in WORKLOADS}
    for one in kinds("Deployment"):
        assert one["spec"]["selector"]["matchLabels"] == one["spec"]["template"]["metadata"]["labels"]
    for one in kinds("Service"):
        ports = {port["name"] for port in labels[one["spec"]["selector"][NAME]]["ports"]}
        assert {port["targetPort"] for port in one["spec"]["ports"]} <= ports
    for one in kinds("PodDisruptionBudget"):
        assert one["spec"]["selector"]["matchLabels"][NAME] in labels
    policies = {
        one["spec"]["podSelector"].get("matchLabels", {}).get(NAME): one["spec"]
        for one in kinds("NetworkPolicy")
    }
    assert set(policies) == {None, *labels}
    for name, container in labels.items():
        opened = {port["containerPort"] for port in container.get("ports", ())}
        let_in = {port["port"] for rule in policies[name].get("ingress", ()) for port in rule["ports"]}
        assert let_in == opened
        to_gong = any({"port": 443} in rule["ports"] for rule in policies[name]["egress"])
        assert to_gong == (name == "gong-views-worker")


def test_workers_are_not_restarted_for_an_outage_and_may_finish_their_calls() -> None:
    """The worker's liveness asks Redis nothing; its grace period is longer than its longest call."""
    from gong_worker.settings import DEFAULT_REQUEST_TIMEOUT_SECONDS as longest

    [worker] = (one for one in WORKLOADS if one["metadata"]["name"] == "gong-views-worker")
    spec, container = pod_of(worker)
    assert container["livenessProbe"]["exec"]["command"] == ["gong-views", "worker", "--health"]
    assert spec["terminationGracePeriodSeconds"] > longest
    for one in WORKLOADS:
        for probe in ("livenessProbe", "startupProbe"):
            assert pod_of(one)[1].get(probe, {}).get("httpGet", {}).get("path") != "/readyz"

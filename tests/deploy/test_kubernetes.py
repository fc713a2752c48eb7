"""The Kubernetes manifests: their schemas, and their consistency."""

from __future__ import annotations

from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml
from deploy.manifests import (
    DEPLOY,
    IMAGE,
    KUSTOMIZATIONS,
    Manifest,
    built,
    containers,
    of_kind,
    ours,
    pod,
    setting,
    yaml_files,
)

# The oldest with sidecars without a feature gate, and the newest with schemas.
KUBERNETES_VERSIONS = ["1.29", kubernetes_validate.latest_version()]

CUSTOM = {"ServiceMonitor"}
"""Kinds that Kubernetes itself does not have."""

COMPLETE = [
    path
    for folder in ("sidecar", "shared/base")
    for path in sorted((DEPLOY / "kubernetes" / folder).glob("*.yaml"))
    if path.name != "kustomization.yaml"
]
"""Files with a complete manifest each, not a patch."""

every_kustomization = pytest.mark.parametrize("name", KUSTOMIZATIONS)


def check(manifest: Manifest, kubernetes: str) -> None:
    kubernetes_validate.validate(manifest, kubernetes, strict=True)


@pytest.mark.parametrize("path", yaml_files(), ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_yaml_file_is_parsed(path: Any) -> None:
    assert all(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_every_kustomization_is_tested() -> None:
    root = DEPLOY / "kubernetes"
    there = [path.parent for path in root.rglob("kustomization.yaml")]
    assert sorted(KUSTOMIZATIONS) == sorted(
        str(path.relative_to(root)) for path in there if path.parent.name != "components"
    )


@pytest.mark.parametrize("kubernetes", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("path", COMPLETE, ids=lambda path: path.name)
def test_every_file_conforms_to_the_schemas(path: Any, kubernetes: str) -> None:
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        check(manifest, kubernetes)


@pytest.mark.parametrize("kubernetes", KUBERNETES_VERSIONS)
@every_kustomization
def test_every_build_conforms_to_the_schemas(name: str, kubernetes: str) -> None:
    manifests = [each for each in built(name) if each["kind"] not in CUSTOM]
    assert manifests
    for manifest in manifests:
        check(manifest, kubernetes)


def test_schemas_reject_a_misspelled_field() -> None:
    manifest = yaml.safe_load(COMPLETE[0].read_text(encoding="utf-8"))
    manifest["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError, match="enableServiceLink"):
        check(manifest, KUBERNETES_VERSIONS[-1])


SERVICE_MONITOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "ServiceMonitor"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["selector", "endpoints"],
            "properties": {
                "selector": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "matchLabels": {
                            "type": "object",
                            "additionalProperties": {"type": "string"},
                        }
                    },
                },
                "endpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "port": {"type": "string"},
                            "path": {"type": "string"},
                            "interval": {"type": "string", "pattern": r"^[0-9]+(ms|s|m|h)$"},
                            "scrapeTimeout": {"type": "string", "pattern": r"^[0-9]+(ms|s|m|h)$"},
                            "scheme": {"enum": ["http", "https"]},
                        },
                    },
                },
            },
        },
    },
}
"""The part of Prometheus Operator's ServiceMonitor that deploy/ may use; see its API reference."""


def test_service_monitor_conforms_to_its_schema() -> None:
    [monitor] = of_kind(built("shared/overlays/monitoring"), "ServiceMonitor")
    jsonschema.validate(monitor, SERVICE_MONITOR)
    monitor["spec"]["endpoints"][0]["intervall"] = "30s"
    with pytest.raises(jsonschema.ValidationError, match="intervall"):
        jsonschema.validate(monitor, SERVICE_MONITOR)


def test_service_monitor_selects_the_admin_port() -> None:
    manifests = built("shared/overlays/monitoring")
    [monitor] = of_kind(manifests, "ServiceMonitor")
    [service] = of_kind(manifests, "Service")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


@every_kustomization
def test_image_has_the_current_version(name: str) -> None:
    images = {each["image"] for each in containers(built(name)) if each["name"] != "my-service"}
    assert images == {IMAGE}


@pytest.mark.proves("S72")
@every_kustomization
def test_containers_run_unprivileged_and_non_root(name: str) -> None:
    manifests = built(name)
    shared = pod(manifests)["securityContext"]
    assert shared["runAsNonRoot"] is True
    assert (shared["runAsUser"], shared["runAsGroup"], shared["fsGroup"]) == (65532,) * 3
    assert shared["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(manifests)["automountServiceAccountToken"] is False
    for container in containers(manifests):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@every_kustomization
def test_containers_have_requests_and_limits(name: str) -> None:
    for container in containers(built(name)):
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def port_numbers(container: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container["ports"]}


@every_kustomization
def test_probe_path_and_port_match_the_listener(name: str) -> None:
    manifests = built(name)
    container = ours(manifests)
    ports = port_numbers(container)
    admin = int(setting(manifests, "admin-listen").rpartition(":")[2])
    found = {}
    for meaning in ("startup", "readiness", "liveness"):
        probe = container[f"{meaning}Probe"]
        if "grpc" in probe:
            listen = setting(manifests, "listen")
            assert probe["grpc"]["port"] == int(listen.rpartition(":")[2])
            # gRPC probes of Kubernetes do not support TLS.
            assert not setting(manifests, "tls-cert")
            found[meaning] = "grpc"
        else:
            assert ports[probe["httpGet"]["port"]] == admin
            found[meaning] = probe["httpGet"]["path"]
    assert found == {
        "startup": "/startupz",
        "readiness": "grpc" if name.endswith("emulator") else "/readyz",
        "liveness": "/livez",
    }


@pytest.mark.parametrize("name", [name for name in KUSTOMIZATIONS if name != "sidecar"])
def test_headless_service_targets_the_listeners(name: str) -> None:
    manifests = built(name)
    [service] = of_kind(manifests, "Service")
    [deployment] = of_kind(manifests, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= labels.items()
    ports = port_numbers(ours(manifests))
    leads_to = {port["name"]: ports[port["targetPort"]] for port in service["spec"]["ports"]}
    assert leads_to == {
        "grpc": int(setting(manifests, "listen").rpartition(":")[2]),
        "admin": int(setting(manifests, "admin-listen").rpartition(":")[2]),
    }


def test_disruption_budget_keeps_a_replica() -> None:
    manifests = built("shared/base")
    [deployment] = of_kind(manifests, "Deployment")
    [budget] = of_kind(manifests, "PodDisruptionBudget")
    [autoscaler] = of_kind(manifests, "HorizontalPodAutoscaler")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert autoscaler["spec"]["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    assert autoscaler["spec"]["minReplicas"] > budget["spec"]["maxUnavailable"]
    assert "replicas" not in deployment["spec"]


@every_kustomization
def test_pod_grace_period_exceeds_drain_time(name: str) -> None:
    manifests = built(name)
    delay = float(setting(manifests, "drain-delay") or 0)
    grace = float(setting(manifests, "drain-grace"))
    assert delay + grace + 5 <= pod(manifests)["terminationGracePeriodSeconds"]


@every_kustomization
def test_volumes_and_mounts_correspond(name: str) -> None:
    manifests = built(name)
    mounts = [mount for each in containers(manifests) for mount in each.get("volumeMounts", [])]
    volumes = {volume["name"] for volume in pod(manifests).get("volumes", [])}
    assert {mount["name"] for mount in mounts} == volumes
    # A mount with subPath is not updated when the Secret changes.
    assert not any("subPath" in mount for mount in mounts)


@every_kustomization
def test_files_of_settings_are_in_mounted_secrets(name: str) -> None:
    manifests = built(name)
    secrets = {v["name"] for v in pod(manifests).get("volumes", []) if "secret" in v}
    folders = {m["mountPath"] for m in ours(manifests)["volumeMounts"] if m["name"] in secrets}
    flags = ("access-key-file", "tls-cert", "tls-key", "tls-client-ca")
    files = [path for flag in flags if (path := setting(manifests, flag))]
    assert {path.rpartition("/")[0] for path in files} == folders


def test_both_containers_mount_the_socket_folder() -> None:
    manifests = built("sidecar")
    socket = setting(manifests, "listen")
    [application] = pod(manifests)["containers"]
    assert application["env"] == [{"name": "ROOMS_GATEWAY_ADDRESS", "value": socket}]
    folder = socket.removeprefix("unix:").rpartition("/")[0]
    for container in containers(manifests):
        assert folder in {mount["mountPath"] for mount in container["volumeMounts"]}
    [volume] = [v for v in pod(manifests)["volumes"] if "emptyDir" in v]
    assert volume["name"] == "rooms-socket"
    assert ours(manifests)["restartPolicy"] == "Always"


@pytest.mark.proves("S74")
@pytest.mark.parametrize(
    "name", [name for name in KUSTOMIZATIONS if "overlays/emulator" not in name]
)
def test_remote_clients_need_a_certificate(name: str) -> None:
    manifests = built(name)
    unix = setting(manifests, "listen").startswith("unix:")
    assert unix or (setting(manifests, "tls-cert") and setting(manifests, "tls-client-ca"))


@pytest.mark.proves("S75")
def test_workload_identity_pod_has_no_access_key() -> None:
    manifests = built("shared/overlays/workload-identity")
    assert setting(manifests, "entra") == "workload-identity"
    assert setting(manifests, "access-key-file") == ""
    assert "access-key" not in {volume["name"] for volume in pod(manifests)["volumes"]}
    [deployment] = of_kind(manifests, "Deployment")
    [account] = of_kind(manifests, "ServiceAccount")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels["azure.workload.identity/use"] == "true"
    assert "azure.workload.identity/client-id" in account["metadata"]["annotations"]
    assert pod(manifests)["serviceAccountName"] == account["metadata"]["name"]

"""The templates for containers: Prefect's own plus what is listed here, accepted by Prefect, and asking for GPUs."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

POOLS = Path(__file__).resolve().parents[2] / "flows" / "pools"
BUNDLED = "server/api/collections_data/views/aggregate-worker-metadata.json"

MANIFEST = "job_configuration.job_manifest.spec.template.spec"
ADDED: dict[str, dict[str, Any]] = {
    "kubernetes": {
        f"{MANIFEST}.containers.0.resources.limits.nvidia.com/gpu": "{{ gpus }}",
        f"{MANIFEST}.containers.0.resources.requests.nvidia.com/gpu": "{{ gpus }}",
        f"{MANIFEST}.containers.0.volumeMounts.0.mountPath": "{{ workspace }}",
        f"{MANIFEST}.containers.0.volumeMounts.0.name": "workspace",
        f"{MANIFEST}.containers.0.volumeMounts.1.mountPath": "/dev/shm",
        f"{MANIFEST}.containers.0.volumeMounts.1.name": "memory",
        f"{MANIFEST}.containers.0.workingDir": "{{ workspace }}",
        f"{MANIFEST}.terminationGracePeriodSeconds": 60,
        f"{MANIFEST}.volumes.0.name": "workspace",
        f"{MANIFEST}.volumes.0.persistentVolumeClaim.claimName": "{{ claim }}",
        f"{MANIFEST}.volumes.1.emptyDir.medium": "Memory",
        f"{MANIFEST}.volumes.1.emptyDir.sizeLimit": "{{ shm_size }}",
        f"{MANIFEST}.volumes.1.name": "memory",
        "claim": "rosphere",
        "env": {"DO_NOT_TRACK": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"},
        "finished_job_ttl": 86400,
        "gpus": 1,
        "image": "rosphere:latest",
        "name": "rosphere",
        "pod_watch_timeout_seconds": 600,
        "shm_size": "8Gi",
        "workspace": "/workspace",
    },
    "docker": {
        "job_configuration.container_create_kwargs.device_requests.0.capabilities.0.0": "gpu",
        "job_configuration.container_create_kwargs.device_requests.0.count": "{{ gpus }}",
        "job_configuration.container_create_kwargs.device_requests.0.driver": "nvidia",
        "job_configuration.container_create_kwargs.shm_size": "{{ shm_size }}",
        "auto_remove": True,
        "env": {"DO_NOT_TRACK": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"},
        "gpus": -1,
        "image": "rosphere:latest",
        "image_pull_policy": "IfNotPresent",
        "name": "rosphere",
        "shm_size": "8g",
        "volumes": ["/workspace:/workspace", "/tmp/rosphere-gpu-locks:/tmp/rosphere-gpu-locks"],
    },
}
KINDS = sorted(ADDED)


def ours(kind: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((POOLS / f"{kind}.json").read_text(encoding="utf-8"))
    return template


def theirs(kind: str) -> dict[str, Any]:
    views = json.loads(files("prefect").joinpath(BUNDLED).read_text(encoding="utf-8"))
    template: dict[str, Any] = views[f"prefect-{kind}"][kind]["default_base_job_configuration"]
    return template


def leaves(node: Any, path: str) -> dict[str, Any]:
    if isinstance(node, dict | list):
        inner = node.items() if isinstance(node, dict) else enumerate(node)
        return {key: value for name, child in inner for key, value in leaves(child, f"{path}.{name}").items()}
    return {path: node}


def defaults(template: dict[str, Any]) -> dict[str, Any]:
    return {name: p["default"] for name, p in template["variables"]["properties"].items() if "default" in p}


def settings(template: dict[str, Any]) -> dict[str, Any]:
    return leaves(template["job_configuration"], "job_configuration") | defaults(template)


def rendered(kind: str, **values: Any) -> dict[str, Any]:
    from prefect.utilities.templating import apply_values

    template = ours(kind)
    configuration: dict[str, Any] = apply_values(template["job_configuration"], defaults(template) | values)
    return configuration


@pytest.mark.parametrize("kind", KINDS)
def test_this_is_all_that_differs_from_prefects_own(kind: str) -> None:
    mine, its = settings(ours(kind)), settings(theirs(kind))
    assert {key: value for key, value in mine.items() if key not in its or its[key] != value} == ADDED[kind]
    assert set(its) <= set(mine)


@pytest.mark.parametrize("kind", KINDS)
def test_prefect_accepts_it(kind: str) -> None:
    from prefect.server.schemas.actions import WorkPoolCreate

    WorkPoolCreate(name="cluster", type=kind, base_job_template=ours(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_an_undeclared_placeholder_is_refused(kind: str) -> None:
    from prefect.server.schemas.actions import WorkPoolCreate

    template = ours(kind)
    del template["variables"]["properties"]["gpus"]
    with pytest.raises(ValidationError, match=r"undeclared variable\(s\): gpus"):
        WorkPoolCreate(name="cluster", type=kind, base_job_template=template)


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_fit_the_schema_and_nonsense_does_not(kind: str) -> None:
    from prefect.utilities.schema_tools import validate

    template = ours(kind)
    assert validate(defaults(template), template["variables"]) == []
    assert validate({"gpus": -2}, template["variables"]) and validate({"gpus": "two"}, template["variables"])


def test_a_kubernetes_job_asks_for_its_gpus_workspace_and_shared_memory() -> None:
    pod = rendered("kubernetes", gpus=2, cpu_request="8")["job_manifest"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 2}, "requests": {"cpu": "8", "nvidia.com/gpu": 2}}
    assert {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]} == {
        "/workspace": "workspace",
        "/dev/shm": "memory",
    }
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "rosphere"}
    assert {volume["name"] for volume in pod["volumes"]} == {mount["name"] for mount in container["volumeMounts"]}


def test_a_docker_container_sees_the_gpus() -> None:
    assert rendered("docker")["container_create_kwargs"] == {
        "device_requests": [{"driver": "nvidia", "count": -1, "capabilities": [["gpu"]]}],
        "shm_size": "8g",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_prefects_worker_for_it_can_use_it(kind: str) -> None:
    """Where the packages prefect-kubernetes and prefect-docker are installed; the project does not need them."""
    worker = pytest.importorskip(f"prefect_{kind}.worker")
    configuration = getattr(worker, f"{kind.title()}WorkerJobConfiguration")
    made = asyncio.run(configuration.from_template_and_values(ours(kind), {"gpus": 3}, client=object()))
    assert made.env == ADDED[kind]["env"]
    if kind == "kubernetes":
        container = made.job_manifest["spec"]["template"]["spec"]["containers"][0]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 3
    else:
        assert made.container_create_kwargs["device_requests"][0]["count"] == 3

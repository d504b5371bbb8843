"""What starts the back ends elsewhere: compose file, Dockerfile, Kubernetes manifests, Prefect work pools."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from platformdirs import user_cache_path
from prefect.utilities.templating import apply_values

from lorag.params_file import load_params
from tests.servers import ROOT

INFRA = ROOT / "infra"
KUBERNETES = INFRA / "kubernetes"
KUBERNETES_VERSION = "1.33"
COMPOSE_GO = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
SECRETS = {"LORAG_SERVE_KEY", "POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "WEAVIATE_API_KEY"}


class ComposeLoader(yaml.SafeLoader):
    """Reads compose's own tags as what they hold."""


ComposeLoader.add_constructor("!reset", lambda loader, node: None)
ComposeLoader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The services of the compose file; one that extends another's has what that brings."""
    read: dict[str, dict[str, Any]] = ComposeLoader((INFRA / "compose.yaml").read_text()).get_single_data()["services"]
    base = yaml.safe_load((INFRA / "weaviate/compose.yaml").read_text())["services"]
    return {
        name: {**base.get(service.get("extends", {}).get("service"), {}), **service} for name, service in read.items()
    }


def test_each_service_has_a_pinned_image_and_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    assert {
        "postgres",
        "s3",
        "mlflow",
        "prefect-server",
        "prefect-worker",
        "serve",
        "weaviate",
        "weaviate-3",
    } <= services.keys()
    for name, service in services.items():
        assert re.search(r":[\w.-]*\d", service["image"]), f"{name}: {service['image']}"
        assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys(), name
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports") or ()), name


def test_secrets_have_no_defaults() -> None:
    for path in (INFRA / "compose.yaml", INFRA / "weaviate/compose.yaml"):
        uses = re.findall(r"\$\{(\w+)(:?[?-]?)", path.read_text())
        assert {name for name, _ in uses} <= {*SECRETS, "KNOWLEDGE", "WEAVIATE_URL"}
        assert all(sign == ":?" for name, sign in uses if name in SECRETS), uses
        values = re.findall(r"^ *\w*(?:PASSWORD|SECRET\w*|_KEYS?): *(\S+)", path.read_text(), re.MULTILINE)
        assert all(value.startswith("${") for value in values), values


@pytest.mark.slow
def test_the_compose_file_keeps_to_the_specification() -> None:
    """Read by compose's own library, which checks the schema and follows `extends`.

    Its command fills no variables in from the environment, so these stay as they are written.
    """
    command = [go_program(COMPOSE_GO, "compose-go-2.16.2", "cmd"), "-no-interpolation", "compose.yaml"]
    found = subprocess.run(command, cwd=INFRA, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    services = yaml.safe_load(found.stdout)["services"]
    nodes = {name: service for name, service in services.items() if name.startswith("weaviate")}
    assert {name: service["profiles"] for name, service in nodes.items()} == {
        "weaviate": ["single"],
        "weaviate-1": ["cluster"],
        "weaviate-2": ["cluster"],
        "weaviate-3": ["cluster"],
    }
    for name, node in nodes.items():
        assert "${WEAVIATE_API_KEY:?" in str(node["environment"]), "it came with the file that is extended"
        assert bool(node.get("ports")) == (name == "weaviate"), "three nodes cannot share one port"
        assert [volume["source"] for volume in node["volumes"]] == [name]


def test_the_image_is_built_from_files_that_are_there_and_sent() -> None:
    text = (INFRA / "Dockerfile").read_text()
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists(), name
        assert f"!{name}" in sent, f"{name} does not reach the builder"


def documents(path: Path) -> Iterator[dict[str, Any]]:
    yield from (document for document in yaml.safe_load_all(path.read_text()) if document)


MANIFESTS = sorted(path for path in KUBERNETES.rglob("*.yaml") if path.name != "kustomization.yaml")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_valid_and_bounded(path: Path) -> None:
    for document in documents(path):
        assert_valid(document)


def assert_valid(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)
    if document["kind"] not in ("Deployment", "StatefulSet", "Job"):
        return
    pod = document["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["serviceAccountName"] in ("lorag", "prefect-worker")
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        for bound in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][bound].keys(), container["name"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        if document["kind"] == "Deployment" and container.get("ports"):
            assert {"readinessProbe", "livenessProbe", "startupProbe"} <= container.keys()
        for variable in container.get("env", ()):
            if re.search("PASSWORD|SECRET|API_KEYS|URI$|DATABASE", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"], variable["name"]


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["base", "overlays/small", "overlays/gpu", "overlays/vllm"])
def test_kustomize_builds_what_validates(folder: str) -> None:
    binary = go_program(KUSTOMIZE, "kustomize-5.7.1", "kustomize")
    built = subprocess.run([binary, "build", KUBERNETES / folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    found = list(yaml.safe_load_all(built.stdout))
    for document in found:
        assert_valid(document)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "lorag"
    images = {
        container["image"]
        for document in found
        if "template" in document.get("spec", {})
        for container in document["spec"]["template"]["spec"]["containers"]
    }
    others = {"cr.weaviate.io/semitechnologies/weaviate:1.35.2", "vllm/vllm-openai:v0.11.0"}
    assert images <= {"lorag:0.1.0", *others} and "lorag:0.1.0" in images
    if folder != "overlays/gpu":
        (weaviate,) = (document for document in found if document["kind"] == "StatefulSet")
        assert weaviate["spec"]["replicas"] == 3
    else:
        (job,) = found
        limits = job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert int(limits["nvidia.com/gpu"]) == 1


def test_the_service_is_rolled_without_losing_a_question() -> None:
    """A new pod is ready first; the old one is asked nothing new, and has the time for its longest answer."""
    (deployment,) = (each for each in documents(KUBERNETES / "base/serve.yaml") if each["kind"] == "Deployment")
    spec, pod = deployment["spec"], deployment["spec"]["template"]["spec"]
    assert spec["replicas"] >= 2 and spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (serve,) = (container for container in pod["containers"] if container["name"] == "serve")
    (_, pause) = serve["lifecycle"]["preStop"]["exec"]["command"]
    deadline_s = load_params(ROOT / "params.yaml").service.deadline_s
    assert pod["terminationGracePeriodSeconds"] > deadline_s + float(pause) and float(pause) >= 5
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = serve[name]["httpGet"]
        assert {"name": "Host", "value": "localhost"} in probe["httpHeaders"], "the guard refuses the pod's address"
        assert probe["path"] == ("/readyz" if name == "readinessProbe" else "/healthz")


def test_every_pod_is_named_by_a_network_policy() -> None:
    pods = {
        document["spec"]["template"]["metadata"]["labels"]["app"]
        for path in MANIFESTS
        for document in documents(path)
        if "template" in document.get("spec", {})
    }
    every = [document for path in MANIFESTS for document in documents(path)]
    policies = [document for document in every if document["kind"] == "NetworkPolicy"]
    assert [policy["metadata"]["name"] for policy in policies if policy["spec"]["podSelector"] == {}] == [
        "closed",
        "names",
    ]
    named: set[str] = set()
    for policy in policies:
        selector = policy["spec"]["podSelector"]
        named.update(selector.get("matchLabels", {}).values())
        named.update(value for each in selector.get("matchExpressions", ()) for value in each["values"])
    assert pods <= named


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_a_work_pool_is_filled_from_its_variables(kind: str) -> None:
    template = json.loads((INFRA / "prefect" / f"{kind}.json").read_text())
    variables = template["variables"]["properties"]
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    assert used == variables.keys()
    assert template["job_configuration"].keys() <= known_keys(kind)
    if kind == "kubernetes":
        values = {name: variable["default"] for name, variable in variables.items() if "default" in variable}
        # What the worker itself puts in.
        values |= {"labels": {"a": "b"}, "name": "refresh", "env": [{"name": "A", "value": "b"}], "command": ["python"]}
        assert_valid(apply_values(template["job_configuration"]["job_manifest"], values))


def known_keys(kind: str) -> set[str]:
    """The settings that Prefect itself knows for pools of this kind."""
    import prefect

    views = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"
    for workers in json.loads(views.read_text()).values():
        if kind in workers:
            return set(workers[kind]["default_base_job_configuration"]["job_configuration"])
    raise AssertionError(f"Prefect does not know pools of the kind {kind}")


def go_program(package: str, folder: str, name: str) -> Path:
    """A program that Go builds, once for each user; skips where there is no Go."""
    kept = user_cache_path("lorag") / folder
    if not (kept / name).exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip(f"no Go to build {name}")
        built = subprocess.run(
            [go, "install", package],
            env={**os.environ, "GOBIN": str(kept), "GOFLAGS": ""},
            capture_output=True,
            text=True,
        )
        if built.returncode:
            pytest.skip(f"cannot build {name}: {built.stderr.strip().splitlines()[-1]}")
    return kept / name

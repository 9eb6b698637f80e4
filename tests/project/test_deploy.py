"""What lies in deploy/ fits the proxy and its image: names, ports, paths, users and patience."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from proxy import __version__
from proxy.app.build import create_app
from proxy.app.server import GRACE
from proxy.config.settings import Config, environment_names, keys, load_config
from proxy.endpoint.paths import PATHS
from tests.support.dockerfile import instructions

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = (ROOT / "docs" / "deployment.md").read_text()

IMAGE = {step.word: step for step in instructions((ROOT / "Dockerfile").read_text())}
USER = int(IMAGE["USER"].text.split(":")[0])

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SIDECAR, CLIENT = COMPOSE["services"]["virtualsms-proxy"], COMPOSE["services"]["client"]

KINDS = {
    each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
}
POD = KINDS["Deployment"]["spec"]["template"]
[POD_SIDECAR] = POD["spec"]["initContainers"]
[POD_CLIENT] = POD["spec"]["containers"]
[MONITORING] = yaml.safe_load_all((DEPLOY / "kubernetes-monitoring.yaml").read_text())
PROBES = [value["httpGet"] for name, value in POD_SIDECAR.items() if name.endswith("Probe")]


def unit() -> dict[str, str]:
    """The unit's service section; of a name given twice the last."""
    parser = ConfigParser(strict=False, interpolation=None, delimiters=["="])
    parser.optionxform = str
    parser.read(DEPLOY / "virtualsms-proxy.service")
    return dict(parser["Service"])


UNIT = unit()


def in_the_pod(container) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


def in_the_unit() -> dict[str, str]:
    name, _, value = UNIT["Environment"].partition("=")
    return {name: value.replace("%S", "/var/lib")}


SETTINGS = {
    "compose": SIDECAR["environment"],
    "kubernetes": in_the_pod(POD_SIDECAR),
    "systemd": in_the_unit(),
}

# Which program, its script as its shell gets it, and where it finds its key.
CLIENTS = {
    "compose": (
        CLIENT["environment"],
        CLIENT["command"][2].replace("$$", "$"),
        "/run/secrets/virtualsms_key",
        "virtualsms-proxy",
    ),
    "kubernetes": (
        in_the_pod(POD_CLIENT),
        POD_CLIENT["command"][2],
        "/run/secrets/virtualsms/key",
        "127.0.0.1",
    ),
}


@pytest.mark.parametrize("where", SETTINGS)
def test_what_is_set_is_a_setting_with_a_right_value(where, caplog):
    assert SETTINGS[where]
    load_config(None, SETTINGS[where])
    assert caplog.text == ""


def test_the_guide_names_settings_that_there_are():
    known = environment_names()
    assert set(re.findall(r"PROXY_[A-Z_]+", GUIDE)) <= known
    dotted = set(re.findall(r"`((?:listen|upstream|store)\.\w+)`", GUIDE))
    assert dotted and dotted <= {key for key, _ in keys()}


def test_the_guide_explains_every_file_and_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)", GUIDE)
    linked = {(ROOT / "docs" / link).resolve() for link in links}
    assert all(path.exists() for path in linked)
    assert set(DEPLOY.iterdir()) <= linked


@pytest.mark.parametrize("path", sorted({probe["path"] for probe in PROBES}))
@pytest.mark.anyio
async def test_a_probe_asks_a_path_that_there_is(path):
    app = create_app(Config().for_sandbox("http://127.0.0.1:9"))
    async with app.router.lifespan_context(app):
        assert path in {route.path for route in app.routes}


def test_probes_tell_alive_from_ready():
    assert POD_SIDECAR["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert POD_SIDECAR["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert POD_SIDECAR["startupProbe"]["httpGet"]["path"] == "/readyz"


def test_the_port_is_the_one_that_the_image_exposes():
    [port] = POD_SIDECAR["ports"]
    assert {probe["port"] for probe in PROBES} == {port["name"]}
    assert {port["containerPort"], int(IMAGE["EXPOSE"].text)} == {Config().listen.port}


@pytest.mark.parametrize("where", CLIENTS)
def test_the_example_client_asks_for_the_balance_with_the_key_of_its_file(where, tmp_path):
    environ, script, secret, host = CLIENTS[where]
    address = urlsplit(environ["HANDLER_API"])
    assert (address.hostname, address.port) == (host, Config().listen.port)
    assert address.path in PATHS
    (tmp_path / "key").write_text("planted-key\n")
    once = 'wget() { echo "$4"; }; sleep() { exit; };' + script.replace(
        secret, str(tmp_path / "key")
    )
    said = subprocess.run(["sh", "-c", once], env=environ, capture_output=True, text=True).stdout
    assert said == f"{environ['HANDLER_API']}?action=getBalance&api_key=planted-key\n\n"


def test_the_example_clients_key_is_a_file():
    assert list(COMPOSE["secrets"]) == CLIENT["secrets"] == ["virtualsms_key"]
    assert set(CLIENT["environment"]) == set(in_the_pod(POD_CLIENT)) == {"HANDLER_API"}
    [mount] = POD_CLIENT["volumeMounts"]
    assert (mount["mountPath"], mount["readOnly"]) == ("/run/secrets/virtualsms", True)


def test_no_port_is_open_to_others():
    assert not any("ports" in service for service in COMPOSE["services"].values())
    assert "Service" not in KINDS and "Ingress" not in KINDS
    assert "hostPort" not in POD_SIDECAR["ports"][0] and "hostNetwork" not in POD["spec"]
    policy = KINDS["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= POD["metadata"]["labels"].items()
    assert (policy["policyTypes"], policy["ingress"]) == (["Ingress"], [])
    assert Config().listen.host == "127.0.0.1" and "PROXY_LISTEN_HOST" not in SETTINGS["systemd"]
    published = re.findall(r"-p ([\d.:]+)", GUIDE)
    assert published and set(published) == {"127.0.0.1:8080:8080"}


def test_prometheus_alone_may_reach_the_port_of_the_sidecar():
    spec, own = MONITORING["spec"], KINDS["NetworkPolicy"]["spec"]
    assert (spec["podSelector"], spec["policyTypes"]) == (own["podSelector"], own["policyTypes"])
    [rule] = spec["ingress"]
    [source], [port] = rule["from"], rule["ports"]
    # Two items would let in every pod of that namespace.
    assert source.keys() == {"namespaceSelector", "podSelector"}
    assert (port["protocol"], port["port"]) == ("TCP", POD_SIDECAR["ports"][0]["containerPort"])


def manifests() -> Iterator[Any]:
    for path in sorted(DEPLOY.glob("kubernetes*.yaml")):
        for each in yaml.safe_load_all(path.read_text()):
            yield pytest.param(each, id=f"{path.name} {each['kind']}")


OLDEST = re.search(r"Kubernetes (1\.\d+) or newer", (DEPLOY / "kubernetes.yaml").read_text())[1]


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("manifest", [*manifests()])
def test_kubernetes_knows_every_field_of_a_manifest(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_store_is_on_the_volume_of_the_image_and_outlives_the_process():
    volume = re.search(r"^ARG DATA=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
    assert SIDECAR["volumes"] == [f"{next(iter(COMPOSE['volumes']))}:{volume}"]
    [mount] = POD_SIDECAR["volumeMounts"]
    claims = {
        each["name"]: each["persistentVolumeClaim"]["claimName"]
        for each in POD["spec"]["volumes"]
        if "persistentVolumeClaim" in each
    }
    assert mount["mountPath"] == volume
    assert claims[mount["name"]] == KINDS["PersistentVolumeClaim"]["metadata"]["name"]
    store = SETTINGS["systemd"]["PROXY_STORE_URL"]
    assert store == f"sqlite:////var/lib/{UNIT['StateDirectory']}/virtualsms-proxy.db"


def test_two_processes_never_share_a_store():
    spec = KINDS["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert "deploy" not in SIDECAR


def test_everybody_waits_long_enough_for_it_to_end():
    told_to_docker = re.search(r"--stop-timeout (\d+)", GUIDE)[1]
    patience = {
        SIDECAR["stop_grace_period"],
        f"{POD['spec']['terminationGracePeriodSeconds']}s",
        f"{UNIT['TimeoutStopSec']}s",
        f"{told_to_docker}s",
    }
    assert patience == {"20s"}
    # Requests, and after them purchases, whose client has gone.
    assert 2 * GRACE < 20


def test_the_image_has_this_version_everywhere():
    images = {SIDECAR["image"], POD_SIDECAR["image"]}
    assert images == {f"virtualsms-proxy:{__version__}"}
    assert (DEPLOY / SIDECAR["build"]).resolve() == ROOT


def test_the_sidecar_of_compose_may_do_nothing_that_it_need_not():
    assert (SIDECAR["read_only"], SIDECAR["cap_drop"]) == (True, ["ALL"])
    assert SIDECAR["security_opt"] == ["no-new-privileges:true"]
    # The image has one, and the client waits for it.
    assert "healthcheck" not in SIDECAR
    assert CLIENT["depends_on"]["virtualsms-proxy"]["condition"] == "service_healthy"


@pytest.mark.parametrize("container", [POD_SIDECAR, POD_CLIENT], ids=["proxy", "client"])
def test_the_containers_of_the_pod_may_do_nothing_that_they_need_not(container):
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"].keys() == {"requests", "limits"}


def test_the_pod_runs_as_the_user_of_the_image():
    assert POD["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert POD["spec"]["automountServiceAccountToken"] is False
    assert POD_SIDECAR["restartPolicy"] == "Always"


CONFINED = {
    "DynamicUser": "yes",
    "StateDirectory": "virtualsms-proxy",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
    "CapabilityBoundingSet": "",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectHome": "yes",
    "ProtectSystem": "strict",
    "RestrictNamespaces": "yes",
    "SystemCallArchitectures": "native",
}


@pytest.mark.parametrize("name", CONFINED)
def test_the_unit_may_do_nothing_that_it_need_not(name):
    assert UNIT[name] == CONFINED[name]


def test_the_unit_runs_what_the_guide_installs():
    folder = UNIT["ExecStart"].removesuffix("/bin/virtualsms-proxy")
    assert f"python3 -m venv {folder}\n" in GUIDE
    assert f"{UNIT['EnvironmentFile'].removeprefix('-')}`" in GUIDE


def test_the_guide_reloads_the_container_of_the_pod():
    (deployment, container) = re.search(r"kubectl exec deploy/(\S+) -c (\S+) -- ", GUIDE).groups()
    assert KINDS["Deployment"]["metadata"]["name"] == deployment
    assert POD_SIDECAR["name"] == container


def test_the_unit_hears_when_it_is_ready_and_reloads():
    assert (UNIT["Type"], UNIT["WatchdogSec"]) == ("notify", "30")
    assert UNIT["ExecReload"] == "/bin/kill -HUP $MAINPID"


@pytest.mark.parametrize("more", ["", re.search(r"```ini\n(.*?)```", GUIDE, re.DOTALL)[1]])
def test_systemd_understands_the_unit_and_the_guides_addition(more, tmp_path):
    here = str(Path(sys.executable).parent)
    text = (DEPLOY / "virtualsms-proxy.service").read_text() + more
    path = tmp_path / "virtualsms-proxy.service"
    path.write_text(text.replace("/opt/virtualsms-proxy/bin", here))
    assert f"{here}/virtualsms-proxy" in path.read_text()
    if program := shutil.which("systemd-analyze"):
        done = subprocess.run([program, "verify", path], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")

"""The dashboard and the files of Prometheus ask for metrics, labels and values that there are."""

import asyncio
import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from proxy.legacy.dialects import DIALECTS
from proxy.runtime.metrics import COUNTS, PREFIX
from tests.support.documents import ROOT
from tests.support.world import BUY, a_world

PROMETHEUS = ROOT / "deploy" / "prometheus"
CONFIGS = {
    path.name: yaml.safe_load(path.read_text())
    for path in PROMETHEUS.iterdir()
    if path.name != "alerts.yaml"
}
[GROUP] = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
METRICS_PAGE = (ROOT / "docs" / "metrics.md").read_text()

# Every target has these labels and this metric from Prometheus itself.
LABELS_OF_TARGETS, METRIC_OF_TARGETS = {"job", "instance"}, "up"
# What Grafana writes in their place.
RANGES = {"$__rate_interval": "5m", "$__range": "6h"}
# Metrics that no panel shows, and why. None today.
NOT_SHOWN: dict[str, str] = {}

Page = dict[str, dict[str, set[str]]]
"""The labels of each metric, and the values of each label."""


@dataclass(frozen=True)
class Expression:
    where: str
    text: str
    legend: str = ""

    def __str__(self) -> str:
        return self.where

    def nodes(self) -> list[Any]:
        """The nodes of its tree, from the top. Raises ValueError if it is no PromQL."""
        text, found = self.text, []
        for name, seconds in RANGES.items():
            text = text.replace(name, seconds)
        promql.walk(promql.parse(text), found.append)
        return found

    def metrics(self) -> set[str]:
        return {node.name for node in self.nodes() if isinstance(node, promql.VectorSelector)}


ALERTS = [Expression(f"alert {rule['alert']}", rule["expr"]) for rule in GROUP["rules"]]
SHOWN = [
    Expression(f"panel {panel['title']}", target["expr"], target["legendFormat"])
    for panel in PANELS
    for target in panel["targets"]
]
EXPRESSIONS = pytest.mark.parametrize("expression", ALERTS + SHOWN, ids=str)


def words() -> set[str]:
    tables = [
        table for each in DIALECTS.values() for table in (each.words, *each.words_of.values())
    ]
    said = [word for table in tables for word in table.values()]
    return {word if isinstance(word, str) else word.text for word in said}


async def read_page() -> Page:
    """As /metrics is after a number was bought and read. What did not happen is counted as x."""
    async with a_world(time.time) as world:
        id = (await world.ask(BUY)).split(":")[1]
        await world.sms("Your code is 1111")
        await world.ask(f"action=getStatus&id={id}")
        counters = world.app.state.services.counters
        for name, labels, _, known in COUNTS:
            if labels and not (known or counters.of(name)):
                counters.count(name, *("x" for _ in labels))
        text = (await world.client.get("/metrics")).text
    page: Page = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = page.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return page


@pytest.fixture(scope="module")
def page() -> Page:
    page = asyncio.run(read_page())
    page[f"{PREFIX}answers_total"]["word"] |= words()
    return page | {METRIC_OF_TARGETS: {}}


@EXPRESSIONS
def test_an_expression_asks_for_metrics_labels_and_values_that_there_are(expression, page):
    for node in expression.nodes():
        if not isinstance(node, promql.VectorSelector):
            continue
        assert node.name in page
        for matcher in node.matchers.matchers:
            if matcher.name in LABELS_OF_TARGETS:
                continue
            values = page[node.name][matcher.name]
            assert set(matcher.value.split("|")) <= values, matcher.name


@EXPRESSIONS
def test_an_expression_keeps_labels_that_there_are_and_its_legend_shows_kept_ones(expression, page):
    labels = {label for name in expression.metrics() for label in page[name]} | LABELS_OF_TARGETS
    kept: list[set[str]] = []
    for node in expression.nodes():
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            assert node.modifier.type == promql.AggModifierType.By
            kept.append(set(node.modifier.labels))
            assert kept[-1] <= labels
    shown = set(re.findall(r"{{(\w+)}}", expression.legend))
    assert shown <= (kept[0] if kept else set())


@EXPRESSIONS
def test_a_counter_is_only_asked_for_how_it_grows(expression):
    text = [str(node) for node in expression.nodes() if isinstance(node, promql.MatrixSelector)]
    for name in expression.metrics():
        is_counter = name.endswith(("_total", "_bucket", "_count", "_sum"))
        assert any(name in each for each in text) == is_counter, name


def test_every_metric_is_shown_or_has_a_reason_why_not(page):
    shown = {re.sub("_(bucket|count|sum)$", "", name) for each in SHOWN for name in each.metrics()}
    there = {re.sub("_(bucket|count|sum)$", "", name) for name in page}
    assert there - shown == set(NOT_SHOWN)


def test_the_page_of_metrics_has_a_row_for_each_with_its_labels_and_values(page):
    rows = re.findall(r"^\| `(virtualsms_proxy_\w+)` \|([^|]*)\|(.*)$", METRICS_PAGE, re.M)
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels, _ in rows}
    there = {
        re.sub("_(bucket|count|sum)$", "", name): set(labels) - {"le"}
        for name, labels in page.items()
        if name != METRIC_OF_TARGETS
    }
    assert listed == there
    texts = {name: text for name, _, text in rows}
    for name, _, _, known in COUNTS:
        said = re.findall(r"`(\w+)`", texts[f"{PREFIX}{name}_total"])
        assert set(known.split()) <= set(said), name


# The alerts


@pytest.mark.parametrize("rule", GROUP["rules"], ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_is_wrong(rule):
    assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary"}
    assert set(re.findall(r"{{ (.+?) }}", rule["annotations"]["summary"])) <= {
        "$labels.instance",
        "$value",
        "$value | humanize",
        "$value | humanizeDuration",
    }


def test_every_alert_stands_in_the_page_of_metrics():
    listed = re.findall(r"^\| `([A-Z]\w+)` \|", METRICS_PAGE, re.M)
    assert listed == [rule["alert"] for rule in GROUP["rules"]]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_of_prometheus_scrapes_the_proxy_and_has_the_alerts(name):
    config = CONFIGS[name]
    assert config.keys() == {"global", "rule_files", "scrape_configs"}
    assert config["global"].keys() == {"scrape_interval", "evaluation_interval"}
    assert all((PROMETHEUS / path).is_file() for path in config["rule_files"])
    [job] = config["scrape_configs"]
    assert job["job_name"] == "virtualsms-proxy"
    assert re.findall('job="([^"]+)"', GROUP["rules"][0]["expr"]) == [job["job_name"]]
    known = {"job_name", "static_configs", "kubernetes_sd_configs", "relabel_configs"}
    assert (
        job.keys() <= known and len(job.keys() & {"static_configs", "kubernetes_sd_configs"}) == 1
    )
    for relabel in job.get("relabel_configs", []):
        assert relabel.keys() <= {"source_labels", "regex", "action", "target_label"}


def test_prometheus_in_the_cluster_finds_the_sidecar_by_its_container_and_port():
    first, *_ = CONFIGS["kubernetes.yaml"]["scrape_configs"][0]["relabel_configs"]
    container, port = first["regex"].split(";")
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text())
    [pod] = [each["spec"]["template"] for each in manifests if each["kind"] == "Deployment"]
    [sidecar] = pod["spec"]["initContainers"]
    assert (sidecar["name"], sidecar["ports"][0]["name"]) == (container, port)


@pytest.mark.parametrize("what", ["config prometheus.yaml", "rules alerts.yaml"])
def test_prometheus_takes_its_files_where_it_is_installed(what):
    """Debian's promtool knows no Kubernetes: it cannot read kubernetes.yaml."""
    if program := shutil.which("promtool"):
        subprocess.run([program, "check", *what.split()], cwd=PROMETHEUS, check=True)


# The dashboard


def test_every_query_uses_the_chosen_data_source_jobs_and_replicas():
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["datasource"] == chosen
        for target in panel["targets"]:
            assert target["datasource"] == chosen
            metrics = len(re.findall(r"\bup\b|virtualsms_proxy_\w+", target["expr"]))
            assert target["expr"].count('{job=~"$job",instance=~"$instance"') == metrics
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert VARIABLES["datasource"]["query"] == "prometheus"
    assert [VARIABLES[name]["datasource"] for name in ("job", "instance")] == [chosen, chosen]


def test_the_variables_ask_for_a_metric_that_there_is(page):
    for name in ("job", "instance"):
        asked = re.fullmatch(
            r"label_values\((\w+)(?:{.*})?, (\w+)\)", VARIABLES[name]["definition"]
        )
        assert asked[1] in page and asked[2] == name
        assert VARIABLES[name]["query"]["query"] == VARIABLES[name]["definition"]


def test_the_dashboard_names_no_installation_and_no_plugin():
    """An id would replace another's dashboard; these panels are part of Grafana 11 and 12."""
    assert (DASHBOARD["id"], DASHBOARD["uid"]) == (None, None)
    assert {panel["type"] for panel in PANELS} == {"stat", "timeseries"}
    # The newest form of Grafana 11.0; newer versions read it.
    assert DASHBOARD["schemaVersion"] == 39


def test_the_panels_have_ids_of_their_own_and_no_two_overlap():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells

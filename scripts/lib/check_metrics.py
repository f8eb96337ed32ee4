"""The part of scripts/check-metrics that asks, scrapes and judges."""

import http.client
import math
import re
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

ADMIN, GATEWAY, PAGE = sys.argv[1:]
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LABELS = {"route", "source", "class", "stage", "pool", "server", "worker", "outcome", "reason", "version", "driver", "limit", "auth", "le"}
wrong = []


def ask(address, path):
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def scrape():
    answer, text = ask(ADMIN, "/metrics")
    if answer.status != 200 or answer.getheader("content-type") != CONTENT_TYPE:
        wrong.append(f"{answer.status} {answer.getheader('content-type')}")
    return list(text_string_to_metric_families(text)) # which refuses what is not OpenMetrics, duplicates among it


def judge_histogram(family):
    series = {}
    for sample in family.samples:
        rest = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        series.setdefault(rest, {}).setdefault(sample.name.removeprefix(family.name), []).append(sample)
    for labels, samples in series.items():
        buckets = [(float(sample.labels["le"]), sample.value) for sample in samples["_bucket"]]
        ends, counts = [end for end, _ in buckets], [count for _, count in buckets]
        if ends != sorted(ends) or counts != sorted(counts) or not math.isinf(ends[-1]):
            wrong.append(f"{family.name} {labels}: buckets out of order, or without an end")
        if counts[-1] != samples["_count"][0].value or (counts[-1] > 0) != (samples["_sum"][0].value > 0):
            wrong.append(f"{family.name} {labels}: count, sum and buckets do not agree")


def judge(families):
    for family in families:
        if not re.fullmatch(r"ringgate_[a-z][a-z0-9]*(_[a-z0-9]+)*", family.name) or not family.documentation:
            wrong.append(f"{family.name}: a bad name, or no help")
        if family.unit and not family.name.endswith(f"_{family.unit}"):
            wrong.append(f"{family.name}: does not end in its unit {family.unit}")
        if family.type == "counter" and any(not sample.name.endswith("_total") for sample in family.samples):
            wrong.append(f"{family.name}: a counter that does not end in _total")
        if any(set(sample.labels) - LABELS for sample in family.samples):
            wrong.append(f"{family.name}: a label that nobody knows")
        if family.type == "histogram":
            judge_histogram(family)


def told():
    """The families that the page lists."""
    rows = re.findall(r"^\| `(ringgate_\w+)` \| (\w+) \|", open(PAGE).read(), re.M)
    return {(name.removesuffix("_total").removesuffix("_info"), kind) for name, kind in rows}


for path in ["/", "/?status=404", "/?status=500", "/named", "/down", "/%zz"] * 20:
    ask(GATEWAY, path)
first = scrape()
for path in ["/", "/named", "/down"] * 20:
    ask(GATEWAY, path)
second = scrape()
judge(first)
judge(second)
count = lambda families: {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families if f.type in ("counter", "histogram") for s in f.samples}
before, after = count(first), count(second)
wrong += [f"{name}: counted backwards" for name in before if after.get(name, -1) < before[name]]
found = {(family.name, family.type) for family in second}
wrong += [f"{name}, a {kind}, is not on the page" for name, kind in sorted(found - told())]
wrong += [f"{name}, a {kind}, is on the page alone" for name, kind in sorted(told() - found)]
if not any(key[0] == "ringgate_requests_total" and value >= 20 for key, value in after.items()):
    wrong.append("requests are not counted")
print("\n".join(wrong) or f"{len(second)} families, {sum(len(family.samples) for family in second)} samples, read by prometheus-client")
sys.exit(1 if wrong else 0)

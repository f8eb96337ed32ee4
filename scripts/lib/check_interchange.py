"""Reads the files of saved runs with the programs of others: see scripts/check-interchange.

check_interchange.py recode RUN.JSON    prints the run with its response times encoded by HdrHistogram
check_interchange.py compare FOLDER...  reads each saved run in every way, and compares
"""

import json
import os
import pathlib
import subprocess
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

LONGEST_NS = 3_600_000_000_000
DIGITS = 3
QUANTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}
VALUES = ["count", "max", *QUANTILES]
TABLE_NS = 1000  # a table tells microseconds

READ_BY_JAVASCRIPT = """
const hdr = require("hdr-histogram-js"), fs = require("fs"), [folder] = process.argv.slice(1);
const told = h => ({ count: h.totalCount, max: h.maxValue, p50: h.getValueAtPercentile(50), p99: h.getValueAtPercentile(99),
  "p99.9": h.getValueAtPercentile(99.9) });
const log = new hdr.HistogramLogReader(fs.readFileSync(folder + "/run.hlog", "utf8"));
let line, inLog;
while ((line = log.nextIntervalHistogram())) if (line.tag === "response") inLog = told(line);
const run = JSON.parse(fs.readFileSync(folder + "/run.json", "utf8"));
console.log(JSON.stringify([inLog, told(hdr.decodeFromCompressedBase64(run.histograms.response))]));
"""


def histogram():
    return HdrHistogram(1, LONGEST_NS, DIGITS)


def told(h):
    quantiles = {name: h.get_value_at_percentile(percent) for name, percent in QUANTILES.items()}
    return {"count": h.total_count, "max": h.get_max_value(), **quantiles}


def recode(path):
    run = json.loads(pathlib.Path(path).read_text())
    run["histograms"]["response"] = HdrHistogram.decode(run["histograms"]["response"]).encode().decode()
    print(json.dumps(run))


def python_log(folder):
    reader = HistogramLogReader(str(folder / "run.hlog"), histogram())
    while (line := reader.get_next_interval_histogram()) is not None:
        if line.get_tag() == "response":
            return told(line)
    return {}


def python_json(folder):
    run = json.loads((folder / "run.json").read_text())
    return told(HdrHistogram.decode(run["histograms"]["response"]))


def javascript(folder):
    command = ["node", "--eval", READ_BY_JAVASCRIPT, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def table(folder):
    """As the plotters read it: lines of four fields that begin with white space, and the `#[Max` line. Lowest and highest
    value that each name can have by it: not every quantile has a row."""
    text = (folder / "run.hgrm").read_text()
    rows = [line.split() for line in text.splitlines() if line.startswith(" ") and len(line.split()) == 4]
    rows = [[float(field) for field in row] for row in rows if row[0] != "Value"]
    end = next(line for line in text.splitlines() if line.startswith("#[Max")).replace("=", " ").replace(",", " ").split()
    count, longest = int(end[4].rstrip("]")), float(end[1]) * 1e6
    below = lambda percent: max(row[0] for row in rows if row[1] <= percent / 100) * 1e6
    above = lambda percent: min(row[0] for row in rows if row[1] >= percent / 100) * 1e6
    between = {name: (below(percent), above(percent)) for name, percent in QUANTILES.items()}
    return {"count": (count, count), "max": (longest, longest), **between}


def plots(folder):
    picture = folder / "plot.png"
    command = [os.environ["HDR_PLOT"], "--output", str(picture), str(folder / "run.hgrm")]
    headless = {**os.environ, "MPLBACKEND": "agg", "MPLCONFIGDIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=headless)
    is_drawn = done.returncode == 0 and picture.is_file() and picture.read_bytes().startswith(b"\x89PNG")
    return is_drawn, done.stderr.strip().splitlines()[-1:]


def check(what, is_good, found):
    print(f"{'ok  ' if is_good else 'FAIL'} {what}{'' if is_good else f': {found}'}")
    return is_good


def compare(folder):
    name, results = folder.name, []
    by_python = python_log(folder)
    in_log, in_json = javascript(folder)
    summary = json.loads((folder / "run.json").read_text())["latency"]["response"]
    expected = {"p50": summary["p50_ns"], "p99": summary["p99_ns"], "p99.9": summary["p999_ns"], "max": summary["max_ns"],
                "count": summary["samples"]}
    readers = {"Python, log": by_python, "Python, JSON": python_json(folder), "JavaScript, log": in_log,
               "JavaScript, JSON": in_json}
    for reader, values in readers.items():
        for value in VALUES:
            is_same = values.get(value) == expected[value]
            results.append(check(f"{name}: {reader}: {value} {values.get(value)}", is_same, f"expected {expected[value]}"))
    for value, (low, high) in table(folder).items():
        air = 0 if value == "count" else expected[value] / 1000 + TABLE_NS
        is_same = low - air <= expected[value] <= high + air
        results.append(check(f"{name}: table: {value} {low:.0f} to {high:.0f}", is_same, f"expected {expected[value]}"))
    is_drawn, complaint = plots(folder)
    results.append(check(f"{name}: hdr-plot draws the table", is_drawn, complaint))
    return all(results)


if __name__ == "__main__":
    if sys.argv[1] == "recode":
        recode(sys.argv[2])
    else:
        agree = [compare(folder) for folder in map(pathlib.Path, sys.argv[2:])]
        sys.exit(0 if all(agree) else 1)

"""The picture of a peer comparison: medians as bars or lines, each pair or round as a dot. What was measured on an
unsteady machine is pale."""

import json
import statistics
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot

matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ringgate", "font.family": "sans-serif", "font.size": 9})
COLOURS = {"ringgate": "#c4402f", "nginx": "#4d8a57", "haproxy": "#3f6fa8", "envoy": "#8a6bb0"}
NAMES = {"ringgate": "Ringgate", "nginx": "nginx", "haproxy": "HAProxy", "envoy": "Envoy"}
WORK = {
    "small-64": "128 bytes,\n64 connections",
    "small-512": "128 bytes,\n512 connections",
    "64k": "64 KiB,\n16 connections",
    "1m": "1 MiB,\n16 connections",
    "wrk": "128 bytes, 64,\nloaded by wrk",
}
PEERS = ["nginx", "haproxy", "envoy"]


def bar(axes, place, found, colour):
    """A bar as high as the median, and the figures themselves."""
    middle = statistics.median(found["figures"])
    axes.bar(place, middle, 0.26, color=colour, alpha=1 if found.get("is_steady", True) else 0.45)
    axes.plot([place] * len(found["figures"]), found["figures"], ".", color="#333333", markersize=2.5, alpha=0.7)
    axes.text(place, middle / 2, f"{middle:.2f}", ha="center", va="center", color="white", fontsize=7)


def line(axes, place, figures, colour):
    """A line at the median, and the figures themselves."""
    middle = statistics.median(figures)
    axes.plot([place] * len(figures), figures, ".", color=colour, markersize=4, alpha=0.6)
    axes.hlines(middle, place - 0.09, place + 0.09, color=colour, linewidth=2)
    axes.text(place + 0.01, middle * 1.06, f"{middle:.2f}", ha="left", va="bottom", color="#333333", fontsize=7)


def costs(axes, figures):
    rows = [row for row in WORK if any(one["row"] == row for one in figures)]
    for place, row in enumerate(rows):
        for offset, peer in enumerate(PEERS):
            for found in (one for one in figures if one["row"] == row and one["subject"] == peer):
                bar(axes, place + 0.29 * (offset - 1), found, COLOURS[peer])
    axes.axhline(1, color="#333333", linewidth=0.8)
    axes.set_xticks(range(len(rows)), [WORK[row] for row in rows])
    axes.set_ylim(0, 1.3)
    axes.set_title("CPU of Ringgate per request, as a share of the peer's (less is better)", loc="left", fontsize=9)
    axes.legend([pyplot.Rectangle((0, 0), 1, 1, color=COLOURS[peer]) for peer in PEERS], [f"of {NAMES[peer]}" for peer in PEERS],
                ncols=3, frameon=False, loc="upper right")


def latency(axes, figures):
    for place, quantile in enumerate(["p50", "p99"]):
        for offset, proxy in enumerate(COLOURS):
            for found in (one for one in figures if one["row"] == "latency" and one["subject"] == f"{proxy} {quantile}"):
                line(axes, place + 0.22 * (offset - 1.5), [us / 1000 for us in found["figures"]], COLOURS[proxy])
    axes.set_xticks(range(2), ["median", "99th percentile"])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("ms")
    axes.set_title("latency added, at half of the slowest's highest rate", loc="left", fontsize=9)
    axes.legend([pyplot.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()], NAMES.values(), frameon=False, loc="upper left")


def main():
    figures = json.load(open(sys.argv[1]))
    picture, (left, right) = pyplot.subplots(1, 2, figsize=(12, 3.8), width_ratios=[2, 1], facecolor="white")
    costs(left, figures)
    latency(right, figures)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    picture.tight_layout()
    picture.savefig(sys.argv[2], metadata={"Date": None})


main()

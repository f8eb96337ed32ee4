"""Runs Autobahn's cases directly and through the gateway, and compares the verdicts. Run by scripts/websocket-cases.

usage: websocket_cases.py direct|both [CASE...]
"""

import asyncio
import collections
import pathlib
import sys
import time

from kosoku import FailureError, run_fuzzingclient
from stage import Stage, list_of

CONFIGURATION = """
workers = 2
routes = [{{ prefix = "/", servers = {}, upgrade = ["websocket"] }}]
"""
# Cases at a time: enough to fill two cores, few enough for those that measure time.
AT_ONCE = 2
ORIGIN = pathlib.Path(__file__).with_name("websocket_origin.py")


async def verdicts(server, cases, at_once=AT_ONCE):
    """The verdict on each case: of its messages and of its end."""
    address = "{}:{}".format(*server.address)
    try:
        results = await run_fuzzingclient(address, cases or None, None, concurrency=at_once)
    except FailureError as failure:
        results = failure.results
    return {result.case_id: f"{result.behavior.value}, closed {result.behavior_close.value}" for result in results}


def tell(way, found, begun):
    counts = ", ".join(f"{count} {verdict}" for verdict, count in collections.Counter(found.values()).most_common())
    print(f"{way:8} {len(found)} cases in {time.monotonic() - begun:.0f} s: {counts}", flush=True)


async def differing(server, gateway, direct, through):
    """The cases whose verdicts differ even when each runs alone."""
    suspects = [case for case in direct if through.get(case) != direct[case]]
    if not suspects:
        return {}
    print(f"once more, alone: {' '.join(suspects)}", flush=True)
    direct = await verdicts(server, suspects, at_once=1)
    through = await verdicts(gateway, suspects, at_once=1)
    return {case: (direct[case], through.get(case)) for case in suspects if through.get(case) != direct[case]}


async def run(stage, way, cases):
    server = stage.start("origin", [sys.executable, str(ORIGIN)])
    begun = time.monotonic()
    direct = await verdicts(server, cases)
    tell("direct", direct, begun)
    if way == "direct":
        return 0
    gateway = stage.gateway("gateway", CONFIGURATION.format(list_of([server])))
    begun = time.monotonic()
    through = await verdicts(gateway, cases)
    tell("through", through, begun)
    differences = await differing(server, gateway, direct, through)
    for case, (before, after) in differences.items():
        print(f"{case}: directly {before}; through the gateway {after}")
    print(f"{len(direct)} cases, {len(differences)} verdicts differ through the gateway")
    return 1 if differences or len(through) != len(direct) else 0


def main():
    way, cases = sys.argv[1], sys.argv[2:]
    if way not in ("direct", "both"):
        sys.exit(f"error: `{way}` is neither direct nor both; see the top of scripts/websocket-cases")
    with Stage() as stage:
        sys.exit(asyncio.run(run(stage, way, cases)))


main()

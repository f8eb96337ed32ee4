"""The work of scripts/prove-upgrades, which says what it proves."""

import asyncio
import collections
import contextlib
import ctypes
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import aiohttp

from clients import FATES, SEED, Clients, fate
from stage import PATIENCE_S, ROOT, Stage, fail, list_of

# How long a process serves before its upgrade, in seconds.
SERVES_S = (0.1, 0.4)
DOWNLOADS, CONVERSATIONS = 8, 8
# A download takes three seconds: some ten upgrades happen in it.
DOWNLOAD_BYTES, DOWNLOAD = 3_000_000, "/download?bytes=3000000&dribble=30000/30ms"
# So does a conversation.
MESSAGES, BETWEEN_MESSAGES_S = 100, 0.03
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Companions:
    """What is under way all the time beside the clients: answers and tunnels that outlive many processes."""

    def __init__(self, address):
        self.base = "http://{}:{}".format(*address)
        self.is_over = False
        self.whole, self.broken = collections.Counter(), []

    async def run(self):
        # A connection each: what is kept would meet its orderly end.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with aiohttp.ClientSession(self.base, connector=connector) as session:
            expected = await self.body(session, DOWNLOAD.split("&")[0])
            downloads = [self.again("downloads", self.download, session, expected) for _ in range(DOWNLOADS)]
            conversations = [self.again("conversations", self.converse, session) for _ in range(CONVERSATIONS)]
            await asyncio.gather(*downloads, *conversations)

    async def again(self, kind, act, *arguments):
        while not self.is_over:
            try:
                await act(*arguments)
                self.whole[kind] += 1
            except (aiohttp.ClientError, AssertionError, OSError, TypeError) as error:
                self.broken.append(f"one of the {kind}: {error!r}")

    async def body(self, session, path):
        async with session.get(path) as answer:
            return await answer.read()

    async def download(self, session, expected):
        body = await self.body(session, DOWNLOAD)
        assert len(body) == DOWNLOAD_BYTES and body == expected, f"{len(body)} bytes, or others"

    async def converse(self, session):
        async with session.ws_connect("/socket") as socket:
            for number in range(MESSAGES):
                await socket.send_str(f"message {number}")
                heard = await socket.receive_str()  # TypeError if it is the end
                assert heard == f"message {number}", f"heard {heard}"
                await asyncio.sleep(BETWEEN_MESSAGES_S)


class Line:
    """The processes that took over one from the other. They write into the files of the first one."""

    def __init__(self, first):
        self.first, self.processes = first, [first.process.pid]

    async def upgrade(self):
        os.kill(self.processes[-1], signal.SIGUSR2)
        give_up_at = time.monotonic() + PATIENCE_S
        while len(found := re.findall(r"process (\d+) has taken over", self.first.text("err"))) < len(self.processes):
            if time.monotonic() > give_up_at:
                fail(f"no upgrade: {self.first.text('err')[-2000:]}")
            await asyncio.sleep(0.005)
        self.processes.append(int(found[-1]))

    def ends(self):
        """The exit codes of all of them; the last one is told to end."""
        os.kill(self.processes[-1], signal.SIGTERM)
        return [self.first.wait(), *(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in self.processes[1:])]


@contextlib.contextmanager
def echo_server():
    """Its address. It is a published library's, with its own idea of the protocol."""
    command = [sys.executable, ROOT / "scripts/lib/websocket_origin.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://(\S+)", process.stdout.readline())[1]
        finally:
            process.terminate()


async def under_upgrades(gateway, upgrades, count):
    clients, companions, line = Clients(gateway.address, count), Companions(gateway.address), Line(gateway)
    load = asyncio.gather(clients.run(), companions.run())
    moments = random.Random(SEED)
    for _ in range(upgrades):
        await asyncio.sleep(moments.uniform(*SERVES_S))
        await line.upgrade()
    await asyncio.sleep(SERVES_S[0])
    clients.is_over = companions.is_over = True
    await load
    return clients, companions, await asyncio.to_thread(line.ends)


def main():
    upgrades, count = map(int, sys.argv[1:])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # whose parent has ended is ours
    with Stage() as stage, echo_server() as sockets:
        server = stage.server("server")
        gateway = stage.gateway("gateway", f"""
            workers = 2
            [[routes]]
            prefix = "/"
            servers = {list_of([server])}
            [[routes]]
            prefix = "/socket"
            servers = ["{sockets}"]
            upgrade = ["websocket"]
        """)
        clients, companions, ends = asyncio.run(under_upgrades(gateway, upgrades, count))
        lines = {line["request_id"] for line in map(json.loads, gateway.text("out").splitlines())}
        warnings = [line for line in gateway.text("err").splitlines() if "warning" in line or "not upgraded" in line]
    fates = collections.Counter(fate(outcome, is_first, id in lines) for id, (outcome, is_first) in clients.outcomes.items())
    bad = [one for one in ("not taken", "refused", "turned away", "lost") if fates[one]]
    bad_ends = [code for code in ends if code != 0]
    is_good = not (bad or bad_ends or warnings or companions.broken) and len(companions.whole) == 2
    for line in [*warnings, *companions.broken[:20]]:
        print(line)
    print(f"{upgrades} upgrades under {count} clients, {len(clients.outcomes)} requests: "
          f"{', '.join(f'{fates[one]} {one}' for one in FATES)}; "
          f"{companions.whole['downloads']} downloads and {companions.whole['conversations']} conversations of 3 s whole, "
          f"{len(companions.broken)} broken; {len(ends)} processes ended, {len(bad_ends)} of them not with 0"
          f"{'' if is_good else ' - DOES NOT HOLD'}")
    sys.exit(0 if is_good else 1)


main()

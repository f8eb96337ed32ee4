"""What the comparisons share: programs on their cores until the end of a `with`, their processor time by the scheduler's account,
medians with their spread, and where a run came from.
"""

import ctypes
import os
import pathlib
import re
import shlex
import signal
import socket
import statistics
import subprocess
import time

from stage import ROOT, fail

PR_SET_THP_DISABLE = 41 # linux/prctl.h


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def address():
    return f"127.0.0.1:{free_port()}"


def interval(ratios):
    """Median, and the second smallest and second largest of nine."""
    ratios = sorted(ratios)
    edge = 1 if len(ratios) >= 8 else 0
    return statistics.median(ratios), ratios[edge], ratios[-1 - edge]


def shown(ratios):
    return "{:.3f} ({:.3f} to {:.3f})".format(*interval(ratios))


def answers(listen):
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(tuple(listen.split(":"))).close()
        return True
    except OSError:
        return False


def run(command):
    """The output of a program that ends by itself. One that is interrupted gets the time to end what it has started."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGINT) # a second one does no harm
        try:
            process.wait(timeout=10)
        finally:
            process.kill()
        raise
    return process.returncode, out, err


class Process:
    """A program on its core until the end of a `with`."""

    def __init__(self, command, listen, core=None, small_pages=False):
        pin = ["taskset", "-c", str(core)] if core is not None else []
        self.command, self.listen = [*pin, *command], listen
        self.before = (lambda: ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)) if small_pages else None

    def __enter__(self):
        if answers(self.listen):
            fail(f"somebody listens on {self.listen} already")
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=self.before)
        give_up_at = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < give_up_at:
            if answers(self.listen):
                return self
            time.sleep(0.02)
        self.__exit__()
        fail(f"does not listen: {shlex.join(self.command)}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ids(self):
        """Itself and all it has started."""
        found, waiting = [], [self.process.pid]
        while waiting:
            found.append(waiting.pop())
            for task in pathlib.Path(f"/proc/{found[-1]}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        return found

    def resident_bytes(self):
        statuses = (pathlib.Path(f"/proc/{process}/status").read_text() for process in self.ids())
        return sum(int(re.search(r"RssAnon:\s+(\d+)", status)[1]) for status in statuses) * 1024


def cpu_ns(process):
    """What all its threads have had of a processor so far, by the scheduler's account."""
    accounts = [account for found in process.ids() for account in pathlib.Path(f"/proc/{found}/task").glob("*/schedstat")]
    return sum(int(account.read_text().split()[0]) for account in accounts)


def said(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def provenance(command, versions, work):
    """Where a run came from, line by line."""
    dirty = " with uncommitted changes" if said("git", "status", "--porcelain", "--", ".", ":!benches/runs") else ""
    model = next(line for line in open("/proc/cpuinfo") if line.startswith("model name")).split(":")[1].strip()
    return "\n".join([
        f"command:  {command}",
        f"commit:   {said('git', 'rev-parse', 'HEAD')}{dirty}",
        f"kernel:   {os.uname().release}",
        f"cpu:      {model}, {os.cpu_count()} cores",
        f"versions: {', '.join(versions)}, {said('rustc', '--version')}",
        f"work:     {work}",
    ])

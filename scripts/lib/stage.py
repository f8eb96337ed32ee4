"""What the proofs share: the programs, started on free loopback ports and ended by their ids.

Owns every process it starts, their output (files in a folder that goes with the stage) and where the programs are: in the
folder BIN of the environment, or in a release build made here.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Longer than any of the programs takes to listen, or to drain.
PATIENCE_S = 20


def fail(words):
    print(f"error: {words}", file=sys.stderr)
    sys.exit(2)


def programs():
    """The folder with ringgate, ringload and ringmock."""
    if folder := os.environ.get("BIN"):
        return pathlib.Path(folder).resolve()
    subprocess.run(["cargo", "build", "--release", "--quiet", "--workspace"], cwd=ROOT, check=True)
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"


class Running:
    """A process that listens, or did."""

    def __init__(self, process, address, output):
        self.process, self.address, self.output = process, address, output

    @property
    def port(self):
        return self.address[1]

    def text(self, kind):
        """What it wrote: its `out` (ringgate's log) or its `err` (ringgate's words)."""
        return self.output.with_suffix("." + kind).read_text()

    def kill(self):
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait()

    def ask_to_end(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Waits for its end; its exit code."""
        return self.process.wait(timeout=PATIENCE_S)

    def resident_kib(self):
        """Memory that is its own and in use: resident, without what it shares with files."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1])


class Stage:
    """A folder and the processes on it; of the gateway under test, if a program is given, and of our own else."""

    def __init__(self, ringgate=None):
        self.ringgate = ringgate and pathlib.Path(ringgate).resolve()

    def __enter__(self):
        self.bin = self.ringgate.parent if self.ringgate else programs()
        self.folder = tempfile.TemporaryDirectory()
        self.work = pathlib.Path(self.folder.name)
        self.started = []
        return self

    def __exit__(self, *_):
        for running in self.started:
            running.process.terminate()
        for running in self.started:
            try:
                running.wait()
            except subprocess.TimeoutExpired:
                running.kill()
        self.folder.cleanup()

    def server(self, name, port=0, options=()):
        """A ringmock."""
        command = ["ringmock", "--name", name, "--listen", f"127.0.0.1:{port}", *options]
        return self.start(name, command)

    def gateway(self, name, configuration, port=0):
        """A ringgate with that configuration, which says nothing of where to listen."""
        file = self.work / f"{name}.toml"
        file.write_text(f'listen = "127.0.0.1:{port}"\n{configuration}')
        return self.start(name, ["ringgate", "run", "-c", str(file)])

    def start(self, name, command):
        """Starts a program of ours and waits until it says where it listens."""
        output = self.work / name
        with open(output.with_suffix(".out"), "w") as out, open(output.with_suffix(".err"), "w") as err:
            process = subprocess.Popen([self.bin / command[0], *command[1:]], stdout=out, stderr=err)
        running = Running(process, None, output)
        self.started.append(running)
        give_up_at = time.monotonic() + PATIENCE_S
        while running.address is None:
            # The log of a gateway may hold anything, so a server is believed on its output, a gateway on its words.
            said = running.text("err" if command[0] == "ringgate" else "out")
            if match := re.search(r"http://([0-9.]+):(\d+).*\n", said):
                running.address = match[1], int(match[2])
            elif process.poll() is not None or time.monotonic() > give_up_at:
                fail(f"{name} does not listen: {running.text('out')}{running.text('err')}")
            else:
                time.sleep(0.01)
        return running


def list_of(servers):
    """Their addresses as a configuration writes them."""
    return "[" + ", ".join(f'"127.0.0.1:{server.port}"' for server in servers) + "]"

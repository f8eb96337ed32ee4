"""Provokes every answer that the gateway makes itself and shows each to httplint. Run by scripts/lint-answers."""

import contextlib
import re
import socket
import struct
import sys
import threading
import time

from httplint import HttpResponseLinter
from httplint.note import levels
from stage import Stage

# Findings that are no defects: httplint's name for them, and why.
EXCUSED = {
    "STATUS_BAD_REQUEST": "says only that the status is 400, which was provoked",
    "STATUS_URI_TOO_LONG": "says only that the status is 414, which was provoked",
    "STATUS_VERSION_NOT_SUPPORTED": "says only that the status is 505, which was provoked",
}

HOST = b"Host: h\r\n"


def get(path, fields=b"", method=b"GET"):
    return method + b" " + path + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


# What is said to the gateway, the status to come, and whether the request was a HEAD.
PROVOCATIONS = [
    ("no such route", get(b"/nowhere"), 404),
    ("no such route, HEAD", get(b"/nowhere", method=b"HEAD"), 404),
    ("no such route, HTTP/1.0", b"GET /nowhere HTTP/1.0\r\n\r\n", 404),
    ("no such route, then close", get(b"/nowhere", b"Connection: close\r\n"), 404),
    ("method not on this route", get(b"/read", b"Content-Length: 0\r\n", b"POST"), 405),
    ("method on no route", get(b"/read", method=b"TRACE"), 405),
    ("tunnel", b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 405),
    ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("bare LF", b"GET / HTTP/1.1\nHost: h\n\n", 400),
    ("no version", b"GET /\r\n\r\n", 400),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", get(b"/", HOST), 400),
    ("bad field name", get(b"/", b"a b: c\r\n"), 400),
    ("bad field value", get(b"/", b"a: \x00\r\n"), 400),
    ("folded field", get(b"/", b"a: b\r\n c\r\n"), 400),
    ("bad target", get(b"/%zz"), 400),
    ("fragment", get(b"/#x"), 400),
    ("bad length", get(b"/", b"Content-Length: -1\r\n", b"POST"), 400),
    ("two framings", get(b"/", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"POST"), 400),
    ("bad chunk", get(b"/silent", b"Transfer-Encoding: chunked\r\n", b"POST") + b"zz\r\n", 400),
    ("slow head", b"GET / HTTP/1.1\r\nHost:", 408),
    ("slow body", get(b"/silent", b"Content-Length: 5\r\n", b"POST") + b"abc", 408),
    ("long target", get(b"/" + b"a" * 9000), 414),
    ("unknown expectation", get(b"/silent", b"Expect: a-miracle\r\n"), 417),
    ("large head", get(b"/", b"a: " + b"b" * 40000 + b"\r\n"), 431),
    ("many fields", get(b"/", b"a: b\r\n" * 150), 431),
    ("unknown coding", get(b"/", b"Transfer-Encoding: gzip, chunked\r\n", b"POST"), None),
    ("unknown last coding", get(b"/", b"Transfer-Encoding: gzip\r\n", b"POST"), None),
    ("server resets", get(b"/resets"), 502),
    ("server talks nonsense", get(b"/nonsense"), 502),
    ("server is down", get(b"/down"), 503),
    ("server is down, HEAD", get(b"/down", method=b"HEAD"), 503),
    ("server is silent", get(b"/silent"), 504),
    ("HTTP/2 by name", b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    ("HTTP/3 by name", b"GET / HTTP/3.1\r\nHost: h\r\n\r\n", 505),
]
# All statuses the gateway makes; 501 is how it may answer an unknown coding.
STATUSES = {400, 404, 405, 408, 414, 417, 431, 501, 502, 503, 504, 505}

CONFIGURATION = """\
workers = 1
timeouts = {{ head = "500ms", response = "500ms", stall = "500ms" }}
routes = [
    {{ path = "/", servers = ["127.0.0.1:{silent}"] }},
    {{ prefix = "/read", methods = ["GET"], servers = ["127.0.0.1:{silent}"] }},
    {{ prefix = "/silent", servers = ["127.0.0.1:{silent}"] }},
    {{ prefix = "/resets", servers = ["127.0.0.1:{resets}"] }},
    {{ prefix = "/nonsense", servers = ["127.0.0.1:{nonsense}"] }},
    {{ prefix = "/down", servers = ["127.0.0.1:{down}"] }},
]
"""


def server(serve):
    """A server that does that with every connection, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


def resets(connection):
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def nonsense(connection):
    connection.recv(65536)
    connection.sendall(b"220 ready\r\n\r\n")
    connection.close()


def silent(connection):
    while connection.recv(65536):
        pass


def nobody():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def ask(address, request):
    """All bytes of the answer, and whether it is whole: to its length, or to the end of the connection."""
    is_head = request.startswith(b"HEAD ")
    with socket.create_connection(address, timeout=10) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(request)
        answer = b""
        while not is_whole(answer, is_head):
            received = client.recv(65536)
            if not received:
                break
            answer += received
    return answer


def is_whole(answer, is_head):
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return bool(end) and (is_head or length is not None and len(body) >= int(length[1]))


def lint(answer, is_head):
    """The status, and httplint's notes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.split(b"\r\n")
    version, status, phrase = status_line.split(b" ", 2)
    linter = HttpResponseLinter(start_time=time.time(), no_content=is_head)
    linter.process_response_topline(version, status, phrase)
    linter.process_headers([tuple(part.strip() for part in line.split(b":", 1)) for line in lines])
    if not is_head:
        linter.feed_content(body)
    linter.finish_content(True)
    return int(status), list(notes(linter.notes))


def notes(these):
    for note in these:
        yield note
        yield from notes(note.subnotes)


def judge(address, request, expected):
    """The status, and what is wrong with the answer."""
    answer = ask(address, request)
    if not answer:
        return 0, ["no answer"]
    status, found = lint(answer, request.startswith(b"HEAD "))
    wrong = [] if expected in (None, status) else [f"status {expected} was expected"]
    for note in found:
        name = type(note).__name__
        if note.level in (levels.BAD, levels.WARN) and name not in EXCUSED:
            wrong.append(f"{note.level.value}: {note.summary} ({name})")
    return status, wrong


def main():
    seen, count = set(), 0
    ports = {"silent": server(silent), "resets": server(resets), "nonsense": server(nonsense), "down": nobody()}
    with Stage(*sys.argv[1:]) as stage:
        address = stage.gateway("gateway", CONFIGURATION.format(**ports)).address
        for name, request, expected in PROVOCATIONS:
            status, wrong = judge(address, request, expected)
            seen.add(status)
            count += len(wrong)
            print(f"{status}  {name:26}  {'; '.join(wrong) or 'clean'}")
    missing = STATUSES - seen
    print(f"{len(PROVOCATIONS)} answers of {len(seen)} statuses: {count} findings"
          + (f"; not provoked: {sorted(missing)}" if missing else ""))
    sys.exit(1 if count or missing else 0)


main()

"""Clients that each send one byte of an endless request a second. Run by scripts/prove-slow-clients.

usage: slow_clients.py HOST PORT COUNT head|body

Says "ready" when all are connected, and when its input ends, how many of them the gateway did not keep.
"""

import contextlib
import itertools
import resource
import select
import socket
import sys
import time

# Five hundred times a second a five-hundredth of the clients: a crowd of thousands has no common beat. (A thousand bytes in
# one burst would keep a core from everybody for 5 ms, and that would be measured.)
TURNS = 500
# Source addresses, so that connections of former rounds do not use up the ports of one.
SOURCES = 16
BEGINNINGS = {
    "head": b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ",
    "body": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n",
}


def connect(address, index, beginning):
    client = socket.create_connection(address, source_address=(f"127.0.0.{2 + index % SOURCES}", 0), timeout=10)
    client.sendall(beginning)
    client.setblocking(False)
    return client


def dribble(clients):
    """Sends a byte for each; the number of those that are no longer there."""
    gone = 0
    for client in clients:
        try:
            client.send(b"x")
        except OSError:
            gone += 1
    return gone


def input_ends_within(seconds):
    return bool(select.select([sys.stdin], [], [], max(0, seconds))[0])


def main():
    host, port, count, part = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = [connect((host, port), index, BEGINNINGS[part]) for index in range(count)]
    print("ready", flush=True)
    begun, gone = time.monotonic(), [0] * TURNS
    for turn in itertools.count():
        if input_ends_within(begun + turn / TURNS - time.monotonic()):
            break
        gone[turn % TURNS] = dribble(clients[turn % TURNS :: TURNS])
    print(sum(gone))
    for client in clients:
        with contextlib.suppress(OSError):
            client.close()


main()

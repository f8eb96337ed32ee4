"""An HTTP/1.1 client that knows what it has sent, and tells a whole answer from a broken one."""

import asyncio
import contextlib
import socket
import struct


class Broken(Exception):
    """The connection ended before the answer did. `how`: "unreachable" at once, "fin" or "reset" before a byte of the answer had
    come, or "truncated" in the middle of it."""

    def __init__(self, how):
        super().__init__(how)
        self.how = how


class Answer:
    def __init__(self, status, fields):
        self.status, self.fields, self.body = status, fields, b""

    @property
    def is_last(self):
        """Whether the connection ends behind it."""
        return self.fields.get("connection", "").lower() == "close"


class Connection:
    """One connection at a time; made when it is needed."""

    def __init__(self, address):
        self.address = address
        self.reader = self.writer = None

    def is_kept(self):
        """Whether there is a connection, and nothing has been seen of its end."""
        return self.writer is not None and not self.reader.at_eof()

    async def connect(self):
        try:
            self.reader, self.writer = await asyncio.open_connection(*self.address, limit=1 << 20)
        except OSError:
            raise Broken("unreachable") from None

    async def send(self, method, path, fields, body=None, chunked=False, pause_s=0):
        """Hands a request to the kernel; with a pause, its body comes that much later than its head."""
        if not self.is_kept():
            self.close()
            await self.connect()
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif body is not None:
            lines.append(f"Content-Length: {len(body)}")
        try:
            head = "\r\n".join([*lines, "", ""]).encode()
            if pause_s:
                self.writer.write(head)
                await asyncio.sleep(pause_s)
                head = b""
            self.writer.write(head + (body or b""))
            await self.writer.drain()
        except OSError:
            raise Broken("reset") from None

    async def receive(self):
        """A whole answer."""
        head = b""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            answer = parse(head)
            answer.body = await self.receive_body(answer.fields)
        except asyncio.IncompleteReadError as error:
            raise Broken("truncated" if head or error.partial else "fin") from None
        except OSError:
            raise Broken("truncated" if head else "reset") from None
        if answer.is_last:
            self.close()
        return answer

    async def receive_body(self, fields):
        if "content-length" in fields:
            return await self.reader.readexactly(int(fields["content-length"]))
        pieces = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readuntil(b"\r\n")
        return b"".join(pieces)

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    def reset(self):
        """Leaves without a word."""
        if self.writer is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                linger = struct.pack("ii", 1, 0)
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.writer.transport.abort()
        self.reader = self.writer = None


def parse(head):
    status_line, *lines = head.decode("latin-1").split("\r\n")
    fields = {}
    for name, value in (line.split(":", 1) for line in lines if line):
        fields[name.lower()] = value.strip()
    return Answer(int(status_line.split(" ")[1]), fields)

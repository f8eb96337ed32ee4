"""An HTTP/1.1 client that knows what it has sent, and tells a whole answer from a broken one."""

import asyncio
import socket
import struct


class Broken(Exception):
    """The connection ended before the answer did. `is_silent`: not a byte of it had come, and the end was in good order."""

    def __init__(self, is_silent=False):
        super().__init__("silent" if is_silent else "in the middle")
        self.is_silent = is_silent


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

    async def connect(self):
        try:
            self.reader, self.writer = await asyncio.open_connection(*self.address, limit=1 << 20)
        except OSError:
            raise Broken from None

    async def send(self, method, path, fields, body=None, chunked=False):
        """Hands a request to the kernel."""
        if self.writer is None:
            await self.connect()
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif body is not None:
            lines.append(f"Content-Length: {len(body)}")
        try:
            self.writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
            await self.writer.drain()
        except OSError:
            raise Broken from None

    async def receive(self):
        """A whole answer."""
        head = b""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            answer = parse(head)
            answer.body = await self.receive_body(answer.fields)
        except asyncio.IncompleteReadError as error:
            raise Broken(is_silent=not head and not error.partial) from None
        except OSError:
            raise Broken from None
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

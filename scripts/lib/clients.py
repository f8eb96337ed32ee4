"""Clients that lose nothing from sight: each keeps its connection, asks in many ways, and knows what became of every request.
What can become of one stands at the top of scripts/prove-drains.
"""

import asyncio
import random

from client import Broken, Connection

SEED = 1
FATES = ("answered", "not taken", "raced, fin", "raced, reset", "refused", "turned away", "lost")


class Clients:
    """All of them, and what became of each request. A request that is asked again is a new one."""

    def __init__(self, address, count):
        self.address, self.count = address, count
        self.is_over = False
        self.random = random.Random(SEED)
        self.outcomes = {}  # by id: what became of it, and whether it was the first on its connection

    async def run(self):
        await asyncio.gather(*(self.client(index) for index in range(self.count)))

    async def client(self, index):
        connection, count = Connection(self.address), 0
        while not self.is_over:
            count += 1
            id = f"proof-{index}-{count}"
            is_first = not connection.is_kept()
            try:
                answer = await self.exchange(connection, id)
                outcome = "answered" if answer.status == 200 else "refused"
            except Broken as broken:
                outcome = broken.how
                connection.reset()
                await asyncio.sleep(0.002)
            self.outcomes[id] = outcome, is_first
        connection.close()

    async def exchange(self, connection, id):
        fields = {"Host": "proof", "X-Request-Id": id}
        match self.random.randrange(8):
            case 0 | 1:
                await connection.send("POST", "/?echo=1", fields, id.encode(), pause_s=0.01)
            case 2:
                await connection.send("POST", "/?echo=1&delay_ms=5", fields, id.encode() * 2000, chunked=True)
            case 3:
                await connection.send("GET", f"/{id}?delay_ms={self.random.randrange(40)}", fields)
            case _:
                await connection.send("GET", f"/{id}", fields)
                await asyncio.sleep(0)
        answer = await connection.receive()
        if answer.fields.get("x-request-id") != id or answer.status == 200 and id.encode() not in answer.body:
            raise Broken("truncated")  # somebody else's
        match self.random.randrange(16):
            case 0 | 1 | 2 | 3:
                await asyncio.sleep(self.random.random() * 0.02)  # an idle connection
            case 4:
                connection.close()  # a new one next time
        return answer


def fate(outcome, is_first, is_read):
    """Which of FATES that is, for a request that a gateway has logged or not."""
    match outcome:
        case "answered" | "refused":
            return outcome
        case "unreachable":
            return "not taken"
        case "fin" | "reset" if not is_first and not is_read:
            return f"raced, {outcome}"
        case "fin" if not is_read:
            return "turned away"
        case _:
            return "lost"

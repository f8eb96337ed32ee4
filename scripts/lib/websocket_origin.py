"""A WebSocket server that echoes, on a free port. Run by scripts/websocket-cases."""

import asyncio

from aiohttp import WSMsgType, web

# The largest message of the cases has 16 MiB.
MESSAGE_BYTES = 64 << 20


async def echo(request):
    socket = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES)
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def main():
    application = web.Application()
    application.add_routes([web.get("/{path:.*}", echo)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print("echo on http://{}:{}".format(*runner.addresses[0]), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())

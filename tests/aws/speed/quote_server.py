"""A vendor that answers every quote at once, without limits: so that what asks it is what is measured. Prints its port."""

import asyncio
import json
import time


async def answer(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            quote = {"c": 308.82, "d": 3.83, "dp": 1.25, "h": 311.4, "l": 305.84, "o": 306.12, "pc": 304.99, "t": int(time.time()) - 1}
            body = json.dumps(quote).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())

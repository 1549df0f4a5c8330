"""A socket before a daemon's: its answers come late, as over a network, or no more after some of them.

Run it with ``python -m tests.fleets.proxy DAEMON SOCKET SECONDS`` to delay every answer; it says ``ready``,
and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Passes on what clients and a daemon say.

    Parameters
    ----------
    daemon : Path
        The daemon's socket.
    delay : float
        By how much each answer is late, in seconds.
    most : int, optional
        How many answers each client gets; then nothing more comes.
    """

    def __init__(self, daemon: Path, delay: float = 0.0, most: int | None = None) -> None:
        self.daemon, self.delay, self.most = daemon, delay, most
        self.answers = 0

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Serve one client, until either side ends."""
        answers, there = await asyncio.open_unix_connection(self.daemon)
        loop, given = asyncio.get_running_loop(), 0

        async def ask() -> None:
            while said := await client.read(1 << 20):
                there.write(said)
            there.write_eof()

        asking = asyncio.create_task(ask())
        # It is cancelled at the proxy's end, which is no more than the end of both connections.
        with suppress(ConnectionError, asyncio.CancelledError):
            while said := await answers.read(1 << 20):
                if self.most is not None and given >= self.most:
                    continue
                given += 1
                self.answers += 1
                loop.call_later(self.delay, back.write, said)
            await asyncio.sleep(self.delay)
        asking.cancel()
        for writer in (there, back):
            writer.close()
        with suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(there.wait_closed(), back.wait_closed())


def socket_of(uri: str) -> Path:
    """Give the socket that a URI names."""
    return Path(parse_qs(urlsplit(uri).query)["socket"][0])


@contextmanager
def before(uri: str, folder: Path, *, most: int | None = None) -> Iterator[tuple[str, Proxy]]:
    """Put a proxy before a daemon; give the URI that leads through it."""
    real, path = socket_of(uri), folder / "p"
    proxy, up, stop = Proxy(real, most=most), Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        server = await asyncio.start_unix_server(proxy.serve, path)
        loops.append(asyncio.get_running_loop())
        up.set()
        await stop.wait()
        server.close()

    thread = Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert up.wait(60)
        yield uri.replace(str(real), str(path)), proxy
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()


async def _main(daemon: Path, path: Path, delay: float) -> None:
    async with await asyncio.start_unix_server(Proxy(daemon, delay).serve, path):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))

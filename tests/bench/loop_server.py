"""The API as `codeai serve` runs it, with a watch on its event loop: a line on stdin is answered, on stdout, by the
longest time that the loop was held since the last one, and the longest that it computed, in milliseconds."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time

from codeai.api.app import create_app
from codeai.api.server import Server
from codeai.logs import configure
from codeai.settings import load

LOOK_EVERY = 0.002


class Watched(Server):
    """Looks at the clocks again and again: what comes between two looks is held."""

    held = computed = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self.tell)
        self.looking = asyncio.create_task(self.look())

    async def look(self) -> None:
        last, computed = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.held = max(self.held, time.perf_counter() - last - LOOK_EVERY)
            self.computed = max(self.computed, time.thread_time() - computed)
            last, computed = time.perf_counter(), time.thread_time()

    def tell(self) -> None:
        os.read(sys.stdin.fileno(), 1)
        print(f"{self.held * 1000:.3f} {self.computed * 1000:.3f}", flush=True)
        self.held = self.computed = 0.0


def main() -> None:
    settings = load(os.environ)
    configure(settings.logging, process="api")
    Watched(create_app(settings), settings.server).run()


if __name__ == "__main__":
    main()

"""Runs the server as a process of its own until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import json
import logging
import os
import signal
from pathlib import Path

from .config import ServerConfig
from .server import FakeServer, listen


def main() -> None:
    """Listen; once ready write `{"base_url", "pid"}` to the ready file."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.provider_server")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--socket", default=None, help="path of a unix socket, in place of a port")
    parser.add_argument("--ready-file", type=Path, default=None)
    parser.add_argument("--config", type=json.loads, default={}, help="ServerConfig's fields as JSON")
    # A client that goes away while it is written to is counted; its traceback would tell nothing more.
    logging.getLogger("aiohttp.server").addFilter(lambda record: not _is_lost_client(record))
    asyncio.run(_serve(parser.parse_args()))


def _is_lost_client(record: logging.LogRecord) -> bool:
    return bool(record.exc_info) and isinstance(record.exc_info[1], ConnectionError)


async def _serve(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    state = FakeServer(ServerConfig().changed(options.config))
    runner = await listen(state, port=options.port, path=options.socket)
    ready = json.dumps({"base_url": state.base_url, "pid": os.getpid()})
    if options.ready_file is not None:
        draft = options.ready_file.with_suffix(".draft")
        draft.write_text(ready)
        draft.rename(options.ready_file)
    print(ready, flush=True)
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    main()

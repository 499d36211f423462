"""A real browser on a real web server: uvicorn in a process of its own, Debian's Chromium by Playwright."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

START_SECONDS = 30
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def web_server(environment: Mapping[str, str]) -> Iterator[str]:
    """Run `uvicorn arboretum.asgi:application` with `environment`; gives its address, and stops it at the end."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-m", "uvicorn", "arboretum.asgi:application", "--fd", str(listening.fileno())]
        process = subprocess.Popen(command, env=dict(environment), pass_fds=[listening.fileno()])
        try:
            wait_until_answers(f"{address}/healthz", process)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def wait_until_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Return when `url` answers 200. Raises RuntimeError when the server ends or takes longer than 30 s."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310
                if response.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.05)
    raise RuntimeError(f"the web server did not answer at {url}; its exit code is {process.poll()}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium without a window. Raises RuntimeError that says what to install where it is missing."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise RuntimeError("Chromium is missing: apt-get install -y chromium")
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched_page(browser: Browser, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """Open a page in a context of its own; gives it and the list that its console errors and failed loads go to."""
    context = browser.new_context(**options)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("response", lambda response: troubles.append(response.url) if response.status >= 400 else None)
    try:
        yield page, troubles
    finally:
        context.close()

"""Starts the parts of the stack, starts again what dies, and stops all in order."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .processes import dies_with_parent

START_SECONDS = 60.0
# A part that ran this long had started well: its next failure is not one of a row.
STEADY_SECONDS = 30.0
START_TRIES = 3
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
WATCH_SECONDS = 2.0
LONGEST_LINE = 256 * 1024
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str, str], None]


class PartFailed(RuntimeError):
    """A part of the stack does not start; says which, and with what exit code."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process of the stack. `is_ready` gets its process id; it may block for a second, in a thread of its own."""

    name: str
    command: Sequence[str]
    is_ready: Callable[[int], bool]
    grace_seconds: float = 10.0
    env: Mapping[str, str] = field(default_factory=dict)


class PartKeeper:
    """Keeps one part running until it is told to stop."""

    def __init__(self, part: Part, say: Say) -> None:
        """Take the part and `say(name, line)`, which prints."""
        self.part = part
        self.was_ready = False
        self._say = say
        self._stopping = asyncio.Event()
        # Held while the process is being started, when there is nothing yet that could be stopped.
        self._starting = asyncio.Lock()
        self._killed = False
        self._process: asyncio.subprocess.Process | None = None
        self._failures = 0

    async def keep(self) -> None:
        """Start the part; start it again whenever it ends. Raises PartFailed if it never gets ready."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            self._failures = 1 if loop.time() - began > STEADY_SECONDS else self._failures + 1
            if not self.was_ready and self._failures >= START_TRIES:
                raise PartFailed(f"{self.part.name} does not start (exit code {code}).")
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (self._failures - 1))
            self._say(self.part.name, f"ended with exit code {code}; starts again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def await_ready(self) -> None:
        """Wait until the part answers. Raises PartFailed after a minute."""
        end = asyncio.get_running_loop().time() + START_SECONDS
        while not self._stopping.is_set():
            process = self._process
            if process and process.returncode is None and await asyncio.to_thread(self._asks, process.pid):
                self.was_ready = True
                return
            if asyncio.get_running_loop().time() > end:
                raise PartFailed(f"{self.part.name} does not answer after {START_SECONDS:g} s.")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Ask the part to end; kill it, with all it started, when its grace time is over."""
        self._stopping.set()
        async with self._starting:
            process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.part.grace_seconds)
        except TimeoutError:
            self._say(self.part.name, f"did not end within {self.part.grace_seconds:g} s and is killed")
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """Kill the part's whole process group; one that is just being started, as soon as it has been."""
        self._stopping.set()
        self._killed = True
        self._kill_group()

    def _asks(self, pid: int) -> bool:
        try:
            return self.part.is_ready(pid)
        except Exception:
            # Whatever goes wrong while asking, the answer is the same: not yet.
            return False

    async def _run_once(self) -> int:
        async with self._starting:
            self._process = process = await self._start()
        if self._killed:
            self._kill_group()
        reader = asyncio.create_task(self._pass_on_output(process))
        code = await process.wait()
        self._kill_group()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader, 1)
        return code

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.part.command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.part.env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A session of its own: Ctrl-C reaches the supervisor alone, which stops the parts in order.
            start_new_session=True,
            preexec_fn=dies_with_parent(signal.SIGTERM),
        )

    def _kill_group(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _pass_on_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while data := await process.stdout.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(self.part.name, line.decode(errors="replace").rstrip("\r"))
        if rest:
            self._say(self.part.name, rest.decode(errors="replace"))


class Supervisor:
    """Runs stages of parts: all start at once; the stages stop one after the other, in the order given."""

    def __init__(self, stages: Sequence[Sequence[Part]], say: Say, watch: Callable[[], None] = lambda: None) -> None:
        """Take the stages, `say(name, line)`, which prints a line of a part, and `watch`.

        `watch` is called every few seconds, in a thread, to look after what is no part; what it raises is said.
        """
        self._stages = stages
        self._say = say
        self._watch = watch
        self._keepers: list[list[PartKeeper]] = []
        self._stop_asked = asyncio.Event()

    def run(self, on_ready: Callable[[], None]) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP; a second signal kills. `on_ready` is called when all parts answer.

        Raises PartFailed, with everything stopped, where a part does not start. Call it from the main thread.
        """
        asyncio.run(self._run(on_ready))

    async def _run(self, on_ready: Callable[[], None]) -> None:
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
        self._keepers = [[PartKeeper(part, self._say) for part in stage] for stage in self._stages]
        keeping = [asyncio.create_task(keeper.keep()) for keeper in self._all()]
        readying = asyncio.create_task(self._get_ready(on_ready))
        watching = asyncio.create_task(self._keep_watch())
        stopping = asyncio.create_task(self._stop_asked.wait())
        try:
            await self._until_stopped(stopping, {*keeping, readying})
        finally:
            readying.cancel()
            await self._stop_all()
            await asyncio.gather(readying, stopping, watching, *keeping, return_exceptions=True)

    async def _until_stopped(self, stopping: "asyncio.Task[bool]", others: "set[asyncio.Task[None]]") -> None:
        waiting: set[asyncio.Task[bool] | asyncio.Task[None]] = {stopping, *others}
        while not stopping.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what a part died of

    async def _get_ready(self, on_ready: Callable[[], None]) -> None:
        await asyncio.gather(*(keeper.await_ready() for keeper in self._all()))
        if not self._stop_asked.is_set():
            on_ready()

    async def _keep_watch(self) -> None:
        while not self._stop_asked.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_asked.wait(), WATCH_SECONDS)
                return
            try:
                await asyncio.to_thread(self._watch)
            except Exception as error:
                self._say("", str(error))

    async def _stop_all(self) -> None:
        self._stop_asked.set()
        for stage in self._keepers:
            await asyncio.gather(*(keeper.stop() for keeper in stage))

    def _on_signal(self) -> None:
        if self._stop_asked.is_set():
            self._say("", "Killing what still runs.")
            for keeper in self._all():
                keeper.kill()
        self._stop_asked.set()

    def _all(self) -> list[PartKeeper]:
        return [keeper for stage in self._keepers for keeper in stage]

"""Starts a worker process that inherits nothing of the service but two pipes, and reads its answers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from io import BufferedReader, RawIOBase
from typing import IO, Any, Generic, TypeVar, cast

import msgspec

from muniment.errors import MunimentError
from muniment.parsing.pipe_frames import PipeReader, send

PIPE_SIZE = 1024 * 1024
BUFFER = 64 * 1024
PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "MALLOC_PERTURB_"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    *("PYTHONUTF8", "PYTHONWARNINGS", "PYTHONHASHSEED", "PYTHONMALLOC"),
)
"""The variables that a worker needs to find Python and this program. All others stay with the service, since
a profile's password may be one (`{ env = "..." }`). docs/security.md lists them."""

T = TypeVar("T")


class WorkersUnusable(MunimentError):
    """A worker can't start, or fails for a reason that is not the mail's."""


class WorkerDied(Exception):
    """The worker ended, or was ended because it did not answer."""

    def __init__(self, why: str, timed_out: bool = False, silent: bool = False) -> None:
        """Take the reason.

        A silent worker says nothing about a mail: the kernel ends a worker that works too long on one. So a
        silent worker was stopped, or the machine was suspended.

        Args:
            why: the reason, for the log.
            timed_out: whether it used up the time of a mail, or was silent for too long.
            silent: whether it was silent for too long.
        """
        super().__init__(why)
        self.timed_out = timed_out
        self.silent = silent


class _TimedPipe(RawIOBase):
    """The output of a process, read until a deadline.

    So half an answer does not block a thread for ever.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self.deadline = 0.0
        """On the monotonic clock."""

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any, /) -> int:
        wait_for(self._pipe.fileno(), select.POLLIN, self.deadline)
        return os.readv(self._pipe.fileno(), [room])


def wait_for(pipe: int, event: int, deadline: float) -> None:
    """Wait until a pipe can be read or written. `deadline` is on the monotonic clock, in seconds.

    Raises:
        TimeoutError: that did not happen by then.
    """
    waiting = select.poll()  # select() knows no descriptor above 1,023
    waiting.register(pipe, event)
    if not waiting.poll(max(deadline - time.monotonic(), 0) * 1000):
        raise TimeoutError


class WorkerProcess(Generic[T]):
    """One worker process. It belongs to the thread that talks to it. `T` is the type of its answers."""

    def __init__(self, module: str, answers: msgspec.msgpack.Decoder[T]) -> None:
        """Start the process.

        Args:
            module: run as a program. Its argument is the number of a socket that receives the descriptors of
                files.
            answers: decodes the frames that it writes.

        Raises:
            OSError: it can't be started.
        """
        self._files, theirs = socket.socketpair()
        with theirs:
            self._start(module, theirs.fileno())
        self._files.settimeout(1)
        self._input = cast(IO[bytes], self._process.stdin)
        self._output = cast(IO[bytes], self._process.stdout)
        self._timed = _TimedPipe(self._output)
        self._answers = PipeReader(BufferedReader(self._timed, BUFFER), answers)
        os.set_blocking(self._input.fileno(), False)
        for stream in (self._input, self._output):
            with contextlib.suppress(OSError):
                fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)

    def _start(self, module: str, files: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            start_new_session=True,
            umask=0o077,
            pass_fds=(files,),
        )

    def ask(self, request: object, behind: Sequence[bytes] = (), *, timeout: float) -> T:
        """Send a request and wait for the answer.

        Args:
            request: becomes a frame.
            behind: bytes that follow the frame.
            timeout: seconds in all.

        Raises:
            WorkerDied: it died, did not answer in time, or wrote something that is no answer.
        """
        deadline = time.monotonic() + timeout
        pipe = self._input.fileno()
        try:
            send(pipe, request, behind, lambda: wait_for(pipe, select.POLLOUT, deadline))
        except TimeoutError:
            raise _silence(timeout) from None
        except OSError as error:
            raise self._death(str(error)) from error
        return self.receive(deadline - time.monotonic())

    def pass_files(self, *descriptors: int) -> None:
        """Pass open files. They belong to the next request about a file.

        Raises:
            WorkerDied: the process is gone.
        """
        try:
            socket.send_fds(self._files, [b"f"], list(descriptors))
        except OSError as error:
            raise self._death(str(error)) from error

    def receive(self, timeout: float) -> T:
        """Wait for its next answer, without a request. `timeout` is in seconds.

        Raises:
            WorkerDied: as `ask`.
        """
        self._timed.deadline = time.monotonic() + timeout
        try:
            answer = self._answers.receive()
        except TimeoutError:
            raise _silence(timeout) from None
        except (OSError, EOFError, msgspec.DecodeError) as error:
            raise self._death(str(error)) from error
        if answer is None:
            raise self._death("its output ended")
        return answer

    def _death(self, why: str) -> WorkerDied:
        """What happened to a process whose pipes are closed."""
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return WorkerDied(why)
        if status == -signal.SIGPROF:
            return WorkerDied("one mail took too much processor time", timed_out=True)
        return WorkerDied(f"ended with status {status}")

    def end(self) -> None:
        """Stop the process at once, and wait until it is gone."""
        self._process.kill()
        for stream in (self._input, self._output, self._files):
            with contextlib.suppress(OSError):
                stream.close()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid


def _silence(timeout: float) -> WorkerDied:
    return WorkerDied(f"no answer within {timeout:.0f} s", timed_out=True, silent=True)

"""Start, stop, restart and foreground around a callable, with one instance a name.

Knows nothing of what the callable does. The callable, `body(ready)`, runs in
the daemon: it installs its signal handlers, takes `instance.hold()`, opens its
logs, makes its clients, calls `ready()`, and then works until it is told to
end. In this order: the pid file appears only when a signal sent to its pid is
served, and whoever is refused the pid file has not touched the logs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from daemon import DaemonContext

from dynamic_dynamodb.daemon.files import DaemonError
from dynamic_dynamodb.daemon.pidfile import Instance
from dynamic_dynamodb.errors import DynamicDynamoDBError
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.terminal import PROGRAM, tell
from dynamic_dynamodb.output.wording import one_line

OK, FAILED, INTERRUPTED = 0, 1, 130

Ready = Callable[[], None]
Body = Callable[[Ready], int]

_log = logging.getLogger(PROGRAM)
_PAUSE = 0.02  # seconds between two looks at a daemon that is to end
_TO_DETACH = 2.0  # seconds that a daemon to be may take to leave its parent, on a busy machine
# What the daemon to be tells `start`, a line each; what does not begin with these is a reason why there will be none
_GROUP, _READY = b"group ", b"ready"  # and its pid
TO_START = 30.0  # seconds
TO_END = 120.0  # seconds: what is sent to AWS and has no answer yet may take 90, as deploy/ has it


# The commands; each returns the exit code


def start(instance: Instance, body: Body, *, log: str = "", timeout: float = TO_START) -> int:
    """Run `body` in a daemon. 0 when it called `ready()`; 1, and the reason on stderr, when it will not.

    `log`: where it logs to, for the line that says that it runs.

    The daemon runs only if 0 is returned: one that is not ready in time is killed,
    and one that nobody waits for any more ends by itself at `ready()`.
    """
    open_standard_streams()
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        return _fail([f"cannot start a daemon: {error.strerror}"])
    if child == 0:
        os.close(reader)
        _become_daemon(body, writer)
    os.close(writer)
    birth = _Birth(child, reader)
    try:
        reasons = birth.wait(timeout)
    except BaseException:  # Ctrl-C: no daemon that nobody knows of
        birth.kill()
        raise
    finally:
        os.close(reader)
    if reasons:
        return _fail(reasons)
    _say(f"instance {instance.name} has started: process {birth.pid}" + (f"; {log}" if log else ""))
    return OK


def stop(instance: Instance, *, timeout: float = TO_END, and_then: str = "") -> int:
    """Tell the daemon to end, and wait until it has. 1, and its pid on stderr, when it does not end in time.

    `and_then` is what comes next, for the one who reads that nothing runs now.
    """
    open_standard_streams()
    try:
        with instance.holder() as found:
            if found is None:
                return _nothing_to_stop(instance, and_then)
            found.terminate()
            until = time.monotonic() + timeout
            while not found.ended():
                if time.monotonic() > until:
                    raise DaemonError(
                        f"process {found.pid} is still running {timeout:g} s after SIGTERM; "
                        "its log may show what it is waiting for"
                    )
                time.sleep(_PAUSE)
            _say(f"instance {instance.name} has stopped (process {found.pid}){and_then}")
            return OK
    except DaemonError as error:
        return _fail([f"instance {instance.name}: {error}"])


def restart(instance: Instance, body: Body, *, log: str = "", timeout: float = TO_START, to_end: float = TO_END) -> int:
    """`stop`, then `start`, also when nothing runs; not while the old daemon still does."""
    return stop(instance, timeout=to_end, and_then="; starting it") or start(instance, body, log=log, timeout=timeout)


def _not_running(instance: Instance) -> str:
    """With the place where we looked: another --pid-file-dir is another daemon."""
    return f"instance {instance.name} is not running (pid file {instance.path})"


def _nothing_to_stop(instance: Instance, and_then: str) -> int:
    original = instance.original()
    if original:
        raise DaemonError(f"is not running; {original}")
    _say(_not_running(instance) + and_then)
    return OK


def foreground(body: Body) -> int:
    """Run `body` in this process, attached to its terminal, service manager or container."""
    open_standard_streams()
    _unblock_signals()
    os.umask(_safe_umask())
    return _live(body, _Starter(None))


# In the daemon


def _become_daemon(body: Body, writer: int) -> NoReturn:
    """Detach, and run the body. Never returns into the frames of the program that was forked."""
    code = FAILED
    starter = _Starter(writer)
    try:
        # The signals that end a process end this one, silently and with nothing left behind,
        # until the body has handlers; DaemonContext's own would raise SystemExit anywhere.
        _unblock_signals()
        DaemonContext(
            detach_process=True,  # its guess is wrong under service managers and in containers
            working_directory="/",
            umask=_safe_umask(),
            signal_map={},
            files_preserve=[writer],
        ).open()
        starter.detached()
        code = _live(body, starter)
    except BaseException as error:  # noqa: BLE001 - it is told to the one who can say it
        starter.failed([f"the daemon cannot detach: {_describe(error)}"])
    finally:
        with contextlib.suppress(Exception):
            logging.shutdown()
        os._exit(code)


class _Starter:
    """Whoever waits for the body to be ready: `start`, behind a pipe, or nobody (None) in the foreground."""

    def __init__(self, writer: int | None) -> None:
        self._writer = writer
        self.waiting = True

    def detached(self) -> None:
        """Say which processes to kill if this one hangs."""
        self._tell(_GROUP + b"%d\n" % os.getpgrp())

    def ready(self) -> None:
        """Say that the daemon runs; a second time says nothing."""
        if not self.waiting:
            return
        try:
            self._tell(_READY + b" %d\n" % os.getpid())
        except BrokenPipeError as error:
            raise DaemonError("the command that was starting the daemon ended before the daemon was ready") from error
        self._let_go()

    def failed(self, reasons: list[str]) -> None:
        """Say why there will be no daemon."""
        if self._writer is None:
            _fail(reasons)
        with contextlib.suppress(BrokenPipeError):
            self._tell("".join(f"{reason}\n" for reason in reasons).encode("utf-8", "backslashreplace"))
        self._let_go()

    def ended(self, code: int) -> None:
        """Say that the body has returned: an end to whom it is attached, a failure to `start`."""
        if self._writer is not None:
            self.failed([f"the daemon exited with code {code} before it was ready"])

    def _tell(self, message: bytes) -> None:
        while self._writer is not None and message:
            message = message[os.write(self._writer, message) :]

    def _let_go(self) -> None:
        self.waiting = False
        if self._writer is not None:
            os.close(self._writer)
        self._writer = None


def _live(body: Body, starter: _Starter) -> int:
    """Run the body; its exit code. What it raises is told to the starter while that waits, and to the log after."""
    try:
        code = body(starter.ready)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else OK if end.code is None else FAILED
    except DynamicDynamoDBError as error:
        if starter.waiting:
            starter.failed(str(error).splitlines())
        else:
            _log.error("ended: %s", error)
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last place where anybody can say it
        _log.exception("ended by an unexpected error")
        if starter.waiting:
            starter.failed([f"unexpected error: {_describe(error)}"])
        return FAILED
    starter.ended(code)
    return code


def _describe(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}")


# In the command


class _Birth:
    """What `start` knows of the daemon to be: its own child, which soon ends, and the pipe from the daemon."""

    def __init__(self, child: int, reader: int) -> None:
        self._child = child
        self._reader = reader
        self._heard = b""
        self.pid = 0  # of the daemon, when it is ready

    def wait(self, timeout: float) -> list[str]:
        """Why there will be no daemon; nothing when it is ready."""
        ended = self._listen(timeout)
        if not ended:
            group = self._group
            self.kill()
            return [f"the daemon (process group {group or 'unknown'}) was not ready after {timeout:g} s and was killed"]
        self._reap()
        heard = [line for line in self._heard.splitlines() if not line.startswith(_GROUP)]
        if len(heard) == 1 and (ready := re.fullmatch(_READY + rb" (\d+)", heard[0])):
            self.pid = int(ready[1])
            return []
        return [line.decode("utf-8", "replace") for line in heard] or ["the daemon died before it was ready"]

    @property
    def _group(self) -> int | None:
        """The process group of the daemon, once it has said so in a whole line."""
        first, end, _ = self._heard.partition(b"\n")
        return int(first.removeprefix(_GROUP)) if end and first.startswith(_GROUP) else None

    def kill(self) -> None:
        """Kill the daemon to be and all that it started: its process group, which came with its session."""
        if not self._heard:  # it may have said which group that is, and not been heard yet, or be about to
            self._listen(_TO_DETACH, one_word=True)
        group = self._group
        with contextlib.suppress(ProcessLookupError):
            # The first child stays ours until it is reaped, and the group's number taken while it has a member.
            if group is not None:
                os.killpg(group, signal.SIGKILL)
            else:
                os.kill(self._child, signal.SIGKILL)
        self._listen(5)  # its end of the pipe closes when it is dead; the next start will not meet it
        self._reap()

    def _listen(self, timeout: float, *, one_word: bool = False) -> bool:
        """Read until the daemon's end of the pipe is closed: after its message, or by its death."""
        until = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while (left := until - time.monotonic()) > 0:
            if not poll.poll(left * 1000):
                break
            piece = os.read(self._reader, 65536)
            if not piece:
                return True
            self._heard += piece
            if one_word:
                break
        return False

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored the kernel has done it
            os.waitpid(self._child, 0)


# Shared


def _say(text: str) -> None:
    sys.stdout.write(f"{PROGRAM}: {safe(text)}\n")
    sys.stdout.flush()


def _fail(reasons: list[str]) -> int:
    for reason in reasons:
        tell(reason, "error")
    return FAILED


def open_standard_streams() -> None:
    """Give /dev/null to the standard streams that were closed by whoever started the program.

    Otherwise the next file opened becomes "stdout", and python-daemon fails on a
    stream that Python has set to None.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115


def _unblock_signals() -> None:
    """A launcher may have left signals blocked, and then nothing would ever end the daemon."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _safe_umask() -> int:
    """The user's umask, and 0o022 at least: nothing that others may write to."""
    user = os.umask(0o077)
    os.umask(user)
    return user | 0o022

"""Start, stop, restart and foreground around a callable, with one instance per name.

It does not know what the callable does. The callable, `body(ready)`, runs in
the daemon: it installs its signal handlers, takes `instance.hold()`, opens its
logs, makes its clients, calls `ready()`, and then works until a signal ends it.
The order matters: the pid file appears only when the process can handle
signals, and a process that does not get the pid file has not touched the logs.
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
from dynamic_dynamodb.daemon.pidfile import Instance, names
from dynamic_dynamodb.errors import DynamicDynamoDBError
from dynamic_dynamodb.output.masking import safe
from dynamic_dynamodb.output.terminal import PROGRAM, tell
from dynamic_dynamodb.output.wording import one_line

OK, FAILED, INTERRUPTED = 0, 1, 130

Ready = Callable[[], None]
Body = Callable[[Ready], int]

_log = logging.getLogger(PROGRAM)
_PAUSE = 0.02  # seconds between two looks at a daemon that has to end
_TO_DETACH = 2.0  # seconds that the new daemon may take to detach, on a busy machine
# The messages of the new daemon to `start`, one per line. Any other line is a reason why the daemon does not start.
_GROUP, _READY = b"group ", b"ready"  # each with a number: process group, pid
TO_START = 30.0  # seconds
TO_END = 120.0  # seconds: a call to AWS without an answer may take 90, as in deploy/


# The commands. Each returns the exit code


def start(instance: Instance, body: Body, *, log: str = "", timeout: float = TO_START) -> int:
    """Run `body` in a daemon. Returns 0 if it called `ready()`, else 1 with the reason on stderr.

    `log`: where it logs to, for the line that reports the start.

    The daemon runs only if 0 is returned: a daemon that is not ready in time is
    killed, and one whose `start` has ended ends by itself at `ready()`.
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
    except BaseException:  # Ctrl-C: leave no daemon behind that the user does not know about
        birth.kill()
        raise
    finally:
        os.close(reader)
    if reasons:
        return _fail(reasons)
    _say(f"instance {instance.name} has started: process {birth.pid}" + (f"; {log}" if log else ""))
    return OK


def stop(instance: Instance, *, timeout: float = TO_END, and_then: str = "") -> int:
    """Send SIGTERM to the daemon and wait for its end. Returns 1, with its pid on stderr, if it does not end in time.

    `and_then`: the next step, for the end of the message.
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
    """`stop`, then `start`, even if nothing runs; but not if the old daemon does not end."""
    return stop(instance, timeout=to_end, and_then="; starting it") or start(instance, body, log=log, timeout=timeout)


def _not_running(instance: Instance) -> str:
    """With the pid file that was checked: another --pid-file-dir is another daemon."""
    return f"instance {instance.name} is not running (pid file {instance.path})"


def _nothing_to_stop(instance: Instance, and_then: str) -> int:
    original = instance.original()
    if original:
        raise DaemonError(f"is not running; {original}")
    _say(_not_running(instance) + (and_then or _others(instance)))
    return OK


def _others(instance: Instance) -> str:
    """The instances of the folder that do run: whoever forgets --instance would think that they have stopped."""
    folder = instance.path.parent
    running = [name for name in names(folder) if _runs(Instance(name, folder))]
    return f"; running: {', '.join(running)}; name one with --instance" if running else ""


def _runs(instance: Instance) -> bool:
    try:
        with instance.holder() as found:
            return found is not None
    except DaemonError:
        return False  # its pid file cannot be read, so there is nothing to stop for this user


def foreground(body: Body) -> int:
    """Run `body` in this process, attached to its terminal, service manager or container."""
    open_standard_streams()
    _unblock_signals()
    os.umask(_safe_umask())
    return _live(body, _Starter(None))


# In the daemon


def _become_daemon(body: Body, writer: int) -> NoReturn:
    """Detach, and run the body. Never returns to the code that forked."""
    code = FAILED
    starter = _Starter(writer)
    try:
        # Until the body has handlers, signals end this process silently, and nothing is left behind.
        # The handler of DaemonContext would raise SystemExit anywhere.
        _unblock_signals()
        DaemonContext(
            detach_process=True,  # its own guess is wrong under service managers and in containers
            working_directory="/",
            umask=_safe_umask(),
            signal_map={},
            files_preserve=[writer],
        ).open()
        starter.detached()
        code = _live(body, starter)
    except BaseException as error:  # noqa: BLE001 - `start` reports it
        starter.failed([f"the daemon cannot detach: {_describe(error)}"])
    finally:
        with contextlib.suppress(Exception):
            logging.shutdown()
        os._exit(code)


class _Starter:
    """The process that waits for the body to be ready: `start`, over a pipe. In the foreground (None) there is none."""

    def __init__(self, writer: int | None) -> None:
        self._writer = writer
        self.waiting = True

    def detached(self) -> None:
        """Report the process group to kill if this process hangs."""
        self._tell(_GROUP + b"%d\n" % os.getpgrp())

    def ready(self) -> None:
        """Report that the daemon runs; a second call does nothing."""
        if not self.waiting:
            return
        try:
            self._tell(_READY + b" %d\n" % os.getpid())
        except BrokenPipeError as error:
            raise DaemonError("the command that was starting the daemon ended before the daemon was ready") from error
        self._let_go()

    def failed(self, reasons: list[str]) -> None:
        """Report why the daemon does not start."""
        if self._writer is None:
            _fail(reasons)
        with contextlib.suppress(BrokenPipeError):
            self._tell("".join(f"{reason}\n" for reason in reasons).encode("utf-8", "backslashreplace"))
        self._let_go()

    def ended(self, code: int) -> None:
        """Report that the body has returned, which is a failure for `start`."""
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
    """Run the body; returns its exit code. Its exceptions go to the starter while that waits, and to the log later."""
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
    except Exception as error:  # noqa: BLE001 - the last place that can report it
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
    """The view of `start` on the new daemon: its own child, which soon ends, and the pipe from the daemon."""

    def __init__(self, child: int, reader: int) -> None:
        self._child = child
        self._reader = reader
        self._heard = b""
        self.pid = 0  # of the daemon, once it is ready

    def wait(self, timeout: float) -> list[str]:
        """Why the daemon does not start; nothing if it is ready."""
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
        """The process group of the daemon, once the whole line has arrived."""
        first, end, _ = self._heard.partition(b"\n")
        return int(first.removeprefix(_GROUP)) if end and first.startswith(_GROUP) else None

    def kill(self) -> None:
        """Kill the new daemon and everything that it started: its process group, which came with its session."""
        if not self._heard:  # the line with the group may be on its way
            self._listen(_TO_DETACH, one_word=True)
        group = self._group
        with contextlib.suppress(ProcessLookupError):
            # Our child keeps its pid until it is reaped, and a group keeps its number while it has a member.
            if group is not None:
                os.killpg(group, signal.SIGKILL)
            else:
                os.kill(self._child, signal.SIGKILL)
        self._listen(5)  # its end of the pipe closes when it is dead, so the next start does not meet it
        self._reap()

    def _listen(self, timeout: float, *, one_word: bool = False) -> bool:
        """Read until the daemon's end of the pipe is closed: after its message, or when it dies."""
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
        with contextlib.suppress(ChildProcessError):  # if SIGCHLD is ignored, the kernel has reaped it
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
    """Open /dev/null for the standard streams that the caller of the program has closed.

    Otherwise the next file that is opened becomes "stdout", and python-daemon
    fails on a stream that Python has set to None.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115


def _unblock_signals() -> None:
    """Unblock all signals: a launcher may have left them blocked, and then nothing could end the daemon."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _safe_umask() -> int:
    """The user's umask, but at least 0o022, so that others cannot write to new files."""
    user = os.umask(0o077)
    os.umask(user)
    return user | 0o022

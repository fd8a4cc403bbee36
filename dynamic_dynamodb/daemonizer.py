"""Start, stop, restart, status and foreground around a callable, with one instance a name.

Knows nothing of what the callable does. The callable, `body(ready)`, runs in
the daemon: it installs its signal handlers, takes `instance.hold()`, opens its
logs, makes its clients, calls `ready()`, and then works until it is told to
end. In this order: the pid file appears only when a signal sent to its pid is
served, and whoever is refused the pid file has not touched the logs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import select
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TextIO

from daemon import DaemonContext
from lockfile import AlreadyLocked, LockFailed
from lockfile.pidlockfile import PIDLockFile

from dynamic_dynamodb.errors import DynamicDynamoDBError

OK, FAILED, NOT_RUNNING, UNKNOWN, INTERRUPTED = 0, 1, 3, 4, 130  # 3 and 4 are what LSB says of `status`

Ready = Callable[[], None]
Body = Callable[[Ready], int]

_PROGRAM = "dynamic-dynamodb"
_log = logging.getLogger(_PROGRAM)
_PAUSE = 0.02  # seconds between two looks at the pid file
_PATIENCE = 2.0  # seconds after which a pid file that names nobody is given up
_READY = b"ready\n"


class DaemonError(DynamicDynamoDBError):
    """The daemon cannot be started, stopped or looked at; one line for the user."""


# The pid file
#
# PIDLockFile makes it: O_EXCL, so that no link is followed, mode 0644. Its
# existence proves nothing (crash, kill -9, reboot), nor does the number in it
# (a reused pid, junk): an flock on it, held until the process ends, does. The
# kernel lets go of it at death, however that comes.
#
# Replacing a stale file is the race. Three habits lose it: to unlink what looked
# stale a moment ago (it may be the next one's file by now), to trust an flock on
# a file that was unlinked between open and flock (it guards nothing), and to
# write into a file that another made (PIDLockFile makes it first and writes a
# moment later: over what was written in between; measured). So, in this order:
#
#   1. make the file, or find that there is one;
#   2. open it, whoever made it, and flock what was opened: of all who have the
#      same file open, the kernel lets one win;
#   3. look whether the path still is this file. From now on nobody else changes
#      that: only who has a file's flock may unlink it;
#   4. keep it if it was made in 1, else unlink it, stale as it is, and begin
#      again, with a file of one's own.
#
# Only its maker ever writes to a file, and that before it holds it. So a held
# file names its holder, and a planted one (a hard link to something precious, a
# file that all may write) is never written to, nor kept.
#
# A starter may lose in 4 what it made in 1, to one that was quicker in 2. It
# then begins again too, and ends with a file of its own or at a live holder.


class Instance:
    """One name in one folder: the pid file FOLDER/dynamic-dynamodb.NAME.pid."""

    def __init__(self, name: str, folder: str | os.PathLike[str]) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise DaemonError(f"--instance {name!r}: only letters, digits, '.', '_' and '-' can be in it")
        self.name = name
        # Absolute, since the daemon's working folder is another than the user's.
        self.path = Path(folder).absolute() / f"{_PROGRAM}.{name}.pid"

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Have the pid file with this process's pid in it. Raises DaemonError when another has it.

        The file is gone at the end, but the flock on it stays until the process ends:
        `stop` waits for that.
        """
        file, pid = self._take(), os.getpid()
        try:
            yield
        finally:
            # Else this is a fork of the holder, or somebody removed the file and what is there now is another's.
            if os.getpid() == pid and self._leads_to(file):
                try:
                    self.path.unlink()
                except OSError as error:
                    _log.warning("pid file %s: cannot be removed: %s", self.path, error.strerror)

    def running(self) -> int | None:
        """The pid of the live process that holds the pid file."""
        with self.holder() as found:
            return found.pid if found else None

    @contextlib.contextmanager
    def holder(self) -> Iterator[Holder | None]:
        """The live process that holds the pid file, while somebody looks at it."""
        found = self._find()
        try:
            yield found
        finally:
            if found:
                os.close(found.file)

    def _find(self) -> Holder | None:
        """Nobody without the flock runs, whatever the file says; with it, the file must name the one who has it."""
        until = time.monotonic() + _PATIENCE
        while (file := self._open(os.O_RDONLY)) is not None:
            free = self._lock(file, fcntl.LOCK_SH)
            pid = None if free else self._holder_pid(file)
            if pid is not None:
                return Holder(pid, file)
            current = self._leads_to(file)
            os.close(file)
            if free and current:
                break
            self._pause(until)
        return None

    def _take(self) -> int:
        until = time.monotonic() + _PATIENCE
        while True:
            made = self._make()
            file = self._open(os.O_RDWR)
            if file is not None:
                mine = False
                try:
                    mine = self._claim(file, made)
                finally:
                    if not mine:
                        os.close(file)
                if mine:
                    return file
            self._pause(until)

    def _make(self) -> bool:
        """Whether there was no file, and one is made with our pid in it."""
        try:
            PIDLockFile(str(self.path)).acquire(timeout=0)
        except AlreadyLocked:
            return False  # which says nothing yet
        except LockFailed as error:
            raise self._error("cannot be made", error.__context__, "see --pid-file-dir") from error
        return True

    def _open(self, access: int) -> int | None:
        """A descriptor of the file, or None when there is none."""
        try:
            # Without O_NONBLOCK a planted FIFO would hold us up for good.
            file = os.open(self.path, access | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise DaemonError(f"pid file {self.path}: is a symbolic link, which is not followed") from error
            if error.errno == errno.EACCES and access == os.O_RDWR:
                return self._open(os.O_RDONLY)  # enough for the flock, which tells whether it may be replaced
            raise self._error("cannot be opened", error) from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise DaemonError(f"pid file {self.path}: is no plain file")
        return file

    def _claim(self, file: int, made: bool) -> bool:
        """Steps 2 to 4 with the open file. False: begin again. Raises DaemonError when another holds it."""
        if not self._lock(file, fcntl.LOCK_EX):
            pid = self._holder_pid(file)
            if pid is None:
                return False
            raise DaemonError(
                f"instance {self.name} is running already: process {pid} holds {self.path}; "
                "--instance NAME gives another one a name of its own"
            )
        if not self._leads_to(file):
            return False
        if made and _read_pid(file) == os.getpid():
            return True
        try:
            self.path.unlink()
        except OSError as error:
            owner = os.fstat(file).st_uid
            raise self._error(f"is user {owner}'s and cannot be replaced", error, "see --instance") from error
        return False

    def _holder_pid(self, file: int) -> int | None:
        """The pid that a locked pid file names, if that process holds it. None: look again.

        The flock may be in the hand of one that looks (`status`), or unlinks the file
        as stale, while the one named is still trying. A moment later that has passed.
        """
        pid = _read_pid(file)
        if pid is None or pid == os.getpid() or not _has_open(pid, file):
            return None
        time.sleep(_PAUSE)
        return pid if self._leads_to(file) else None

    def _lock(self, file: int, kind: int) -> bool:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a network file system without locks
            raise self._error("cannot be locked", error, "see --pid-file-dir") from error
        return True

    def _leads_to(self, file: int) -> bool:
        """Whether the path is this open file, still."""
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(file))
        except OSError:
            return False

    def _pause(self, until: float) -> None:
        if time.monotonic() > until:
            raise DaemonError(
                f"pid file {self.path}: is held by a process that it does not name "
                f"(fuser {self.path} may); --instance gives another name, --pid-file-dir another folder"
            )
        time.sleep(_PAUSE)

    def _error(self, what: str, error: BaseException | None, advice: str = "") -> DaemonError:
        reason = error.strerror if isinstance(error, OSError) else error
        return DaemonError(f"pid file {self.path}: {what}: {reason}" + (f" ({advice})" if advice else ""))


class Holder:
    """The live process that holds a pid file, seen from outside; `file` is an open descriptor of that file."""

    def __init__(self, pid: int, file: int) -> None:
        self.pid = pid
        self.file = file

    @property
    def since(self) -> str:
        """When it wrote its pid; local time, as in the log."""
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(os.fstat(self.file).st_mtime))

    def terminate(self) -> None:
        """Send SIGTERM.

        The pid was seen to hold the flock a moment ago. It cannot be a stranger's
        by now: the kernel gives all other pids first.
        """
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it ended by itself
        except PermissionError as error:
            raise DaemonError(f"process {self.pid} belongs to another user, and cannot be told to end") from error

    def gone(self) -> bool:
        """Whether the process has ended.

        Its flock ends with it: a zombie that nobody reaps has none, nor has a new
        process with its pid. When the next daemon was faster, the file names that.
        """
        try:
            fcntl.flock(self.file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_pid(self.file) != self.pid
        return True


def _read_pid(file: int) -> int | None:
    """The number in the file; nine digits at most, so that every system call takes it, and never 0 or less."""
    found = re.fullmatch(rb"\s*0*([1-9][0-9]{0,8})\s*", os.pread(file, 64, 0))
    return int(found[1]) if found else None


def _has_open(pid: int, file: int) -> bool:
    """Whether the process lives and has this file open.

    Somebody may hold a file that names another: planted, written over, or of a
    container with pids of its own. Where we may not look (another user's process,
    or no /proc), that the process lives must do: we may not signal another user's.
    """
    ours = os.fstat(file)
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)  # noqa: PTH208 - names are enough
    except OSError:
        return _lives(pid)
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.path.samestat(os.stat(f"{folder}/{descriptor}"), ours):  # noqa: PTH116
                return True
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# The commands; each returns the exit code


def start(body: Body, *, timeout: float = 30) -> int:
    """Run `body` in a daemon. 0 when it called `ready()`; 1, and the reason on stderr, when it will not.

    The daemon runs only if 0 is returned: one that is not ready in time is killed,
    and one that nobody waits for any more ends by itself at `ready()`.
    """
    _open_standard_streams()
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        return _fail([f"no daemon can be started: {error.strerror}"])
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
    return _fail(reasons) if reasons else OK


def stop(instance: Instance, *, timeout: float = 30) -> int:
    """Tell the daemon to end, and wait until it has. 1, and its pid on stderr, when it does not end in time."""
    _open_standard_streams()
    try:
        with instance.holder() as found:
            if found is None:
                _say(sys.stdout, f"instance {instance.name} is not running")
                return OK
            found.terminate()
            until = time.monotonic() + timeout
            while not found.gone():
                if time.monotonic() > until:
                    raise DaemonError(
                        f"process {found.pid} has not ended {timeout:g} s after it was told to (SIGTERM); "
                        "its log may say what it waits for"
                    )
                time.sleep(_PAUSE)
            _say(sys.stdout, f"instance {instance.name} has ended (process {found.pid})")
            return OK
    except DaemonError as error:
        return _fail([f"instance {instance.name}: {error}"])


def restart(instance: Instance, body: Body, *, timeout: float = 30) -> int:
    """`stop`, then `start`, also when nothing runs; not while the old daemon still does."""
    return stop(instance, timeout=timeout) or start(body, timeout=timeout)


def status(instance: Instance) -> int:
    """Say whether the instance runs: 0, not: 3, or cannot be told: 4."""
    _open_standard_streams()
    try:
        with instance.holder() as found:
            if found is None:
                _say(sys.stdout, f"instance {instance.name} is not running")
                return NOT_RUNNING
            _say(sys.stdout, f"instance {instance.name} is running: process {found.pid}, since {found.since}")
            return OK
    except DaemonError as error:
        _fail([f"instance {instance.name}: {error}"])
        return UNKNOWN


def foreground(body: Body) -> int:
    """Run `body` in this process, attached to its terminal, service manager or container."""
    _open_standard_streams()
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
        self._tell(b"%d\n" % os.getpgrp())

    def ready(self) -> None:
        """Say that the daemon runs; a second time says nothing."""
        if not self.waiting:
            return
        try:
            self._tell(_READY)
        except BrokenPipeError as error:
            raise DaemonError("the command that started the daemon was ended before the daemon was ready") from error
        self._let_go()

    def failed(self, reasons: list[str]) -> None:
        """Say why there will be no daemon."""
        if self._writer is None:
            _fail(reasons)
        with contextlib.suppress(BrokenPipeError):
            self._tell("\n".join(reasons).encode("utf-8", "backslashreplace"))
        self._let_go()

    def ended(self, code: int) -> None:
        """Say that the body has returned: an end to whom it is attached, a failure to `start`."""
        if self._writer is not None:
            self.failed([f"the daemon ended before it was ready, with exit code {code}"])

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
            _log.exception("ended by an error")
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last place where anybody can say it
        _log.exception("ended by an unforeseen error")
        if starter.waiting:
            starter.failed([f"unforeseen error: {_describe(error)}"])
        return FAILED
    starter.ended(code)
    return code


def _describe(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


# In the command


class _Birth:
    """What `start` knows of the daemon to be: its own child, which soon ends, and the pipe from the daemon."""

    def __init__(self, child: int, reader: int) -> None:
        self._child = child
        self._reader = reader
        self._heard = b""

    def wait(self, timeout: float) -> list[str]:
        """Why there will be no daemon; nothing when it is ready."""
        ended = self._listen(timeout)
        group, _, message = self._heard.partition(b"\n")
        if not ended:
            self.kill()
            return [f"the daemon (process group {group.decode() or 'unknown'}) was not ready in {timeout:g} s: killed"]
        self._reap()
        if message == _READY:
            return []
        return message.decode("utf-8", "replace").splitlines() or ["the daemon died before it was ready"]

    def kill(self) -> None:
        """Kill the daemon to be and all that it started: its process group, which came with its session."""
        group = self._heard.partition(b"\n")[0]
        with contextlib.suppress(ProcessLookupError):
            # The first child stays ours until it is reaped, and the group's number taken while it has a member.
            if group:
                os.killpg(int(group), signal.SIGKILL)
            else:
                os.kill(self._child, signal.SIGKILL)
        self._listen(5)  # its end of the pipe closes when it is dead; the next start will not meet it
        self._reap()

    def _listen(self, timeout: float) -> bool:
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
        return False

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored the kernel has done it
            os.waitpid(self._child, 0)


# Shared


def _say(stream: TextIO, text: str) -> None:
    stream.write(f"{_PROGRAM}: {text}\n")
    stream.flush()


def _fail(reasons: list[str]) -> int:
    for reason in reasons:
        _say(sys.stderr, f"error: {reason}")
    return FAILED


def _open_standard_streams() -> None:
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

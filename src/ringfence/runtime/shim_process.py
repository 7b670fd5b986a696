"""`python -I -S shim_process.py STATE`: starts containers, copies what they write to their logs, and sees them end.

One process for all containers that a daemon starts. It outlives the daemon, and writes down what a later one must know:
that one starts a shim of its own, and this one ends when its daemon and its last container have. Asked for a container
by packets on its standard input (`shim.py`, which starts it). Not what a container is: oci.py and spec.py say that. It
imports few modules and none of ours, so that it is small.

Of a container's directory it writes `shim` (its own pid and start time), `launch` (those of the program that makes the
container) and `exit`; the runtime writes `pid` and runtime.log.

A container does not get its log's file: `> /dev/stdout` in a script would truncate it. Its standard output and error
are one pipe, so that their lines stay in order, which its own user may open by name, as under docker.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Sequence

# $1 directory, $2 runtime, $3 the runtime's state, $4 id, $5 whether the root is `read-only` or `writable`.
# The root is stacked in a mount namespace of its own, that goes with this shell: no mount is ever seen on the machine.
LAUNCH = """
cd "$1" || exit 1
{
    if [ "$5" = read-only ]; then mount -t tmpfs -o size=16m,mode=755 tmpfs layer; fi &&
    mkdir -p layer/upper layer/work &&
    mount -t overlay -o lowerdir=lower,upperdir=layer/upper,workdir=layer/work,nosuid,nodev overlay rootfs
} 2>> runtime.log || exit 1
exec "$2" --root "$3" --log runtime.log --log-format json run --detach --bundle . --pid-file pid "$4"
"""
REQUESTS = 0
REQUEST = 1 << 16
READY = b"."
PIECE = 1 << 16
CAPACITY = 1 << 18  # of a pipe
DRAIN = 16  # pieces: the most that a pipe can hold
REST = 0.05  # seconds between looks at what a container writes little by little: a line each costs one look
PR_SET_CHILD_SUBREAPER = 36


class Container:
    """What it writes, where that goes, and the process that is waited for: first what makes it, then its own first."""

    __slots__ = ("directory", "log", "output", "pid", "starting")

    def __init__(self, directory: str, log: int, output: int, pid: int) -> None:
        self.directory, self.log, self.output, self.pid = directory, log, output, pid
        self.starting = True

    def copy(self) -> int:
        """A piece of its output to its log; how many bytes, 0 if nobody has the pipe any more, -1 if there are none."""
        try:
            data = os.read(self.output, PIECE)
        except BlockingIOError:
            return -1
        left = memoryview(data)
        with contextlib.suppress(OSError):  # on a full disk lines are lost, and the container runs on
            while left:
                left = left[os.write(self.log, left) :]
        return len(data)

    def close(self) -> None:
        # what is in the pipe now, and no more: another container may have been handed its end
        for _ in range(DRAIN):
            if self.copy() <= 0:
                break
        os.close(self.output)
        os.close(self.log)

    def path(self, name: str) -> str:
        return f"{self.directory}/{name}"


class Shim:
    def __init__(self, state: str) -> None:
        self._state = state
        self._epoll = select.epoll()
        self._open = True
        self._ends: dict[int, Container] = {}  # by the pidfd that tells of it
        self._outputs: dict[int, Container] = {}  # by the pipe's reading end
        self._resting: list[int] = []
        self._rested = 0.0

    def run(self) -> None:
        self._epoll.register(REQUESTS, select.EPOLLIN)
        while self._open or self._ends:
            patience = max(0.0, self._rested - time.monotonic()) if self._resting else None
            for descriptor, _ in self._epoll.poll(patience):
                if descriptor == REQUESTS:
                    self._receive()
                elif descriptor in self._ends:
                    self._see_end(descriptor)
                elif descriptor in self._outputs:
                    self._copy(descriptor)
            if self._resting and time.monotonic() >= self._rested:
                for descriptor in self._resting:
                    self._epoll.register(descriptor, select.EPOLLIN)
                self._resting.clear()

    def _receive(self) -> None:
        packet = os.read(REQUESTS, REQUEST)
        if not packet:
            self._epoll.unregister(REQUESTS)
            self._open = False
            return
        directory, runtime, id, log, root = os.fsdecode(packet).split("\0")
        try:
            self._launch(directory, log, (directory, runtime, self._state, id, root))
        except OSError as error:
            with contextlib.suppress(OSError):
                with open(f"{directory}/runtime.log", "a") as stream:
                    stream.write(f"{error}\n")
                write(f"{directory}/exit", "1\n")

    def _launch(self, directory: str, log_path: str, words: Sequence[str]) -> None:
        write(f"{directory}/shim", stat_of(os.getpid()))
        with contextlib.ExitStack() as undo:
            log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            undo.callback(os.close, log)
            output, end = os.pipe()
            undo.callback(os.close, output)
            with open(end, "wb", buffering=0):
                with contextlib.suppress(OSError):
                    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, CAPACITY)
                pid = run_launch(end, words)
            undo.pop_all()
        os.set_blocking(output, False)
        container = Container(directory, log, output, pid)
        self._outputs[output] = container
        self._epoll.register(output, select.EPOLLIN)
        with contextlib.suppress(OSError):
            write(container.path("launch"), stat_of(pid))
        self._await(container)

    def _await(self, container: Container) -> None:
        descriptor = os.pidfd_open(container.pid)
        self._ends[descriptor] = container
        self._epoll.register(descriptor, select.EPOLLIN)

    def _see_end(self, descriptor: int) -> None:
        container = self._ends.pop(descriptor)
        self._epoll.unregister(descriptor)  # closing does not do it while a child that was just forked has it too
        os.close(descriptor)
        code: int | None = None
        with contextlib.suppress(ChildProcessError):
            code = os.waitstatus_to_exitcode(os.waitpid(container.pid, 0)[1])
        if container.starting and code == 0:
            # INVARIANT: the container's first process has become our child, and stays a zombie until it is waited for
            container.starting = False
            try:
                with open(container.path("pid")) as stream:
                    container.pid = int(stream.read())
                self._await(container)
                return
            except (OSError, ValueError):
                code = None
        self._forget(container)
        tell_end(container, code)
        if not any(other.starting for other in self._ends.values()):
            self._reap_strangers()

    def _forget(self, container: Container) -> None:
        if self._outputs.pop(container.output, None) is None:
            return
        if container.output in self._resting:
            self._resting.remove(container.output)
        else:
            self._epoll.unregister(container.output)
        container.close()

    def _copy(self, descriptor: int) -> None:
        copied = self._outputs[descriptor].copy()
        if copied == 0:
            self._forget(self._outputs[descriptor])
        elif copied < PIECE:
            self._epoll.unregister(descriptor)
            if not self._resting:
                self._rested = time.monotonic() + REST
            self._resting.append(descriptor)

    def _reap_strangers(self) -> None:
        """What the runtime left behind when it was killed while it made a container."""
        known = {container.pid for container in self._ends.values()}
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if ended.si_pid in known:
                    return  # to be told of next
                os.waitpid(ended.si_pid, 0)


def run_launch(output: int, words: Sequence[str]) -> int:
    """In a session of its own, so that it can be killed whole. Its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # Python ignores these, and a container would inherit that; posix_spawn would leave another one ignored
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execvp("unshare", ("unshare", "--mount", "--propagation", "slave", "sh", "-c", LAUNCH, "launch", *words))
    finally:
        os._exit(127)


def tell_end(container: Container, code: int | None) -> None:
    with contextlib.suppress(OSError):
        if code is not None:
            write(container.path("exit"), f"{code if code >= 0 else 128 - code}\n")
            return
    # unseen, or the disk is full: it must not seem to be watched still
    with contextlib.suppress(OSError):
        os.rename(container.path("launch"), container.path("shim"))


def stat_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stream:
        return stream.read()


def write(path: str, text: str) -> None:
    """Whole or not at all."""
    with open(f"{path}.part", "w") as stream:
        stream.write(text)
    os.rename(f"{path}.part", path)


def main() -> None:
    (state,) = sys.argv[1:]
    # of files that are open: three a container
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this process cannot see its containers end")
    write(f"{state}/{os.getpid()}.shim", stat_of(os.getpid()))
    os.write(REQUESTS, READY)
    Shim(state).run()


if __name__ == "__main__":
    main()

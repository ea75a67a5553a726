"""A process of its own that runs one server, and outlives whoever asked for it just long enough.

Its first argument is a job (see ``_server``). On standard output: the server's process id. On
standard input: bytes, each the number of a signal for the server; the end of it, or of the parent,
means that nobody needs the server any more: it is stopped and its folder removed. When the server
has ended, so have all processes that it left behind, and this one ends too.

A script for ``python -I -S``, so that it starts in milliseconds.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
ASKED: Final = 0
"""standard input"""
LOOKS_EVERY_SECONDS: Final = 1.0
STOPS_WITHIN_SECONDS: Final = 10.0


def main() -> None:
    job = json.loads(sys.argv[1])
    _process_control(PR_SET_CHILD_SUBREAPER, 1)  # what the server leaves behind comes to us
    server = _started(job)
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    needed = _watch(server)
    if not needed:
        _end(server, job["stops_with"])
    _end_orphans()
    if not needed:
        shutil.rmtree(job["folder"], ignore_errors=True)


def _started(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    def die_with_the_guard() -> None:
        _process_control(PR_SET_PDEATHSIG, job["stops_with"])

    account: dict[str, Any] = {}
    if job["account"]:
        uid, gid = job["account"]
        account = {"user": uid, "group": gid, "extra_groups": []}
    with Path(job["log"]).open("ab") as log:
        return subprocess.Popen(
            job["command"],
            cwd=job["folder"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_the_guard,
            **account,
        )


def _watch(server: subprocess.Popen[bytes]) -> bool:
    """Pass signals on until the server has ended, or until nobody needs it: then False."""
    parent = os.getppid()
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while server.poll() is None:
        # A fork of the parent may hold the pipe open after its death: look at the parent as well.
        ready, _, _ = select.select([ASKED, woken], [], [], LOOKS_EVERY_SECONDS)
        if woken in ready:
            os.read(woken, 1024)
        if ASKED in ready:
            numbers = os.read(ASKED, 1024)
            if not numbers:
                return False
            for number in numbers:
                server.send_signal(number)
        if os.getppid() != parent:
            return False
    return True


def _end(server: subprocess.Popen[bytes], stops_with: int) -> None:
    server.send_signal(stops_with)
    try:
        server.wait(STOPS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _end_orphans() -> None:
    children = Path("/proc/self/task") / str(os.getpid()) / "children"
    while True:
        if children.is_file():
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _process_control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()

"""The walls of the sandbox, tried from inside; and what it does where they do not stand."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grader import catalog, sandbox, submission
from grader.execute import Command, Limits, run_on_wall_clock
from grader.observe import observe
from grader.parts import build_root
from grader.records import Exit, GraderError, Run
from grader.sandbox import Box, Sandbox, Workspace


@pytest.fixture(scope="module")
def walls() -> Sandbox:
    found = sandbox.probe(build_root() / "sandbox")
    if found.name != "bubblewrap":
        pytest.skip(f"no bubblewrap here: {found.reason}")
    return found


@pytest.fixture
def space(walls: Sandbox) -> Iterator[Workspace]:
    with walls.workspace() as workspace:
        yield workspace


def run(box: Box, script: str, limits: Limits = Limits(), **env: str) -> Run:
    command = Command(("/bin/sh", "-c", script), Path("/tmp"), env)
    return run_on_wall_clock(command, limits, box=box)


def texts(run: Run) -> list[str]:
    return [line.text for line in (*run.stdout, *run.stderr)]


def python(box: Box, code: str) -> list[str]:
    """What Debian's own Python prints in the box."""
    command = Command(("/usr/bin/python3", "-I", "-c", code), Path("/tmp"), {})
    return texts(run_on_wall_clock(command, Limits(), box=box))


# ---- what is inside ------------------------------------------------------------------------


def test_the_checkout_and_the_home_do_not_exist_inside(space: Workspace) -> None:
    for path in (sandbox.ROOT, Path.home(), Path("/home"), Path("/var"), Path("/etc/shadow")):
        assert run(space.box(), f"test -e '{path}'").exit.status == 1


def test_the_debug_information_of_the_system_is_not_seen(space: Workspace) -> None:
    """A sanitizer inside would read it anew at each crash."""
    assert texts(run(space.box(), "ls -A /usr/lib/debug 2>/dev/null || true")) == []


def test_only_the_chosen_shelves_are_seen(space: Workspace) -> None:
    space.write("public", "a", "seen")
    space.write("private", "b", "unseen")
    assert texts(run(space.box(read=("public",)), "cat /box/*/*")) == ["seen"]


def test_paths_of_the_workspace_are_neutral_inside(space: Workspace) -> None:
    path = space.write("work", "a", "")
    command = Command(
        ("/bin/sh", "-c", 'echo "$0 $X"; pwd', str(path)), path.parent, {"X": f"-I{path}"}
    )
    ran = run_on_wall_clock(command, Limits(), box=space.box(read=("work",)))
    assert texts(ran) == ["/box/work/a -I/box/work/a", "/box/work"]


def test_nothing_of_the_environment_comes_in(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "token")
    seen = "\n".join(texts(run(space.box(), "env; cat /proc/*/environ | tr '\\0' '\\n'", MINE="1")))
    assert "token" not in seen
    assert "MINE=1" in seen


def test_no_path_of_the_checkout_is_told(space: Workspace) -> None:
    space.shelf("work")
    told = run(space.box(read=("work",)), "cat /proc/self/mountinfo /proc/*/cmdline | tr '\\0' ' '")
    assert str(sandbox.ROOT) not in "\n".join(texts(told))


def test_a_preloaded_library_is_for_the_program_alone(space: Workspace) -> None:
    ran = run(space.box(), "echo $LD_PRELOAD", LD_PRELOAD="/box/none.so")
    assert texts(ran)[0] == "/box/none.so"
    assert not any("bwrap" in line for line in texts(ran))


def test_nobody_is_root(space: Workspace) -> None:
    assert texts(run(space.box(), "id -un; id -u; grep CapEff /proc/self/status")) == [
        "student",
        "1000",
        "CapEff:\t0000000000000000",
    ]


def test_inherited_descriptors_keep_their_numbers(space: Workspace) -> None:
    ours, theirs = os.pipe()
    words = ("/usr/bin/python3", "-I", "-c", f"import os; os.write({theirs}, b'hello')")
    spawn = space.box().wrap(words, {}, Path("/"), (theirs,))
    env = dict(spawn.env)
    subprocess.run(list(spawn.argv), env=env, cwd=spawn.cwd, pass_fds=(theirs,), check=True)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        assert pipe.read() == "hello"


# ---- what can not be done ------------------------------------------------------------------


@pytest.mark.parametrize("place", ["/", "/usr", "/etc", "/dev", "/box", "/box/work", "/proc"])
def test_nothing_can_be_written(space: Workspace, place: str) -> None:
    space.shelf("work")
    assert run(space.box(read=("work",)), f"touch {place}/x").exit.status == 1


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_what_can_be_written_is_bounded_and_gone_afterwards(space: Workspace, place: str) -> None:
    limits = replace(Limits(), file_bytes=1 << 30)
    fill = f"dd if=/dev/zero of={place}/x bs=1M count=100"
    assert "No space left" in "".join(texts(run(space.box(), fill, limits)))
    assert run(space.box(), f"test -e {place}/x").exit.status == 1


def test_the_compiler_writes_only_where_it_may(space: Workspace) -> None:
    space.write("include", "a.h", "")
    box = space.box(read=("include",), write=("work",))
    assert run(box, "touch /box/work/made").exit.status == 0
    assert run(box, "touch /box/include/made").exit.status == 1
    assert (space.shelf("work") / "made").exists()


def test_a_limit_of_processes_counts_this_box_alone(space: Workspace) -> None:
    """Two boxes of one user side by side: neither takes processes from the other."""
    script = "ulimit -p 20; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait; echo all"
    first = space.box().wrap(("/bin/sh", "-c", script), {}, Path("/"), ())
    children = [
        subprocess.Popen(list(first.argv), env=dict(first.env), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [child.communicate()[0] for child in children] == ["all\n"] * 3


def test_as_many_processes_as_are_allowed_may_run(space: Workspace) -> None:
    """The kernel counts the shell, its children and process 1, but not what is outside."""
    allowed = replace(Limits(), processes=12)
    ran = run(space.box(), "for i in $(seq 10); do sleep 1 & done; wait; echo all", allowed)
    assert (ran.exit, texts(ran)) == (Exit(status=0), ["all"])


def test_a_limit_of_processes_holds(space: Workspace) -> None:
    ran = run(space.box(), "for i in $(seq 90); do sleep 5 & done", replace(Limits(), processes=20))
    assert ran.exit.stopped == "process limit" or "fork" in "".join(texts(ran))


def test_the_processor_time_of_all_in_a_box_is_seen(space: Workspace) -> None:
    limits = replace(Limits(), wall_s=60.0, cpu_s=0.2)
    ran = run(space.box(), "while :; do :; done", limits)
    assert ran.exit == Exit(stopped="cpu limit")
    assert ran.cpu_s > 0.2


def test_what_flees_into_its_own_session_dies_with_the_box(space: Workspace) -> None:
    ran = run(space.box(), "setsid sh -c 'sleep 30' & echo started")
    assert texts(ran) == ["started"]
    assert ran.elapsed_s < 25


SYSTEM_CALLS = """
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
for number in map(int, sys.argv[1:] or {numbers}):
    result = libc.syscall(number, -1, -1, -1, -1, -1, -1)
    print(number, errno.errorcode.get(ctypes.get_errno()) if result < 0 else "allowed")
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
def test_dangerous_system_calls_are_refused(space: Workspace) -> None:
    # unshare setns mount umount2 pivot_root chroot keyctl add_key bpf perf_event_open
    # userfaultfd io_uring_setup process_vm_readv ptrace reboot kexec_load init_module
    numbers = [272, 308, 165, 166, 155, 161, 250, 248, 321, 298, 323, 425, 310, 101, 169, 246, 175]
    assert python(space.box(), SYSTEM_CALLS.format(numbers=numbers)) == [
        f"{number} EPERM" for number in numbers
    ]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
def test_tracing_is_allowed_only_when_asked_for(space: Workspace) -> None:
    assert python(space.box(ptrace=True), SYSTEM_CALLS.format(numbers=[101])) != ["101 EPERM"]


@pytest.mark.parametrize("number", [19, 20, 21, 22])  # SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU
def test_nobody_stops_and_is_waited_for(space: Workspace, number: int) -> None:
    ran = run(space.box(), f"kill -{number} $$ 2> /tmp/refused; cat /tmp/refused")
    assert "not permitted" in "".join(texts(ran))


def test_other_signals_arrive(space: Workspace) -> None:
    assert run(space.box(), "trap 'echo caught' USR1; kill -USR1 $$").stdout[0].text == "caught"


@pytest.mark.parametrize("high", [0, 1 << 32, 0xFFFFFFFF << 32])
@pytest.mark.parametrize("request_", [0x5412, 0x541C])  # TIOCSTI, TIOCLINUX
def test_keystrokes_are_refused_whatever_the_high_bits(
    space: Workspace, request_: int, high: int
) -> None:
    code = (
        "import ctypes, errno; libc = ctypes.CDLL(None, use_errno=True);"
        f"libc.syscall(16, 1, ctypes.c_ulong({request_ | high}), b'x');"
        "print(errno.errorcode[ctypes.get_errno()])"
    )
    assert python(space.box(), code) == ["EPERM"]


@pytest.mark.parametrize("family", ["AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"])
def test_sockets_of_other_families_are_refused(space: Workspace, family: str) -> None:
    code = (
        f"import socket\ntry: socket.socket(socket.{family}, socket.SOCK_DGRAM)\n"
        "except PermissionError: print('refused')"
    )
    assert python(space.box(), code) == ["refused"]


def test_loopback_is_the_boxes_own(space: Workspace) -> None:
    code = (
        "import socket; server = socket.create_server(('127.0.0.1', 0));"
        "socket.create_connection(server.getsockname()); print('answers')"
    )
    assert python(space.box(), code) == ["answers"]


# ---- what comes out --------------------------------------------------------------------------


def test_a_plain_file_is_taken(space: Workspace) -> None:
    made = space.write("out", "program", "x")
    taken = space.take(made, "bin")
    assert taken is not None and taken.read_text() == "x" and os.access(taken, os.X_OK)


def test_nothing_but_a_plain_file_is_taken(space: Workspace) -> None:
    out = space.shelf("out")
    (out / "link").symlink_to("/etc/passwd")
    os.mkfifo(out / "pipe")
    (out / "folder").mkdir()
    for name in ("link", "pipe", "folder", "nothing"):
        assert space.take(out / name, "bin") is None
    assert space.take(space.write("out", "big", "x" * 100), "bin", max_bytes=99) is None


def test_a_workspace_leaves_nothing(walls: Sandbox) -> None:
    with walls.workspace() as space:
        run(space.box(write=("work",)), "mkdir -p /box/work/a/b; chmod 0 /box/work/a")
        groups = space.cgroup.directories if space.cgroup else ()
    assert not space.root.exists()
    assert not any(group.exists() for group in groups)


def test_the_workspace_of_a_killed_grader_is_removed(walls: Sandbox, tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from grader import sandbox\n"
        "with sandbox.probe(Path(sys.argv[2])).workspace() as s:\n"
        "    print(s.root, *(s.cgroup.directories if s.cgroup else ()), flush=True)\n"
        "    os.kill(os.getpid(), 9)"
    )
    words = [sys.executable, "-c", code, str(sandbox.ROOT), str(build_root() / "sandbox")]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    left = [Path(path) for path in said.split()]
    assert left and all(path.is_dir() for path in left)
    sandbox.remove_stale()
    assert not any(path.exists() for path in left)


# ---- where walls do not stand ------------------------------------------------------------------


def test_a_stranger_is_refused_without_walls(walls: Sandbox) -> None:
    without = replace(walls, name="limits", reason="bubblewrap: not installed")
    with pytest.raises(GraderError, match="apt install bubblewrap") as error:
        without.require_for_stranger(trust=False)
    assert "\n" not in str(error.value)
    without.require_for_stranger(trust=True)
    walls.require_for_stranger(trust=False)


def test_a_tier_whose_walls_do_not_hold_is_not_chosen(tmp_path: Path) -> None:
    found = sandbox.probe(tmp_path, tiers=())
    assert found.name == "limits" and not found.holds_strangers


def test_a_box_that_does_not_open_is_our_fault(walls: Sandbox) -> None:
    broken = replace(walls, bwrap="/bin/false")
    work = submission.read(catalog.find("0.5"), catalog.find("0.5").solution)
    with pytest.raises(GraderError, match="does not open"):
        observe(work, broken, fast=True)


def test_limits_alone_still_refuse_system_calls(walls: Sandbox) -> None:
    bare = replace(walls, name="limits")
    with bare.workspace() as space:
        command = Command(("/bin/sh", "-c", "unshare -r true"), space.shelf("work"), {})
        ran = run_on_wall_clock(command, Limits(), box=space.box(write=("work",)))
    assert "Operation not permitted" in "".join(texts(ran))


@pytest.mark.skipif(os.geteuid() != 0, reason="a user id of its own needs root")
def test_the_user_tier_leaves_no_process_and_no_file(walls: Sandbox) -> None:
    with replace(walls, name="user").workspace() as space:
        script = "touch /tmp/user-tier-left; setsid sleep 60 & id -u"
        command = Command(("/bin/sh", "-c", script), space.shelf("work"), {})
        ran = run_on_wall_clock(command, Limits(), box=space.box(write=("work",)))
        assert texts(ran) == [str(space.user)]
        assert Path("/tmp/user-tier-left").exists()
    assert not Path("/tmp/user-tier-left").exists()
    ps = subprocess.run(
        ["ps", "-o", "stat=", "-u", str(space.user)], capture_output=True, text=True
    )
    assert all(state.startswith("Z") for state in ps.stdout.split())  # dead, not buried by init


def test_namespaces_that_are_forbidden_are_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the box's user must get to it
        bwrap = Path(folder) / "bwrap"
        words = "bwrap: setting up uid map: Permission denied"
        bwrap.write_text(f"#!/bin/sh\necho '{words}' >&2; exit 1\n")
        bwrap.chmod(0o755)
        monkeypatch.setattr("grader.sandbox.shutil.which", lambda _: str(bwrap))
        found = sandbox.probe(tmp_path, tiers=("bubblewrap",))
    assert found.name == "limits"
    assert "forbids user namespaces" in found.reason and words in found.reason


def test_what_is_shared_with_the_host_can_not_be_written(space: Workspace, tmp_path: Path) -> None:
    header = tmp_path / "a.h"
    header.write_text("")
    space.put("course", header)
    with pytest.raises(ValueError):
        space.box(write=("course",))
    assert run(space.box(read=("course",)), "echo x > /box/course/a.h").exit.status != 0

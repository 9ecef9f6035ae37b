"""The box around a stranger's code: what compiles it and what runs it goes through here.

    probe() -> Sandbox -- workspace() --> Workspace -- box() --> Box -- wrap() --> execute

`probe` finds the strongest tier that really holds, by letting a canary try the walls:

    bubblewrap  namespaces: own files, processes, network; seccomp; cgroups if allowed
    user        root without namespaces (a container): a user id of its own, seccomp
    limits      neither: good enough for one's own exercise, refused for a stranger's file

A `Workspace` is what one submission may see: folders ("shelves") in a neutral place outside
the checkout.  A `Box` is one choice of shelves to read and to write.  Callers name paths of
the host; `wrap` turns those below the workspace into what they are called inside
(`/box/<shelf>`), in arguments, environment and working directory alike.

    with sandbox.workspace() as space:
        space.put("include", module / "experiments.h")
        space.write("work", "experiments.c", source)
        compiling = space.box(read=("include",), write=("work",))
        running = space.box(read=("work",))
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from grader.cgroup import Cgroup, create_cgroup, remove_stale_cgroups
from grader.execute import Spawn
from grader.records import GraderError

Tier = Literal["bubblewrap", "user", "limits"]

ROOT = Path(__file__).resolve().parent.parent
CLIB = Path(__file__).resolve().parent / "clib"
PROGRAMS = {
    "sandbox_launch": ("sandbox_launch.c", "seccomp_filter.c", "seccomp_filter.h"),
    "sandbox_canary": ("sandbox_canary.c",),
}
WALLS = ("network", "signal", "read", "write", "root", "nesting", "fork")

FIRST_USER = 60000  # user ids that no distribution hands out; one for each workspace
USERS = 1000
PREFIX = "box-"  # of workspaces below the temporary folder
TMP_BYTES = 64 << 20  # the box's own /tmp, in memory: the compiler's temporary files
SHM_BYTES = 1 << 20
CANARY_S = 10.0

INSIDE_UID = 1000  # what the program is told, whoever grades
PASSWD = f"student:x:{INSIDE_UID}:{INSIDE_UID}:student:/tmp:/bin/sh\n"
GROUP = f"student:x:{INSIDE_UID}:\n"
# AddressSanitizer would read all of libc's at each crash, a tenth of a second each time.
SYSTEM_DEBUG = Path("/usr/lib/debug")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}


# ---- The sandbox of this machine ----------------------------------------------------------


@dataclass(frozen=True)
class Sandbox:
    """What this machine offers, as the canary found it."""

    name: Tier
    reason: str  # why not a stronger tier, or what this one is made of
    launch: str  # the compiled sandbox_launch
    bwrap: str  # "" if there is none
    counts_alone: bool  # a limit of processes counts those of the box only

    @property
    def holds_strangers(self) -> bool:
        """Whether a file from somebody else may be graded."""
        return self.name != "limits"

    def require_for_stranger(self, trust: bool) -> None:
        """Raises GraderError when a stranger's file would run without walls."""
        if not self.holds_strangers and not trust:
            raise GraderError(
                "This file is not your own exercise, and no sandbox works here "
                f"({self.reason}). Install one with `sudo apt install bubblewrap`, see "
                "docs/security.md, or say TRUST=1 if you trust its author."
            )

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """A folder, a user id and a control group for one submission; all gone afterwards."""
        with _user_of_its_own() as user, _folder(user) as root, _cgroup() as cgroup:
            try:
                yield Workspace(self, root, user, cgroup)
            finally:
                if self.name != "bubblewrap" and user:
                    _bury_user(self.launch, user)


@dataclass(frozen=True)
class Workspace:
    """What one submission may see and use."""

    sandbox: Sandbox
    root: Path  # seen as /box inside
    user: int  # 0: the grader's own
    cgroup: Cgroup | None
    making: threading.Lock = field(default_factory=threading.Lock)
    linked: set[str] = field(default_factory=set)  # shelves with second names of files outside

    def shelf(self, name: str) -> Path:
        """The folder `name`, made if need be: the box's user may write to it if a box lets it."""
        path = self.root / name
        with self.making:
            if not path.is_dir():
                path.mkdir(mode=0o700)
                if self.user:
                    os.chown(path, self.user, self.user)
        return path

    def write(self, shelf: str, name: str, text: str) -> Path:
        """A new file on a shelf, readable inside.  Returns its path."""
        path = self.shelf(shelf) / name
        path.unlink(missing_ok=True)
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
        path.chmod(0o644)
        return path

    def put(self, shelf: str, source: Path) -> Path:
        """Puts a file, or a folder with all that is in it, on a shelf that is only read.

        Precompiled headers are large: where that is possible, they are not copied but get
        a second name.  Returns the path on the shelf.
        """
        target = self.shelf(shelf) / source.name
        self.linked.add(shelf)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_link_or_copy)
        else:
            _link_or_copy(str(source), str(target))
        return target

    def take(self, made: Path, shelf: str, max_bytes: int = 64 << 20) -> Path | None:
        """Copies what a box has made to another shelf, if it is a plain file and not too big.

        Nothing that ran in a box can change the copy, and nothing but a regular file is
        followed: no link, no pipe, no device.
        """
        try:
            fd = os.open(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
            os.close(fd)
            return None
        with os.fdopen(fd, "rb") as file:
            target = self.shelf(shelf) / made.name
            target.unlink(missing_ok=True)
            with target.open("xb") as copy:
                shutil.copyfileobj(file, copy)
            target.chmod(0o755)
        return target

    def require_open(self) -> None:
        """After a failure in a box: raises GraderError when none opens.

        A fault of ours must not look like the student's: the probe's answer is remembered,
        and the system may have changed since.
        """
        _, error, status = _run_bounded(self.box().wrap(["/bin/true"], {}, Path("/tmp"), ()))
        if status != 0:
            trouble = (error.strip().splitlines() or ["no reason given"])[-1]
            raise GraderError(f"The sandbox does not open ({trouble}): try `make setup`.")

    def box(
        self, *, read: Sequence[str] = (), write: Sequence[str] = (), ptrace: bool = False
    ) -> Box:
        """A box that sees these shelves and no others.

        Args:
            ptrace: let the program trace its own processes, as LeakSanitizer must.
        """
        if self.linked.intersection(write):
            raise ValueError("what was put there is shared with the host: read only")
        for name in (*read, *write):
            self.shelf(name)
        return Box(self, tuple(read), tuple(write), ptrace)


@dataclass(frozen=True)
class Box:
    """One way to see a workspace: the `Box` that execute.py asks for."""

    space: Workspace
    read: tuple[str, ...]
    write: tuple[str, ...]
    ptrace: bool

    @property
    def contains(self) -> bool:
        return self.space.sandbox.name == "bubblewrap"

    @property
    def own_user(self) -> bool:
        return self.space.sandbox.counts_alone

    @property
    def shell_status(self) -> bool:
        return self.space.sandbox.name == "bubblewrap"

    def inside(self, text: str) -> str:
        """`text` with every path of the workspace as it is called inside."""
        return text.replace(str(self.space.root), "/box") if self.contains else text

    def wrap(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, pass_fds: Sequence[int]
    ) -> Spawn:
        """What to spawn so that `argv` runs in the box.  No shelf: the box's own /tmp."""
        sandbox = self.space.sandbox
        variables = {**ENVIRONMENT, **env}
        command = [sandbox.launch]
        if self.space.cgroup:
            for file in self.space.cgroup.join_files:
                command += ["--cgroup", str(file)]
        if self.space.user:
            command += ["--user", str(self.space.user)]
        command += ["--ptrace"] if self.ptrace else []
        if not self.contains:
            assignments = [f"{name}={value}" for name, value in variables.items()]
            return Spawn([*command, "--bare", *assignments, "--", *argv], {}, cwd, pass_fds)
        command += ["--bwrap", sandbox.bwrap, *self._walls()]
        for name, value in variables.items():
            command += ["--setenv", name, self.inside(value)]
        where = self.inside(str(cwd))
        command += ["--chdir", where if where.startswith("/box") else "/tmp", "--"]
        return Spawn([*command, *map(self.inside, argv)], {}, Path("/"), pass_fds)

    def _walls(self) -> list[str]:
        """Bubblewrap's arguments: what exists inside, and what is cut off."""
        walls = [
            *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"),
            *("--unshare-uts", "--unshare-cgroup-try", "--disable-userns"),
            *("--die-with-parent", "--new-session", "--clearenv", "--hostname", "box"),
            *("--uid", str(INSIDE_UID), "--gid", str(INSIDE_UID)),
            *_system_mounts(),
            *("--ro-bind", str(self.space.root / "etc" / "passwd"), "/etc/passwd"),
            *("--ro-bind", str(self.space.root / "etc" / "group"), "/etc/group"),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--size", str(SHM_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),
            *("--size", str(TMP_BYTES), "--tmpfs", "/tmp"),
        ]
        for name in self.read:
            walls += ["--ro-bind", str(self.space.root / name), f"/box/{name}"]
        for name in self.write:
            walls += ["--bind", str(self.space.root / name), f"/box/{name}"]
        return [*walls, "--remount-ro", "/"]


def _system_mounts() -> list[str]:
    """The compiler and the libraries, read-only; never the checkout, wherever it lies.

    Nor the libraries' debug information, see SYSTEM_DEBUG.
    """
    mounts = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64", "sbin"):
        path = Path("/") / name
        if path.is_symlink():
            mounts += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            mounts += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "alternatives"):
        mounts += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    hidden = [SYSTEM_DEBUG] if SYSTEM_DEBUG.is_dir() else []
    hidden += [ROOT] if ROOT.is_relative_to("/usr") else []
    for path in hidden:
        mounts += ["--size", "4096", "--tmpfs", str(path), "--remount-ro", str(path)]
    return mounts


def _link_or_copy(source: str, target: str) -> str:
    """The same file, readable by the box's user, with the times that compiled headers need."""
    if os.stat(source).st_mode & stat.S_IROTH:
        with contextlib.suppress(OSError):  # another file system, or not ours
            os.link(source, target, follow_symlinks=True)
            return target
    shutil.copy2(source, target)
    os.chmod(target, os.stat(target).st_mode | stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    return target


# ---- What a workspace is made of -----------------------------------------------------------


@contextlib.contextmanager
def _user_of_its_own() -> Iterator[int]:
    """A user id that no other grader on this machine uses now; 0 when not root.

    The lock is an abstract socket name: taken atomically, and free when its owner dies.
    """
    if os.geteuid() != 0:
        yield 0
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        # In any order: the processes of the last one may still be dying, and would count.
        ids = random.sample(range(FIRST_USER, FIRST_USER + USERS), USERS)
        user = next((one for one in ids if _take(lock, one)), 0)
        if not user:
            raise GraderError(f"{USERS} grades are under way on this machine: try again later.")
        yield user


def _take(lock: socket.socket, user: int) -> bool:
    try:
        lock.bind(f"\0glib-async-workbook/user/{user}")
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _folder(user: int) -> Iterator[Path]:
    """A folder with a neutral name, that only root and `user` can enter."""
    root, held = _held_folder(_place(user))
    try:
        if user:
            os.chown(root, 0, user)
            root.chmod(0o750)
        etc = root / "etc"
        etc.mkdir(mode=0o755)
        (etc / "passwd").write_text(PASSWD)
        (etc / "group").write_text(GROUP)
        yield root
    finally:
        _clear(root)
        os.close(held)


def _held_folder(place: Path) -> tuple[Path, int]:
    """A new folder, locked to say that its grader lives; the descriptor that holds the lock.

    Before the lock is taken, remove_stale() of another grader may take it for a dead one's.
    """
    while True:
        root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)).resolve()
        with contextlib.suppress(FileNotFoundError):
            held = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(held, fcntl.LOCK_EX)
            if root.is_dir():
                return root, held
            os.close(held)


def _clear(folder: Path) -> None:
    """Removes a folder, also when folders in it were closed to their owner."""
    for path, names, _ in os.walk(folder):
        for name in names:
            inner = os.path.join(path, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _place(user: int) -> Path:
    """Where temporary folders are made, if `user` can get there."""
    places = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    for place in places:
        if not user or all(part.stat().st_mode & stat.S_IXOTH for part in (place, *place.parents)):
            return place
    raise GraderError("No temporary folder can be entered by other users: set TMPDIR to one.")


def remove_stale() -> None:
    """Removes the workspaces and control groups of graders that were killed."""
    remove_stale_cgroups()
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(held).st_uid == os.geteuid():
                    _clear(path)
            finally:
                os.close(held)


@contextlib.contextmanager
def _cgroup() -> Iterator[Cgroup | None]:
    """A control group, if one can be had, gone afterwards."""
    cgroup = create_cgroup()
    try:
        yield cgroup
    finally:
        if cgroup:
            cgroup.remove()


def _bury_user(launch: str, user: int) -> None:
    """Kills all processes of `user`, and removes its files where everybody may write."""
    subprocess.run([launch, "--user", str(user), "--kill"], check=False)
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"):
        with contextlib.suppress(OSError):
            for path in Path(place).iterdir():
                if path.lstat().st_uid == user:
                    _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


# ---- The probe ---------------------------------------------------------------------------


def probe(cache: Path, tiers: Sequence[Tier] = ("bubblewrap", "user")) -> Sandbox:
    """The strongest of `tiers` whose walls hold against the canary, otherwise "limits".

    The answer is kept in `cache` until the machine, the user or the sandbox changes.
    Raises GraderError when the sandbox's own programs can not be built.
    """
    remove_stale()
    cache = cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    programs = {name: _program(cache, name) for name in PROGRAMS}
    bwrap = shutil.which("bwrap") or ""
    key = _machine(programs, bwrap, tiers)
    kept = cache / f"sandbox-{os.geteuid()}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        stored = json.loads(kept.read_text())
        if stored["key"] == key:
            return Sandbox(**stored["sandbox"])
    found = _probe_now(programs, bwrap, tiers)
    fresh = kept.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps({"key": key, "sandbox": asdict(found)}))
    os.replace(fresh, kept)
    return found


def _probe_now(programs: Mapping[str, Path], bwrap: str, tiers: Sequence[Tier]) -> Sandbox:
    launch = str(programs["sandbox_launch"])
    reasons: list[str] = []
    for tier in tiers:
        sandbox = Sandbox(tier, "", launch, bwrap, counts_alone=True)
        missing = _missing(sandbox)
        if not missing:
            walls, error = _ask_canary(sandbox, programs["sandbox_canary"])
            missing = _holes(walls, error)
            sandbox = replace(sandbox, counts_alone=walls.get("count") == "holds")
        if not missing:
            return replace(sandbox, reason="; ".join([_made_of(sandbox), *reasons]))
        reasons.append(f"{tier}: {missing}")
    return Sandbox("limits", "; ".join(reasons), launch, bwrap, counts_alone=False)


def _missing(sandbox: Sandbox) -> str:
    if sandbox.name == "bubblewrap" and not sandbox.bwrap:
        return "not installed"
    if sandbox.name == "user" and os.geteuid() != 0:
        return "needs root"
    return ""


def _made_of(sandbox: Sandbox) -> str:
    parts = ["seccomp"]
    if sandbox.name == "bubblewrap":
        parts.insert(0, "namespaces")
    if os.geteuid() == 0:
        parts.append("a user id of its own")
    with _cgroup() as cgroup:
        parts.append("control group" if cgroup else "no control group")
    return ", ".join(parts)


def _holes(walls: Mapping[str, str], error: str) -> str:
    """What is wrong, in a few words; "" if every wall holds."""
    if "end" not in walls:
        forbidden = ("uid map", "RTM_NEWADDR", "namespace", "permission", "permitted")
        if any(word.lower() in error.lower() for word in forbidden):
            return f"this system forbids user namespaces ({error})"
        return error or "the canary did not come back"
    return ", ".join(f"{wall} {walls.get(wall)}" for wall in WALLS if walls.get(wall) != "holds")


def _ask_canary(sandbox: Sandbox, canary: Path) -> tuple[dict[str, str], str]:
    """What each wall did ("holds" or how it was open), and the last line on stderr."""
    with (
        sandbox.workspace() as space,
        socket.create_server(("127.0.0.1", 0)) as server,
        tempfile.NamedTemporaryFile(prefix="secret-") as secret,
    ):
        program = space.put("canary", canary)
        solutions = sorted((ROOT / "solutions").glob("*/*.c"))[:1]
        port = server.getsockname()[1]
        argv = [program, port, os.getpid(), secret.name, *solutions]
        box = space.box(read=("canary",))
        spawn = box.wrap([str(word) for word in argv], {}, program.parent, ())
        out, error, _ = _run_bounded(spawn)
    walls = {wall: found for wall, _, found in (line.partition(" ") for line in out.splitlines())}
    return walls, (error.strip().splitlines() or [""])[-1]


def _run_bounded(spawn: Spawn) -> tuple[str, str, int]:
    """Runs a program of the grader's own.  Returns stdout, stderr, and the exit status."""
    child = subprocess.Popen(
        list(spawn.argv),
        env=dict(spawn.env),
        cwd=spawn.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, error = child.communicate(timeout=CANARY_S)
        return out, error, child.returncode
    except subprocess.TimeoutExpired:
        return "", "it hung", -1
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _machine(programs: Mapping[str, Path], bwrap: str, tiers: Sequence[Tier]) -> list[str]:
    """All that the answer depends on."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    files = [str(path) for path in programs.values()]
    if bwrap:
        status = os.stat(bwrap)
        files.append(f"{bwrap} {status.st_mtime_ns} {status.st_size}")
    return [boot, os.uname().release, str(os.geteuid()), *files, *tiers, str(ROOT)]


def _program(cache: Path, name: str) -> Path:
    """One of the sandbox's own C programs, compiled unless that was done before."""
    sources = [CLIB / source for source in PROGRAMS[name]]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    program = cache / f"{name}-{digest[:12]}"
    if program.is_file():
        return program
    c_files = [str(source) for source in sources if source.suffix == ".c"]
    fresh = cache / f"{name}-{os.getpid()}.new"
    command = ["gcc", "-std=gnu11", "-O2", "-o", str(fresh), *c_files]
    for static in ("-static", "-pie"):  # static starts faster, but not every system can
        with contextlib.suppress(FileNotFoundError):
            done = subprocess.run([*command, static], capture_output=True, check=False)
            if done.returncode == 0:
                os.replace(fresh, program)
                return program
    raise GraderError(f"{name} can not be compiled: is gcc installed? Try `make setup`.")

"""Runs commands in a bare Debian in a folder. debootstrap creates it, chroot enters it.

    debian.py make SUITE ROOT [PACKAGE ...]           SUITE such as trixie; needs root and debootstrap
    debian.py run [--in FOLDER] [--at HERE=THERE ...] ROOT COMMAND [WORD ...]
    debian.py remove ROOT

The Debian uses this machine's access to packages: its mirror, apt's proxy, pip's index, proxies and
certificates. `--at` shows a folder of this machine inside, read-only. All mounts, and all processes that the
command leaves behind, belong to a namespace that ends with the command.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
"""Debian's own address, used if this machine's sources name no mirror."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "term")
"""Variables that are passed on, in upper and lower case."""
_CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name the certificates for package servers. The first one that is set counts."""
_PIP = ("index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout", "default-timeout")
"""Settings of pip that are passed on."""
_APT = re.compile(r'(Acquire::(?:https?|Check-[\w-]+|Retries)\b[^"]*"[^"]*");')
_TAKEN = "etc/taken-over"
"""The folder inside for files of this machine that settings name."""
_ENTER = """
set -eu
root=$1 folder=$2
shift 2
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${number%%:*}" "$root/dev/${number#*:}"; done
while [ "$1" != -- ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
    shift 2
done
shift
code=0
chroot "$root" sh -c 'cd "$1" && shift && exec "$@"' - "$folder" "$@" || code=$?
exit "$code"
"""
"""Shell script that runs in the new namespaces. $1 is the root, $2 the folder; then come pairs and the
command.

The shell stays as process 1 of its namespace, because it waits for processes that the command leaves behind.
"""
_UNSHARED = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")


class NotPossible(Exception):
    """A Debian can't be made here; the text says why."""


def make(suite: str, root: Path, packages: Sequence[str] = ()) -> None:
    """Create a Debian with its essential packages and `packages`.

    Raises:
        NotPossible: this user, this machine or its network does not allow it.
    """
    if os.geteuid() != 0:
        raise NotPossible("only root can make a Debian: run it as root")
    if not shutil.which("debootstrap") or not shutil.which("unshare"):
        raise NotPossible("debootstrap or unshare is missing: apt-get install debootstrap util-linux")
    mirror, security = mirrors()
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    _do([*_UNSHARED, "debootstrap", "--variant=minbase", suite, str(root), mirror], "debootstrap")
    sources = [f"deb {mirror} {suite} main"]
    if suite not in ("sid", "unstable"):
        sources.append(f"deb {mirror} {suite}-updates main")
        if security:
            sources.append(f"deb {security} {suite}-security main")
    (root / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
    (root / "etc/apt/apt.conf.d/99taken-over").write_text("\n".join(_apt_settings(root)) + "\n")
    install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends "
    if packages:
        _do(entering(root, ["sh", "-c", install + " ".join(packages)]), "apt-get", environment(root))


def entering(
    root: Path, command: Sequence[str], folder: str = "/", shown: Mapping[Path, str] | None = None
) -> list[str]:
    """The command line that runs `command` inside, in its `folder`. Run it with `environment(root)`.

    `shown` are folders of this machine and their places inside.
    """
    for name in ("resolv.conf", "hosts"):
        shutil.copyfile(Path("/etc", name), root / "etc" / name)
    pairs = [word for here, there in (shown or {}).items() for word in (str(here), there)]
    return [*_UNSHARED, "sh", "-c", _ENTER, "-", str(root), folder, *pairs, "--", *command]


def remove(root: Path) -> None:
    """Remove a Debian, unless something is mounted in it."""
    mounts = Path("/proc/self/mounts").read_text().split("\n")
    if busy := [
        line for line in mounts if line.split(" ")[1:2] and Path(line.split(" ")[1]).is_relative_to(root)
    ]:
        raise NotPossible(f"{root} can't be removed: {busy[0].split(' ')[1]} is mounted in it")
    shutil.rmtree(root)


# --- settings of this machine ---------------------------------------------------------------------


def mirrors() -> tuple[str, str]:
    """This machine's mirrors of Debian and of its security updates; "" for one that is not set."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', _text(Path("/etc/os-release")), re.MULTILINE))
    here = release.get("VERSION_CODENAME") if release.get("ID") == "debian" else "of another distribution"
    found = dict(reversed([(suite, uri) for uri, suites in _sources() for suite in suites]))
    return found.get(str(here), MIRROR), found.get(f"{here}-security", "")


def _sources() -> Iterator[tuple[str, list[str]]]:
    """The addresses and suites in apt's sources, in both forms of these files (sources.list(5))."""
    folder = Path("/etc/apt")
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))):
        for line in re.finditer(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", _text(path), re.MULTILINE):
            yield line[1].rstrip("/"), [line[2]]
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", _text(path)):
            fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, re.MULTILINE))
            if "deb" in fields.get("Types", "").split():
                for uri in fields.get("URIs", "").split():
                    yield uri.rstrip("/"), fields.get("Suites", "").split()


def _apt_settings(root: Path) -> Iterator[str]:
    """The lines of apt.conf that describe how this machine reaches its mirror."""
    output = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    for line in output.splitlines():
        if found := _APT.fullmatch(line):
            yield re.sub(r'"(/[^"]+)"', lambda path: f'"{_taken(root, path[1]) or path[1]}"', found[1]) + ";"


def environment(root: Path) -> dict[str, str]:
    """The environment of commands inside: a plain one, and the access to packages."""
    env = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "PIP_ROOT_USER_ACTION": "ignore"}
    env |= {name: value for name, value in os.environ.items() if name.lower() in _PASSED}
    env |= dict(_pip_settings())
    named = [env.get("PIP_CERT", ""), *(os.environ.get(name, "") for name in _CERTIFICATES)]
    env["PIP_CERT"] = next((taken for name in named if (taken := _taken(root, name))), "")
    return {name: value for name, value in env.items() if value}


def _pip_settings() -> Iterator[tuple[str, str]]:
    """How pip reaches packages here, as variables. Folders of this machine are left out."""
    line = [sys.executable, "-m", "pip", "config", "list"]
    output = subprocess.run(line, capture_output=True, text=True, check=False).stdout
    for scope, key, value in re.findall(r"^(\S+)\.([a-z-]+)='(.*)'$", output, re.MULTILINE):
        words = [word for word in value.replace("\\n", " ").split() if not word.startswith("file:")]
        if key in _PIP and words and scope in ("global", "user", "install", ":env:"):
            yield f"PIP_{key.upper().replace('-', '_')}", " ".join(words)


def _taken(root: Path, name: str) -> str:
    """Copy a file that a setting names, and return its place inside; "" if it is not a file here."""
    path = Path(name)
    if not path.is_absolute() or not path.is_file():
        return ""
    folder = root / _TAKEN
    folder.mkdir(exist_ok=True)
    inside = folder / "-".join(path.parts[1:])
    shutil.copyfile(path, inside)
    return f"/{_TAKEN}/{inside.name}"


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _do(command: Sequence[str], what: str, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        output = done.stdout.decode(errors="replace").strip()[-2000:]
        raise NotPossible(f"{what} failed with exit code {done.returncode}:\n{output}")


# --- the command line ------------------------------------------------------------------------------


def main(words: Sequence[str]) -> int:
    """Run the command line, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    does = parser.add_subparsers(dest="do", required=True)
    making = does.add_parser("make")
    making.add_argument("suite")
    making.add_argument("root", type=Path)
    making.add_argument("packages", nargs="*")
    running = does.add_parser("run")
    running.add_argument("root", type=Path)
    running.add_argument("--in", dest="folder", default="/")
    running.add_argument("--at", action="append", default=[], metavar="HERE=THERE")
    running.add_argument("command", nargs=argparse.REMAINDER)
    does.add_parser("remove").add_argument("root", type=Path)
    asked = parser.parse_args(words)
    try:
        return _do_as_asked(asked)
    except NotPossible as reason:
        print(reason, file=sys.stderr)
        return 2


def _do_as_asked(asked: argparse.Namespace) -> int:
    root = asked.root.resolve()
    if asked.do == "make":
        make(asked.suite, root, asked.packages)
    elif asked.do == "remove":
        remove(root)
    else:
        shown = {Path(here).resolve(): there for here, _, there in (one.partition("=") for one in asked.at)}
        command = entering(root, asked.command, asked.folder, shown)
        return subprocess.run(command, env=environment(root), check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

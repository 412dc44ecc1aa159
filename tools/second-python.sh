#!/bin/sh
# Runs the unit and app tests on another Python than that of .venv: second-python.sh [PYTHON | --list]
#
# PYTHON is a command or a path, such as python3.12. Without it, the newest other Python of this machine that is new
# enough is taken. Where there is none, a Debian that has another one is made in a folder (needs root; debootstrap is
# installed). --list prints all other Pythons of this machine that can be named here, one for each version.
set -eu
cd "$(dirname "$0")/.."
tests="tests/mail tests/people tests/profiles tests/config tests/archive tests/client tests/net tests/notify tests/feed tests/gateway tests/health"
tests="$tests tests/evidence tests/contents tests/witness tests/parsing tests/setup tests/system tests/targets tests/tui"
options="-n 4 --dist worksteal -p no:cacheprovider"

minor() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

usable() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

first=$(minor .venv/bin/python)

others() {
    seen=" $first "
    # shellcheck disable=SC2012
    of_pyenv=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python 2>/dev/null | sort -rV)
    for candidate in python3.14 python3.13 python3.12 python3.11 $of_pyenv; do
        version=$(minor "$candidate")
        case "$seen" in *" $version "*) continue ;; esac
        if usable "$candidate"; then
            echo "$candidate"
            seen="$seen$version "
        fi
    done
}

if [ "${1:-}" = --list ]; then
    others
    exit
fi
if [ -z "${1:-}" ]; then
    second=$(others | head -n 1)
elif usable "$1"; then
    second=$1
else # pyenv has a python3.12 that no command of this name starts
    for second in $(others) ''; do
        if [ -z "$second" ]; then
            echo "$1 can't run Muniment's tests: name a Python from 3.11 on that has venv, or one of --list." >&2
            exit 2
        fi
        if [ "python$(minor "$second")" = "$1" ]; then break; fi
    done
fi
if [ -n "$second" ]; then
    venv=.venv-second-$(minor "$second")
    sh tools/set-up.sh "$venv" "$second"
    echo "The unit and app tests on $("$venv/bin/python" -VV):"
    # shellcheck disable=SC2086
    exec "$venv/bin/pytest" $options $tests
fi

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "There is no second Python, and only root can make a Debian that has one." >&2
    if [ -n "${CI:-}" ]; then exit 1; else exit 0; fi
fi
if ! command -v debootstrap >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
suite=trixie # Python 3.13
if [ "$first" = 3.13 ]; then suite=bookworm; fi
root=$(mktemp -d /var/tmp/muniment-debian-XXXXXX)
trap '.venv/bin/python tools/debian.py remove "$root"' EXIT
echo "Making a Debian $suite for its Python ..."
.venv/bin/python tools/debian.py make "$suite" "$root" python3 python3-venv
mkdir -p "$root/srv/muniment"
git ls-files -z | xargs -0 cp --parents -t "$root/srv/muniment"
inside="sh tools/set-up.sh .venv && sh tools/servers.sh test && .venv/bin/python -VV"
shared=${MUNIMENT_CORPUS:-$(cd .. && pwd)/shared}
insist=
if [ -n "${MUNIMENT_CORPUS:-}" ]; then insist="MUNIMENT_CORPUS=/srv/shared"; fi
set -- "$root" sh -c "$inside && $insist .venv/bin/pytest $options $tests"
if [ -d "$shared" ]; then set -- --at "$shared=/srv/shared" "$@"; fi
.venv/bin/python tools/debian.py run --in /srv/muniment "$@"

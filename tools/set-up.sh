#!/bin/sh
# Makes the virtual environment that the Makefile runs everything in: set-up.sh DIR [PYTHON]
set -eu
venv=$1

python=
for candidate in ${2:-python3.11 python3.12 python3.13 python3.14 python3}; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Muniment needs Python 3.11 or newer: on Debian, 'apt-get install python3 python3-venv'." >&2
    exit 1
fi

if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "Python's venv module is missing: install it with 'sudo apt-get install python3-venv'." >&2
        exit 1
    fi
fi

# Runs pip, and says how many packages it has: on a terminal in place, elsewhere every 20.
fetch() {
    total=$(grep -c '^[a-z0-9].*==' requirements.lock)
    { "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off "$@" || echo "pip failed"; } 2>&1 |
        tee "$venv/.fetched" | {
            had=0 failed=0
            while IFS= read -r line; do
                case $line in
                "Collecting "* | "Processing "* | "Ignoring "* | "Requirement already satisfied"*)
                    had=$((had + 1))
                    if [ -t 1 ]; then
                        printf '\r  %d of %d packages' $had "$total"
                    elif [ $((had % 20)) = 0 ]; then
                        echo "  $had of $total packages"
                    fi
                    ;;
                "Installing collected packages"*)
                    if [ -t 1 ]; then printf '\r'; fi
                    printf '  Installing %d packages' $had
                    ;;
                "pip failed") failed=1 ;;
                esac
            done
            echo
            exit $failed
        } || {
        tail -n 40 "$venv/.fetched" >&2
        exit 1
    }
}

echo "Setting up $venv with $("$python" -V): about a minute, and only the first time."
echo "  Making the environment"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
fetch --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
echo "  Compiling"
"$venv/bin/python" -m compileall -q core tui

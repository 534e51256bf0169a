#!/bin/sh
# Creates the virtual environment given as the first argument and installs this project into it,
# after what mongod needs from the operating system. Repeating it is quick.
set -eu
venv=$1

say() { printf 'perdure: %s\n' "$1" >&2; }

python=
for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    say "Python 3.11 or newer is needed and was not found on PATH"
    exit 1
fi

has_libraries() {
    "$python" -c 'import ctypes; ctypes.CDLL("libssl.so.3"); ctypes.CDLL("libcurl.so.4")' 2>/dev/null
}

if [ "$(uname -s)" = Linux ] && ! command -v mongod >/dev/null && ! has_libraries; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing libssl3 and libcurl4 for mongod"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libssl3 libcurl4 >/dev/null
    else
        say "mongod needs libssl 3 and libcurl 4: install them (Debian, Ubuntu: sudo apt-get install libssl3 libcurl4)"
        exit 1
    fi
fi

# The server that tests of external_db ask; everything else runs without it.
if [ "$(uname -s)" = Linux ] && ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing postgresql for the tests"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
    else
        say "make test needs a PostgreSQL server (Debian, Ubuntu: sudo apt-get install postgresql)"
    fi
fi

if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "creating $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
say "installing packages into $venv"
PYTHONWARNINGS=ignore "$venv/bin/python" -m pip install -qq --disable-pip-version-check --editable '.[dev]'

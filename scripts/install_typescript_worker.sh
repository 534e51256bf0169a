#!/bin/sh
# Installs what the TypeScript worker of the tests needs into the folder given as the first argument.
# Without Node.js, and without the right to install it, the tests that need that worker are skipped.
set -eu
folder=$1
source=tests/support/typescript_worker

say() { printf 'perdure: %s\n' "$1" >&2; }

if ! command -v npm >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing nodejs and npm for the worker in TypeScript"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
    else
        say "without npm the tests with a worker in TypeScript are skipped (Debian, Ubuntu: sudo apt-get install nodejs npm)"
        exit 0
    fi
fi

mkdir -p "$folder"
cp "$source/package.json" "$source/worker.js" "$folder/"
say "installing the worker in TypeScript into $folder"
(cd "$folder" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error >&2)
touch "$folder/.installed"

#!/bin/sh
# Checks what production is made of, without a container engine: the compose file, the Dockerfile, and the wheel in an
# empty environment, where it has to run a flow. The argument is the virtual environment with the linters.
set -eu
venv=$1

say() { printf 'perdure: %s\n' "$1" >&2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "checking docker-compose.yml and Dockerfile"
"$venv/bin/compose-lint" check docker-compose.yml >"$work/lint" || { cat "$work/lint" >&2; exit 1; }
"$venv/bin/hadolint" Dockerfile
for script in deploy/*.sh; do sh -n "$script"; done

if docker compose version >/dev/null 2>&1; then
    compose="docker compose"
else
    if ! command -v docker-compose >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing docker-compose"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-compose >/dev/null
    fi
    compose=docker-compose
fi
if ! $compose version >/dev/null 2>&1; then
    say "docker-compose is needed to check docker-compose.yml: install it (Debian, Ubuntu: sudo apt-get install docker-compose)"
    exit 1
fi
# Every variable that is mandatory gets a value; that the file insists on them is checked as well.
sed -n 's/^\([A-Z_]*\)=$/\1=filled-in/p' .env.example >"$work/env"
$compose --env-file "$work/env" -f docker-compose.yml config --quiet
if env -u POSTGRES_PASSWORD $compose --env-file /dev/null -f docker-compose.yml config --quiet 2>/dev/null; then
    say "docker-compose.yml starts without its secrets"
    exit 1
fi

say "building the wheel and running a flow with nothing else installed"
# What the image is built from, and nothing else.
sed -n 's/^!//p' .dockerignore | while read -r name; do cp -R "$name" "$work"; done
"$venv/bin/python" -m pip wheel -qq --disable-pip-version-check --no-deps --wheel-dir "$work/wheels" "$work"
"$venv/bin/python" -m venv "$work/empty"
PYTHONWARNINGS=ignore "$work/empty/bin/python" -m pip install -qq --disable-pip-version-check "$work"/wheels/perdure-*.whl
cp scripts/smoke_flow.yaml "$work/flow.yaml"
printf '{"text": "it works"}' >"$work/input.json"
rm -rf "$work/activities" "$work/api" "$work/worker.py"
cd "$work"
"$work/empty/bin/perdure" up --once --data-dir "$work/data" \
    --port 0 --temporal-port 0 --ui-port 0 --mongodb-port 0 --metrics-port 0 \
    -- "$work/empty/bin/perdure" run flow.yaml --input input.json --json >"$work/result.json"
if ! grep -q "said: it works" "$work/result.json"; then
    say "the flow did not give its result:"
    cat "$work/result.json" >&2
    exit 1
fi
say "production files and wheel are fine"

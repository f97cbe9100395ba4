#!/usr/bin/env bash
# Sets up what the tests need, and runs them all. Arguments go to the test runner: `./test.sh -p cloudyknight-core`.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")" && pwd)
SCRIPT_ARGUMENTS=("$@")
CLIENTS=$ROOT/target/test-clients
cd "$ROOT"

# shellcheck source-path=SCRIPTDIR source=infra/host/steps.sh
. infra/host/steps.sh
# shellcheck source-path=SCRIPTDIR source=infra/host/home.sh
. infra/host/home.sh
# shellcheck source-path=SCRIPTDIR source=infra/host/packages.sh
. infra/host/packages.sh
# shellcheck source-path=SCRIPTDIR source=infra/host/engine.sh
. infra/host/engine.sh
# shellcheck source-path=SCRIPTDIR source=infra/host/rust.sh
. infra/host/rust.sh
# shellcheck source-path=SCRIPTDIR source=infra/host/python.sh
. infra/host/python.sh

ensure_engine
ensure_compiler
docker/build.sh
ensure_python_tools "$CLIENTS" tests/clients.txt "the S3 clients that the tests push with"
# All of it at once, and not just the binary: with other features switched on, its dependencies would be built twice.
step "Building the binary and the tests" cargo build --locked --workspace --all-targets --all-features

# Tests start platforms of their own, and must not end up with the settings or the credentials of another one.
for variable in $(compgen -e | grep -E '^(CLOUDYKNIGHT|AWS|RCLONE)_' || true); do unset "$variable"; done
export CLOUDYKNIGHT_TEST_CLIENTS=$CLIENTS/bin
export CLOUDYKNIGHT_TEST_BIN=${CARGO_TARGET_DIR:-$ROOT/target}/debug/cloudyknight

if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --workspace --all-features --locked "$@"
else
    exec cargo test --workspace --all-features --locked "$@"
fi

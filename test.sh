#!/usr/bin/env bash
# Sets up what the tests need, and runs them all; at the end it says which servers they ran against. Arguments go to the
# test runner: `./test.sh -p cloudyknight-core`.
#
# `./test.sh --backend NAME` runs only the end-to-end story, on that backend (embedded, localstack, moto, ministack or
# seaweedfs; may be given several times).
#
# CLOUDYKNIGHT_TEST_REDEPLOYS=200 makes the redeploys under load so many; they are 25 otherwise.
# CLOUDYKNIGHT_TEST_LAMBDA_DIR names what functions/build.sh made, to deploy that; else the functions are those of the debug build.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # engine.sh may start this script once more
SCRIPT_ARGUMENTS=("$@")
CLIENTS=$ROOT/target/test-clients
SERVERS=$ROOT/target/test-servers
BROWSER=$ROOT/target/test-browser
PUBLISHED=$ROOT/target/test-published
COMPOSE=$ROOT/target/test-compose
API_TOOLS=$ROOT/target/test-api
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
# shellcheck source-path=SCRIPTDIR source=infra/host/mount.sh
. infra/host/mount.sh
# shellcheck source-path=SCRIPTDIR source=tests/servers/install.sh
. tests/servers/install.sh
# shellcheck source-path=SCRIPTDIR source=tests/browser/install.sh
. tests/browser/install.sh
# shellcheck source-path=SCRIPTDIR source=tests/published.sh
. tests/published.sh

CHOSEN=()
RUNNER_ARGUMENTS=()
while [ $# -gt 0 ]; do
    case $1 in
    --backend)
        [ $# -gt 1 ] || die "--backend wants a name" "one of: ${BACKENDS[*]}"
        CHOSEN+=("$2")
        shift
        ;;
    --backend=*) CHOSEN+=("${1#*=}") ;;
    *) RUNNER_ARGUMENTS+=("$1") ;;
    esac
    shift
done
for backend in "${CHOSEN[@]}"; do
    is_backend "$backend" || die "there is no backend \`$backend\`" "one of: ${BACKENDS[*]}"
done

ensure_engine
ensure_compiler
docker/build.sh
if ! command -v docker-compose >/dev/null; then
    install_packages "compose files are compared with what it makes of them" docker-compose
fi
if ! command -v openssl >/dev/null; then
    install_packages "a server that enforces policies speaks TLS, with a certificate of its own" openssl
fi
ensure_fuse
for editor in vim nano; do
    if ! command -v "$editor" >/dev/null; then install_packages "files of the mounted folder are saved with it" "$editor"; fi
done
ensure_python_tools "$CLIENTS" tests/clients.txt "the S3 clients that the tests push with"
ensure_browser "$BROWSER"
if ! published_files_are_there "$PUBLISHED"; then
    step "Fetching published compose files into ${PUBLISHED#"$ROOT"/}" fetch_published_files "$PUBLISHED" "$CLIENTS/bin/pip"
fi
if ! compose_2_is_there "$COMPOSE"; then
    # Other systems and processors do without, and the tests say what they did not compare with.
    attempt "Fetching docker-compose 2 into ${COMPOSE#"$ROOT"/}" fetch_compose_2 "$COMPOSE" || true
fi
ensure_python_tools "$API_TOOLS" tests/api-tools.txt "what asks the API everything that its document allows"

# Without a choice: all that this machine can, and the tests of the others are left out, which the end tells.
declare -A SKIPPED=()
if [ ${#CHOSEN[@]} -gt 0 ]; then wanted=("${CHOSEN[@]}"); else wanted=("${BACKENDS[@]}" "${ROUTERS[@]}"); fi
for backend in "${wanted[@]}"; do
    if prepare_server "$backend" "$SERVERS"; then continue; fi
    if [ ${#CHOSEN[@]} -gt 0 ]; then die "$backend cannot be run here: $NOT_PREPARED"; fi
    SKIPPED[$backend]=$NOT_PREPARED
done

# All of it at once, and not just the binary: with other features switched on, its dependencies would be built twice.
step "Building the binary and the tests" cargo build --locked --workspace --all-targets --all-features

# Tests start platforms of their own, and must not end up with the settings or the credentials of another one. Two variables
# are for the tests themselves.
OURS='CLOUDYKNIGHT_TEST_(REDEPLOYS|LAMBDA_DIR)'
for variable in $(compgen -e | grep -E '^(CLOUDYKNIGHT|AWS|RCLONE)_' | grep -vxE "$OURS" || true); do
    unset "$variable"
done
export CLOUDYKNIGHT_TEST_CLIENTS=$CLIENTS/bin
export CLOUDYKNIGHT_TEST_SERVERS=$SERVERS
export CLOUDYKNIGHT_TEST_BROWSER=$BROWSER
export CLOUDYKNIGHT_TEST_PUBLISHED=$PUBLISHED
export CLOUDYKNIGHT_TEST_COMPOSE=$COMPOSE
export CLOUDYKNIGHT_TEST_API_TOOLS=$API_TOOLS/bin
export CLOUDYKNIGHT_TEST_BIN=${CARGO_TARGET_DIR:-$ROOT/target}/debug/cloudyknight
CLOUDYKNIGHT_TEST_REPORT=$(mktemp "${TMPDIR:-/tmp}/cloudyknight.XXXXXX")
export CLOUDYKNIGHT_TEST_REPORT
trap 'rm -f "$CLOUDYKNIGHT_TEST_REPORT"' EXIT

# Every test that wants a server says so in its name: `…_on_moto…`. These words for the runner choose among the names.
names=()
for backend in "${CHOSEN[@]}"; do names+=("on_$backend"); done
for backend in "${!SKIPPED[@]}"; do names+=(--skip "on_$backend"); done
if [ ${#names[@]} -gt 0 ]; then
    [[ " ${RUNNER_ARGUMENTS[*]} " == *" -- "* ]] || RUNNER_ARGUMENTS+=(--)
    RUNNER_ARGUMENTS+=("${names[@]}")
fi
if [ ${#CHOSEN[@]} -gt 0 ]; then scope=(--workspace --test story); else scope=(--workspace); fi

runner=(cargo test)
if cargo nextest --version >/dev/null 2>&1; then runner=(cargo nextest run); fi
status=0
"${runner[@]}" "${scope[@]}" --all-features --locked "${RUNNER_ARGUMENTS[@]}" || status=$?

# Each story has written a line: backend, client, outcome, seconds.
tell_of() {
    local stories
    stories=$(awk -v name="$1" '$1 == name { printf "%s%s %s in %s s", n++ ? ", " : "", $2, $3, $4 }' "$CLOUDYKNIGHT_TEST_REPORT")
    if [ -n "${SKIPPED[$1]:-}" ]; then
        say "$(printf '%-11s skipped: %s' "$1" "${SKIPPED[$1]}")"
    else
        say "$(printf '%-11s %s' "$1" "${stories:-not run: not among the tests that were asked for}")"
    fi
}
say ""
say "The story on each backend, by client:"
for backend in "${BACKENDS[@]}"; do tell_of "$backend"; done
for router in "${ROUTERS[@]}"; do
    if [ -n "${SKIPPED[$router]:-}" ]; then tell_of "$router"; fi
done
exit "$status"

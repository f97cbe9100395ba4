#!/usr/bin/env bash
# A new user's first steps, as the README has them: bootstrap, and once more; the dashboard and the samples; a first app, a
# folder of files; down, purge, and nothing left. In a home and at ports of its own, so that it runs beside a live platform.
#
# CARGO_PROFILE_RELEASE_OPT_LEVEL=0 builds sooner what is not measured here.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
COMMAND=/usr/local/bin/cloudyknight
PLACE=$(mktemp -d "${TMPDIR:-/tmp}/cloudyknight-first.XXXXXX")
export CLOUDYKNIGHT_HOME=$PLACE/home
export CLOUDYKNIGHT_S3_LISTEN=127.0.0.1:19600
export CLOUDYKNIGHT_API_LISTEN=127.0.0.1:19601
export CLOUDYKNIGHT_EDGE_LISTEN=127.0.0.1:19602
FOLDER=$PLACE/workspaces
APP=first-$$
# Whoever uses this machine has it lead where they want it.
LED_TO=$(readlink "$COMMAND" || true)

# shellcheck source-path=SCRIPTDIR source=../infra/host/steps.sh
. "$ROOT/infra/host/steps.sh"

leave() {
    local status=$?
    trap - EXIT
    if [ -d "$CLOUDYKNIGHT_HOME" ]; then "$ROOT/bootstrap.sh" --purge || true; fi
    if [ -n "$LED_TO" ]; then ln -sfn "$LED_TO" "$COMMAND"; fi
    rm -rf "$PLACE"
    exit "$status"
}
trap leave EXIT

# check WHAT COMMAND…
check() {
    local what=$1
    shift
    if "$@"; then say "✓ $what"; else die "not so: $what" "the log is in $CLOUDYKNIGHT_HOME/log"; fi
}

# answers URL WORDS: soon.
answers() {
    local end=$((SECONDS + 30))
    until curl -fsS --max-time 5 "$1" 2>/dev/null | grep -qF "$2"; do
        if [ "$SECONDS" -ge "$end" ]; then return 1; fi
        sleep 0.1
    done
}

# of_ours KIND: what Docker has of this platform.
of_ours() {
    case $1 in
    container) docker ps --all --quiet --filter "label=cloudyknight.platform=$PLATFORM" ;;
    *) docker "$1" ls --quiet --filter "label=cloudyknight.platform=$PLATFORM" ;;
    esac
}
nothing_in_docker() {
    local kind
    for kind in container network volume; do [ -z "$(of_ours "$kind")" ] || return 1; done
}
no_process() { ! pgrep -f -- "--home $CLOUDYKNIGHT_HOME" >/dev/null; }
is_mounted() { mountpoint --quiet "$FOLDER"; }
is_not_mounted() { ! is_mounted; }
is_gone() { [ ! -e "$1" ]; }

"$ROOT/bootstrap.sh" --mount "$FOLDER"
eval "$("$ROOT/target/release/cloudyknight" env)"
check "the landing page lists what is live" answers "$CLOUDYKNIGHT_URL/" blog
check "the dashboard wants a sign-in" answers "$CLOUDYKNIGHT_URL/monitor/" "<title>Sign in"
check "the dashboard has an address of its own" answers "${CLOUDYKNIGHT_URL/:\/\//://monitor.}/" "<title>Sign in"
check "the sample api answers" answers "$CLOUDYKNIGHT_URL/api/" "{"
check "the sample blog answers" answers "$CLOUDYKNIGHT_URL/blog/" "<"
check "the folder is mounted" is_mounted
mkdir "$FOLDER/$APP"
echo '<h1>It is live</h1>' >"$FOLDER/$APP/index.html"
check "files of the folder are live" answers "$CLOUDYKNIGHT_URL/$APP/" "It is live"

PLATFORM=$(docker inspect --format '{{index .Config.Labels "cloudyknight.platform"}}' \
    "$(docker ps --quiet --filter "label=cloudyknight.workspace=$APP" | head -n 1)")
BEFORE=$(of_ours container)
check "bootstrap is done again" "$ROOT/bootstrap.sh"
check "its containers are the same" test "$BEFORE" = "$(of_ours container)"

"$ROOT/bootstrap.sh" --down
check "nothing of it runs after --down" no_process
check "nothing is mounted after --down" is_not_mounted
check "no container is left after --down" test -z "$(of_ours container)"
check "the data is there after --down" test -d "$CLOUDYKNIGHT_HOME/store"

"$ROOT/bootstrap.sh" --purge
check "nothing of it is left in Docker after --purge" nothing_in_docker
check "the data is gone after --purge" is_gone "$CLOUDYKNIGHT_HOME"

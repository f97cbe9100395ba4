#!/usr/bin/env bash
# Makes the runtime images: workspace-node-ephemeral, workspace-static-ephemeral and workspace-python-ephemeral. What is
# up to date is left alone, which a label tells: it holds the digest of all that the image is made from. `--force` makes
# them anew, from the newest packages. CLOUDYKNIGHT_BASE_IMAGE names another base (one with apt).
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../infra/host/steps.sh
. "$HERE/../infra/host/steps.sh"
# shellcheck source-path=SCRIPTDIR source=../infra/host/packages.sh
. "$HERE/../infra/host/packages.sh"
# shellcheck source-path=SCRIPTDIR source=base.sh
. "$HERE/base.sh"

RUNTIMES=(node static python)
FORCE=''

image_of() { echo "workspace-$1-ephemeral:latest"; }

# The digest of everything that decides what is in the image.
inputs_of() {
    {
        echo "${CLOUDYKNIGHT_BASE_IMAGE:-}"
        cd "$HERE"
        sha256sum base.sh "$1"/*
    } | sha256sum | cut -d ' ' -f 1
}

is_current() {
    [ "$(docker image inspect --format '{{index .Config.Labels "cloudyknight.inputs"}}' "$(image_of "$1")" 2>/dev/null)" = "$(inputs_of "$1")" ]
}

# All at once: one waits for the network while another unpacks.
build() {
    local runtime pids=() failed=0
    for runtime in "$@"; do
        build_one "$runtime" > >(sed "s/^/[$runtime] /") 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    return "$failed"
}

build_one() {
    local options=() variable proxy=''
    if [ -n "$FORCE" ]; then options+=(--no-cache); fi
    eval "$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null || true)"
    if [ -n "$proxy" ]; then options+=(--build-arg "http_proxy=$proxy"); fi
    # Named without a value: docker takes it from the environment, and it stays out of the process list.
    for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        if [ -n "${!variable:-}" ]; then options+=(--build-arg "$variable"); fi
    done
    docker build "${options[@]}" --build-arg "BASE=$BASE" --label "cloudyknight.inputs=$(inputs_of "$1")" \
        --tag "$(image_of "$1")" "$HERE/$1"
}

case ${1:-} in
'') ;;
--force) FORCE=1 ;;
*)
    echo "usage: docker/build.sh [--force]" >&2
    exit 64
    ;;
esac

docker version >/dev/null 2>&1 || die "no Docker Engine answers" "./bootstrap.sh installs and starts one"

outdated=()
for runtime in "${RUNTIMES[@]}"; do
    if [ -n "$FORCE" ] || ! is_current "$runtime"; then outdated+=("$runtime"); fi
done
if [ ${#outdated[@]} -eq 0 ]; then
    say "✓ The runtime images are up to date"
    exit 0
fi
find_base
step "Making the runtime images: ${outdated[*]}" build "${outdated[@]}"

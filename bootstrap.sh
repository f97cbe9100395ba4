#!/usr/bin/env bash
# From a fresh clone to a running platform with its sample workspaces live. Run it as often as you like: what is done
# is not done again. It asks nothing; where it needs root and is not, sudo may ask for a password on the terminal.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")" && pwd)
SCRIPT_ARGUMENTS=("$@")
SAMPLES=(monitor www api blog)
BINARY=$ROOT/target/release/cloudyknight
# Where a shell finds it as `cloudyknight`.
COMMAND=/usr/local/bin/cloudyknight
# As it was asked for: what `cloudyknight env` says later is not.
ASKED_HOME=${CLOUDYKNIGHT_HOME:-}

# shellcheck source-path=SCRIPTDIR source=infra/host/steps.sh
. "$ROOT/infra/host/steps.sh"
# shellcheck source-path=SCRIPTDIR source=infra/host/home.sh
. "$ROOT/infra/host/home.sh"
# shellcheck source-path=SCRIPTDIR source=infra/host/packages.sh
. "$ROOT/infra/host/packages.sh"
# shellcheck source-path=SCRIPTDIR source=infra/host/engine.sh
. "$ROOT/infra/host/engine.sh"
# shellcheck source-path=SCRIPTDIR source=infra/host/rust.sh
. "$ROOT/infra/host/rust.sh"
# shellcheck source-path=SCRIPTDIR source=infra/host/s3.sh
. "$ROOT/infra/host/s3.sh"
# shellcheck source-path=SCRIPTDIR source=infra/host/python.sh
. "$ROOT/infra/host/python.sh"
# shellcheck source-path=SCRIPTDIR source=infra/host/mount.sh
. "$ROOT/infra/host/mount.sh"

usage() {
    cat <<'USAGE'
usage: ./bootstrap.sh [--mount [DIR] | --down | --purge | --help]

Without an option: installs what is missing, builds, starts the platform, and pushes the sample workspaces.

  --mount  also mount the workspaces as a folder: DIR, or /workspaces as root and ~/workspaces otherwise
  --down   stop the platform and its containers; the data stays
  --purge  stop them and delete the data too, every workspace included
  --help   show this

environment:
  CLOUDYKNIGHT_HOME         where the data is kept (default: /var/lib/cloudyknight as root, else the XDG data dir)
  CLOUDYKNIGHT_S3_LISTEN    the S3 server's address (default: 127.0.0.1:9000)
  CLOUDYKNIGHT_EDGE_LISTEN  the address the apps are reached at (default: 0.0.0.0:8080)
  CLOUDYKNIGHT_API_LISTEN   the API's address (default: 127.0.0.1:9100)
  CLOUDYKNIGHT_MOUNT        the folder to mount the workspaces at, as --mount does (default: none)
  CLOUDYKNIGHT_BASE_IMAGE   the image the runtime images start from (default: debian:bookworm-slim, or made here)
USAGE
}

# up, or: up mount [DIR]
up() {
    local mount=("${@:2}")
    ensure_engine
    ensure_compiler
    ensure_s3_client
    if [ $# -gt 0 ]; then
        ensure_fuse
        ensure_rclone
    fi
    step "Building cloudyknight" build_release
    link_command
    "$ROOT/docker/build.sh"
    step "Starting the platform" "$BINARY" up

    eval "$("$BINARY" env)"
    local sample
    for sample in "${SAMPLES[@]}"; do
        step "Pushing $sample to s3://workspaces/$sample ($S3_CLIENT)" sync_folder "$ROOT/workspaces/$sample" "$sample"
    done
    for sample in "${SAMPLES[@]}"; do
        step "Waiting for $sample to be live" "$BINARY" wait "$sample" --timeout 120
    done
    if [ $# -gt 0 ]; then step "Mounting the workspaces" "$BINARY" mount "${mount[@]}"; fi
    where_to_look
}

build_release() {
    cd "$ROOT"
    cargo build --release --locked -p cloudyknight
}

# Makes the command `cloudyknight` lead to what was built here, unless somebody installed another one.
link_command() {
    if [ "$(readlink -f "$COMMAND")" = "$BINARY" ]; then return; fi
    if [ -e "$COMMAND" ] && [ ! -L "$COMMAND" ]; then return; fi
    if [ -w "$(dirname "$COMMAND")" ] && ln -sfn "$BINARY" "$COMMAND"; then
        say "Linked $COMMAND to $BINARY, so that \`cloudyknight\` is a command."
    fi
}

unlink_command() {
    if [ "$(readlink "$COMMAND")" = "$BINARY" ] && [ -w "$(dirname "$COMMAND")" ]; then rm -f "$COMMAND"; fi
}

where_to_look() {
    local sample settings='' command=$BINARY
    if [ -n "$ASKED_HOME" ]; then settings="CLOUDYKNIGHT_HOME=$(printf %q "$ASKED_HOME") "; fi
    if [ "$(readlink -f "$(command -v cloudyknight)")" = "$BINARY" ]; then command=cloudyknight; fi
    echo
    echo "The platform is up. Its apps:"
    for sample in "${SAMPLES[@]}"; do
        # The workspace www also answers at the root.
        printf '  %-8s %s/%s\n' "$sample" "$CLOUDYKNIGHT_URL" "$([ "$sample" = www ] || echo "$sample/")"
    done
    cat <<NEXT

monitor is the dashboard. Sign in there with the token that \`$settings$command env\` prints as CLOUDYKNIGHT_TOKEN. At
${CLOUDYKNIGHT_URL/:\/\//://monitor.}/ it has an address that it shares with no other app.

To push an app of your own, in this shell:
  eval "\$($settings$command env)"
  aws s3 sync ./myapp s3://workspaces/myapp
  $settings$command wait myapp && curl "\$CLOUDYKNIGHT_URL/myapp/"

The data is in $(cloudyknight_home). To stop: $settings./bootstrap.sh --down
NEXT
}

down() {
    if [ ! -x "$BINARY" ]; then
        say "Nothing to stop: the platform was never built here ($BINARY is missing)."
        return
    fi
    step "Stopping the platform and its containers" "$BINARY" down
    say "The data stays in $(cloudyknight_home). Docker Engine keeps running: others may use it."
}

purge() {
    local home
    home=$(cloudyknight_home)
    say "This deletes, for good:"
    say "  - every workspace, release and log, and the credentials: all of $home"
    say "  - the platform's containers, networks, named volumes and dependency images"
    say "  - what was written to the mounted folder and is in no bucket, such as node_modules"
    say "  - the link $COMMAND, if it leads here"
    say "Docker Engine, the runtime images and what was built in target/ stay."
    if [ ! -x "$BINARY" ]; then
        if [ -e "$home" ]; then
            die "$BINARY is missing, and it is what knows how to delete $home safely" "run: cargo build --release --locked -p cloudyknight"
        fi
        say "Nothing of it is here."
        return
    fi
    step "Stopping the platform and deleting its data" "$BINARY" down --purge --yes
    unlink_command
}

case ${1:-} in
'') if [ -n "${CLOUDYKNIGHT_MOUNT:-}" ]; then up mount "$CLOUDYKNIGHT_MOUNT"; else up; fi ;;
--mount) up mount "${@:2}" ;;
--down) down ;;
--purge) purge ;;
--help | -h) usage ;;
*)
    usage >&2
    exit 64
    ;;
esac

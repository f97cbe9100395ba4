# shellcheck shell=bash
# Docker Engine: there, running and usable by whoever runs this. Sourced, after home.sh, steps.sh and packages.sh.

ENGINE_LOG_DIR="$(cloudyknight_home)/log"

engine_answers() { docker version >/dev/null 2>&1; }

# Returns when `docker` works. Installs and starts an engine only where none answers.
ensure_engine() {
    ensure_firewall
    if engine_answers; then return; fi
    if [ -n "${DOCKER_HOST:-}" ]; then
        die "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST" "start it there, or unset DOCKER_HOST to use one on this machine"
    fi
    become_able_to_install
    if ! command -v dockerd >/dev/null; then install_engine; fi
    if ! as_root docker version >/dev/null 2>&1; then start_engine; fi
    engine_answers || may_not_use_engine
}

# What keeps containers from the platform's doors. Only root can use it, and an engine elsewhere has no use for it.
ensure_firewall() {
    if [ "$(id -u)" -ne 0 ] || [ -n "${DOCKER_HOST:-}" ] || command -v nft >/dev/null; then return; fi
    if ! command -v apt-get >/dev/null; then
        say "\`nft\` is missing: nothing will keep containers from the platform's doors. Install nftables by hand."
        return
    fi
    install_packages "it keeps containers from the platform's doors" nftables
}

install_engine() {
    # tini is what `init: true` runs as PID 1. Debian 13 has the client in a package of its own.
    local packages=(docker.io iptables tini)
    refresh_package_lists
    if apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
    install_packages "apps run in containers, and no Docker Engine answers here" "${packages[@]}"
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        step "Starting Docker Engine (systemctl)" as_root systemctl enable --now docker
    elif ! pidof dockerd >/dev/null; then
        # Without systemd nobody has mounted the control groups that the engine needs, on some machines.
        if ! grep -q ' cgroup2\? ' /proc/mounts; then
            install_packages "Docker Engine needs control groups, and nobody has mounted them" cgroupfs-mount
            as_root cgroupfs-mount
        fi
        mkdir -p "$ENGINE_LOG_DIR"
        say "Starting dockerd in the background: its log is $ENGINE_LOG_DIR/dockerd.log."
        # shellcheck disable=SC2016 # for the inner shell
        as_root sh -c 'setsid dockerd >>"$1" 2>&1 </dev/null &' sh "$ENGINE_LOG_DIR/dockerd.log"
    fi
    step "Waiting for Docker Engine" await_engine
}

await_engine() {
    local deadline=$((SECONDS + 60))
    until as_root docker version >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "Docker Engine did not answer within 60 s."
            if [ -f "$ENGINE_LOG_DIR/dockerd.log" ]; then as_root tail -n 15 "$ENGINE_LOG_DIR/dockerd.log"; fi
            return 1
        fi
        sleep 0.2
    done
}

# The engine works, but only for root. Its group is the way to let somebody in, and takes a new login to count.
may_not_use_engine() {
    local user
    user=$(id -un)
    if ! id -nG "$user" | grep -qw docker; then
        say "Adding $user to the group docker: whoever is in it controls the engine, which is as good as being root."
        as_root usermod -aG docker "$user"
    fi
    if [ -z "${CLOUDYKNIGHT_IN_GROUP:-}" ] && command -v sg >/dev/null; then
        CLOUDYKNIGHT_IN_GROUP=1 exec sg docker -c "$(printf '%q ' "$ROOT/${0##*/}" "${SCRIPT_ARGUMENTS[@]}")"
    fi
    die "Docker Engine runs, but $user may not use it yet" "log in again, or run this as root"
}

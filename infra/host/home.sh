# shellcheck shell=bash
# Where the platform keeps its data on this machine: the same rule as the binary's. Sourced.

cloudyknight_home() {
    if [ -n "${CLOUDYKNIGHT_HOME:-}" ]; then
        printf '%s' "$CLOUDYKNIGHT_HOME"
    elif [ "$(id -u)" -eq 0 ]; then
        printf '/var/lib/cloudyknight'
    else
        printf '%s' "${XDG_DATA_HOME:-$HOME/.local/share}/cloudyknight"
    fi
}

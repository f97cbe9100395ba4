# shellcheck shell=bash
# What it takes to mount the workspaces as a folder: fuse3 of Debian, and an rclone that is new enough, which Debian does
# not have. Sourced, after home.sh, steps.sh, packages.sh and python.sh.

# As the binary wants it (cli/src/mount/program.rs).
RCLONE_MAJOR=1
RCLONE_MINOR=68

ensure_fuse() {
    if ! command -v fusermount3 >/dev/null; then
        install_packages "folders are mounted with it" fuse3
    fi
}

# Leaves an rclone on the path alone if it is new enough; else installs one of its own into the home, where the platform
# looks first.
ensure_rclone() {
    if rclone_is_new_enough; then return; fi
    ensure_python_tools "$(cloudyknight_home)/tools/rclone" "$ROOT/infra/host/rclone.txt" "rclone"
}

rclone_is_new_enough() {
    local major minor
    IFS=. read -r major minor _ < <(rclone version 2>/dev/null | sed -n 's/^rclone v//p')
    [ "${major:-0}" -gt "$RCLONE_MAJOR" ] || { [ "${major:-0}" -eq "$RCLONE_MAJOR" ] && [ "${minor:-0}" -ge "$RCLONE_MINOR" ]; }
}

# shellcheck shell=bash
# Debian packages, installed with the reason said. Sourced, after steps.sh.

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Asks for the password now, on the terminal, and not in the middle of a step that has none.
become_able_to_install() {
    if [ "$(id -u)" -eq 0 ]; then return; fi
    command -v sudo >/dev/null || die "this needs root to install packages, and sudo is missing" "run it as root"
    if [ -t 0 ]; then sudo -v; else sudo -n -v 2>/dev/null; fi ||
        die "sudo needs a password, and there is no terminal to ask for it" "run it as root"
}

# install_packages REASON PACKAGE…
install_packages() {
    local reason=$1
    shift
    command -v apt-get >/dev/null ||
        die "$* must be installed ($reason), and this is no Debian or Ubuntu" "install it by hand and run this again"
    become_able_to_install
    say "Installing $*: $reason."
    refresh_package_lists
    step "Installing $*" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# Old lists name packages that the mirror has replaced since. Once is enough, for the scripts that this one calls too.
refresh_package_lists() {
    if [ -n "${PACKAGE_LISTS_READ:-}" ]; then return; fi
    step "Reading the package lists" as_root apt-get update -q
    export PACKAGE_LISTS_READ=1
}

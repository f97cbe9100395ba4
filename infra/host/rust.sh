# shellcheck shell=bash
# What it takes to build: a Rust toolchain, which must be there, and a C compiler, which is installed. Sourced, after
# steps.sh and packages.sh.

ensure_compiler() {
    find_cargo
    if ! command -v cc >/dev/null; then
        install_packages "the bundled SQLite is built from C" gcc libc6-dev
    fi
}

# rustup puts cargo where only a login shell looks; under sudo it is in somebody else's home, with its toolchain.
find_cargo() {
    local caller=''
    if command -v cargo >/dev/null; then return; fi
    if [ -n "${SUDO_USER:-}" ]; then caller=$(getent passwd "$SUDO_USER" | cut -d : -f 6); fi
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        export PATH="$HOME/.cargo/bin:$PATH"
    elif [ -n "$caller" ] && [ -x "$caller/.cargo/bin/cargo" ]; then
        export PATH="$caller/.cargo/bin:$PATH" RUSTUP_HOME="${RUSTUP_HOME:-$caller/.rustup}"
    else
        die "there is no Rust toolchain here: cargo is not in the PATH" \
            "install one as https://rustup.rs says (Debian's own is too old), and run this again"
    fi
}

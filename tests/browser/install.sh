# shellcheck shell=bash
# What tests in a browser need: Node.js, Chromium and OpenSSL from Debian, and what drives the browser from npm, in a folder
# of its own under target/. Sourced by test.sh, after infra/host/steps.sh and infra/host/packages.sh.

# The oldest that the driver runs on.
BROWSER_NODE=18

# ensure_browser FOLDER: FOLDER/node_modules holds what tests/browser/package-lock.json pins, and is made anew when it
# changes.
ensure_browser() {
    local missing=()
    if ! node_is_there; then missing+=(nodejs); fi
    if ! command -v npm >/dev/null; then missing+=(npm); fi
    if ! command -v chromium >/dev/null; then missing+=(chromium); fi
    if ! command -v openssl >/dev/null; then missing+=(openssl); fi
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "the dashboard is tested in a real browser" "${missing[@]}"
    fi
    node_is_there || die "the tests in a browser want Node.js $BROWSER_NODE or newer, and there is $(node --version)"
    if cmp -s "$ROOT/tests/browser/package-lock.json" "$1/installed.json"; then return; fi
    step "Installing what drives the browser into ${1#"$ROOT"/}" install_driver "$1"
}

node_is_there() {
    command -v node >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge "$BROWSER_NODE" ]
}

# Chained, because a step would let it run on past what failed.
install_driver() {
    rm -rf "$1" && mkdir -p "$1" &&
        cp "$ROOT/tests/browser/package.json" "$ROOT/tests/browser/package-lock.json" "$1" &&
        npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund &&
        cp "$ROOT/tests/browser/package-lock.json" "$1/installed.json"
}

#!/usr/bin/env bash
# Builds the functions for AWS Lambda: target/lambda/<name>/bootstrap.zip, for x86_64, or with `--arm64` for Graviton.
# It runs anywhere that Rust does: the linker comes with cargo-lambda, and is made for the C library of Lambda's machines.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
TOOLS=$ROOT/target/lambda-tools
ZIPS=$ROOT/target/lambda
FUNCTIONS=(object_changed sweep dead_letter ingest)
# A function starts the sooner the less there is to fetch and to map.
LARGEST=$((6 * 1000 * 1000))

# shellcheck source-path=SCRIPTDIR source=../infra/host/steps.sh
. "$ROOT/infra/host/steps.sh"
# shellcheck source-path=SCRIPTDIR source=../infra/host/packages.sh
. "$ROOT/infra/host/packages.sh"
# shellcheck source-path=SCRIPTDIR source=../infra/host/rust.sh
. "$ROOT/infra/host/rust.sh"
# shellcheck source-path=SCRIPTDIR source=../infra/host/python.sh
. "$ROOT/infra/host/python.sh"

ARCHITECTURE=x86_64
case ${1:-} in
'' | --x86-64) ;;
--arm64) ARCHITECTURE=arm64 ;;
*) die "there is no option $1" "functions/build.sh [--arm64]" ;;
esac
if [ "$ARCHITECTURE" = arm64 ]; then TARGET=aarch64-unknown-linux-gnu; else TARGET=x86_64-unknown-linux-gnu; fi

# Where Rust did not come by rustup, its target is what it was built for.
ensure_target() {
    local library
    library=$(rustc --print target-libdir --target "$TARGET")
    if [ -d "$library" ]; then return; fi
    command -v rustup >/dev/null ||
        die "this Rust cannot build for $TARGET" "it takes one that was installed by rustup"
    step "Adding the Rust target $TARGET" rustup target add "$TARGET" ||
        die "the Rust target $TARGET cannot be had here" "it comes from static.rust-lang.org"
}

build() {
    local function options=()
    for function in "${FUNCTIONS[@]}"; do options+=(--bin "$function"); done
    cd "$ROOT"
    # It packs what it finds: nothing of an earlier build is to be taken for this one's.
    for function in "${FUNCTIONS[@]}"; do rm -rf "${ZIPS:?}/$function"; done
    # Its linker is found through the Python that it came with.
    PATH="$TOOLS/bin:$PATH" cargo-lambda lambda build --profile lambda --locked --package cloudyknight-functions --features lambda \
        "${options[@]}" --target "$TARGET" --output-format zip --lambda-dir "$ZIPS"
}

report() {
    local function size failed=0
    for function in "${FUNCTIONS[@]}"; do
        [ -f "$ZIPS/$function/bootstrap.zip" ] || die "the build left no $ZIPS/$function/bootstrap.zip"
        size=$(stat -c %s "$ZIPS/$function/bootstrap.zip")
        say "$(printf '  %-15s %9d bytes  %s' "$function" "$size" "${ZIPS#"$ROOT"/}/$function/bootstrap.zip")"
        if [ "$size" -gt "$LARGEST" ]; then
            say "error: $function is larger than $LARGEST bytes"
            failed=1
        fi
    done
    return "$failed"
}

find_cargo
ensure_target
ensure_python_tools "$TOOLS" "$ROOT/functions/tools.txt" "cargo-lambda"
step "Building the functions for $ARCHITECTURE" build
report

#!/bin/sh
# Fuzzes core::notification with libFuzzer, on stable Rust: `core/fuzz/run.sh [SECONDS] [libFuzzer options]`.
# See README.md here.
set -eu
cd "$(dirname "$0")"
seconds="${1:-300}"
[ $# -gt 0 ] && shift

# What cargo-fuzz passes, without the sanitizers, which need nightly. `--target` keeps it from build scripts.
target="$(rustc -vV | sed -n 's/^host: //p')"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
cargo build --locked --release --target "$target" --target-dir target

# The fixtures are where it begins; what it finds beyond them stays in target/corpus for the next time.
mkdir -p target/corpus target/fixtures
for fixture in ../tests/fixtures/notifications/*/*.json; do
    cp "$fixture" "target/fixtures/$(basename "$(dirname "$fixture")")-$(basename "$fixture")"
done
exec "target/$target/release/notification" target/corpus target/fixtures -dict=notification.dict \
    -artifact_prefix=target/ -max_total_time="$seconds" -max_len=16384 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 "$@"

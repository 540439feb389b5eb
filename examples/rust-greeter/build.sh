#!/usr/bin/env bash
# Builds the function and puts its `bootstrap` into build/, ready to be zipped.
set -euo pipefail
cd "$(dirname "$0")"
cargo build --release --locked --target-dir target
rm -rf build && mkdir build
cp target/release/bootstrap build/
echo "built rust-greeter in examples/rust-greeter/build" >&2

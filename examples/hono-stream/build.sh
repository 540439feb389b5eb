#!/usr/bin/env bash
# Puts the handler and its packages into build/, ready to be zipped.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf build && mkdir build
cp index.mjs package.json package-lock.json build/
(cd build && npm ci --silent --omit=dev --ignore-scripts)
echo "built hono-stream in examples/hono-stream/build" >&2

#!/usr/bin/env bash
# Puts the handler and its packages into build/, ready to be zipped.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf build && mkdir build
cp index.mjs package.json build/
(cd build && npm install --silent --omit=dev --no-package-lock --ignore-scripts)
echo "built qr-code in examples/qr-code/build" >&2

#!/usr/bin/env bash
# Puts the handler and its packages into build/, ready to be zipped: ./build.sh [PYTHON_MINOR_VERSION]
set -euo pipefail
cd "$(dirname "$0")"
version=${1:-3.12}
rm -rf build && mkdir build
python3 -m pip install --quiet --disable-pip-version-check --target build --only-binary :all: \
  --python-version "$version" --implementation cp --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" \
  -r requirements.txt
cp app.py build/
echo "built photo-album for python$version in examples/photo-album/build" >&2

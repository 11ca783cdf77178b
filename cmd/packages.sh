#!/bin/sh
# packages.sh agent|aggregator: installs everything that the image's Python imports into /site, compiled.
#
# The source is the package index, with the hashes of requirements/, or, without an index,
# /prepared: a volume with a folder `agent` and a folder `aggregator` (tests/deploy/images.py makes it).
set -eu
program=$1
site=/site

if [ -d "/prepared/$program" ]; then
    cp -r "/prepared/$program" "$site"
else
    pip install --quiet --no-cache-dir --no-compile --require-hashes --only-binary :all: \
        --target "$site" --requirement "/build/requirements/$program.txt"
    pip install --quiet --no-cache-dir --no-compile --no-deps --target "$site" /build/dist/*.whl
fi

# Nothing is installed or tested at run time.
rm -rf "$site/bin" "$site/.lock" "$site"/*.dist-info/RECORD "$site/kubernetes/test" "$site/kubernetes/aio/test"
find "$site" \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete
if [ "$program" = agent ]; then
    rm -rf "$site/pulltrace/aggregator" "$site/pulltrace/server" "$site/pulltrace/demo"
fi

# Other packages: bytecode only, without docstrings. Pulltrace keeps its source, its assertions and its help texts.
find "$site" -name __pycache__ -prune -exec rm -rf {} +
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site/pulltrace"
mv "$site/pulltrace" /pulltrace
python3 -OO -m compileall -q -j 0 -b --invalidation-mode unchecked-hash "$site"
find "$site" -name '*.py' -delete
mv /pulltrace "$site/pulltrace"

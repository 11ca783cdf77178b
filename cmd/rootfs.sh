#!/bin/sh
# rootfs.sh: makes the smallest root file system for this image's Python and /site, in /rootfs.
#
# It holds the interpreter, its library, the shared libraries that either needs, certificate authorities and
# two users. It has no shell, no package manager and no compiler. Scanners find the package of each file in
# /var/lib/dpkg/status.d, and its licence.
set -eu
root=/rootfs
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')

mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/etc/ssl/certs" "$root/var/lib/dpkg/status.d" "$root/proc" "$root/sys" "$root/dev" "$root/run"
mkdir -m 1777 "$root/tmp"
for link in /bin /sbin /lib /lib32 /lib64 /libx32; do
    if [ -L "$link" ]; then
        cp -a "$link" "$root$link"
        mkdir -p "$root/$(readlink "$link")"
    fi
done

put() { # put FILE: the file with its folders; a link with what it leads to
    set -- "$(realpath "$(dirname "$1")")/$(basename "$1")"
    [ ! -e "$root$1" ] || return 0
    mkdir -p "$root$(dirname "$1")"
    cp -a "$1" "$root$1"
    if [ -L "$1" ]; then
        case $(readlink "$1") in
            /*) put "$(readlink "$1")" ;;
            *) put "$(dirname "$1")/$(readlink "$1")" ;;
        esac
    fi
}

put "$python"
[ -e "$root/usr/bin/python3" ] || ln -s "$python" "$root/usr/bin/python3"

mkdir -p "$root$library"
cp -a "$library/." "$root$library/"
cd "$root$library"
rm -rf config-* dist-packages site-packages ensurepip idlelib lib2to3 pydoc_data test tkinter turtledemo venv \
    turtle.py sitecustomize.py EXTERNALLY-MANAGED
for module in _bz2 _crypt _curses _curses_panel _dbm _gdbm _sqlite3 _test* _tkinter _xx* nis ossaudiodev readline xx*; do
    rm -f lib-dynload/$module.*.so
done
rm -rf curses dbm sqlite3
find . -name __pycache__ -prune -exec rm -rf {} +
python3 -OO -m compileall -q -j 0 -b -s "$root" --invalidation-mode unchecked-hash "$root$library"
find . -name '*.py' -delete

find "$python" "$root$library" /site -type f \( -name '*.so' -o -name '*.so.*' -o -path "$python" \) -print0 \
    | xargs -0 ldd 2>/dev/null | sed -nE 's#^.*[[:space:]](/[^[:space:]]+) \(0x.*#\1#p' | sort -u >/tmp/libraries
while read -r file; do
    case $file in
        /site/* | "$root"/*) ;;
        *) put "$file" ;;
    esac
done </tmp/libraries

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
cp /etc/os-release "$root/etc/os-release"
ldconfig -r "$root"
rm -rf "$root/var/cache"

# The Debian packages of these files. A library is listed by the path of before or after the merge of /usr.
{ echo ca-certificates; find "$root" -type f | sed "s#^$root##" | sed -n 'p; s#^/usr/#/#p' \
    | xargs dpkg-query --search 2>/dev/null | sed -nE 's#^([^:, ]+)(:[a-z0-9]+)?: .*#\1#p'; } | sort -u >/tmp/packages
while read -r package; do
    dpkg-query --status "$package" >"$root/var/lib/dpkg/status.d/$package"
    if [ -e "/usr/share/doc/$package/copyright" ]; then
        mkdir -p "$root/usr/share/doc/$package"
        cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
    fi
done </tmp/packages

# A missing file fails the build and not a node.
mkdir "$root/site"
cp -r /site/. "$root/site/"
chroot "$root" /usr/bin/python3 -c 'import asyncio, ctypes, hashlib, http.client, logging, lzma, ssl, uuid, zoneinfo, zlib'
PYTHONPATH=/site chroot "$root" /usr/bin/python3 -c "$1"

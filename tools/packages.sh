#!/bin/sh
# What the system must have. As root on Debian or Ubuntu it is installed, else it is named.
#   packages.sh python   print a Python that is new enough
#   packages.sh venv     let that Python make virtual environments
#   packages.sh test     what the tests need besides: a keyring, a clock that can be moved, strace,
#                        jq, age, shells, what reads man pages, a browser that prints
set -eu

python() {
    for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "bunkerctl needs Python 3.11 or newer; name it with PYTHON=..." >&2
    return 1
}

can_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install() {
    echo "installing $*" >&2
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

case $1 in
python)
    python
    ;;
venv)
    found=$(python)
    if "$found" -c 'import ensurepip' 2>/dev/null; then
        exit 0
    fi
    version=$("$found" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    if can_install; then
        install "$version-venv"
    else
        echo "$found cannot make virtual environments: install $version-venv" >&2
        exit 1
    fi
    ;;
test)
    missing=
    command -v dbus-daemon >/dev/null || missing="$missing dbus-daemon"
    command -v gnome-keyring-daemon >/dev/null || missing="$missing gnome-keyring"
    command -v faketime >/dev/null || missing="$missing faketime libfaketime"
    command -v strace >/dev/null || missing="$missing strace"
    command -v jq >/dev/null || missing="$missing jq"
    command -v age >/dev/null || missing="$missing age"
    command -v chromium >/dev/null || missing="$missing chromium fonts-dejavu-core"
    command -v pdftotext >/dev/null || missing="$missing poppler-utils"
    command -v zsh >/dev/null || missing="$missing zsh"
    command -v fish >/dev/null || missing="$missing fish"
    command -v man >/dev/null || missing="$missing man-db"
    command -v mandoc >/dev/null || missing="$missing mandoc"
    command -v groff >/dev/null || missing="$missing groff"
    if [ -z "$missing" ]; then
        exit 0
    fi
    if can_install; then
        # shellcheck disable=SC2086
        install $missing
    else
        echo "not installed:$missing" >&2
        echo "so left out: tests of the keyring (dbus-daemon, gnome-keyring)," \
            "tests that move the clock of a process (faketime)," \
            "tests that kill a process at a system call (strace)," \
            "the sessions of README and guides (jq)," \
            "tests that open an encrypted export (age)," \
            "tests that look at pages (chromium, poppler-utils)," \
            "tests of the completions (zsh, fish) and of the man pages (man, mandoc, groff)" >&2
    fi
    ;;
esac

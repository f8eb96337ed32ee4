# What the scripts share that need packages; sourced by them, not run. See stage.py for what runs the programs.
# shellcheck shell=bash disable=SC2034 # what is set here is used there

fail() { echo "error: $*" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Sets $python to one with these packages, in a folder that goes with the script.
venv() { # NAME==VERSION...
    python3 -m venv "$work/venv" || fail "python3 cannot make a venv; apt-get install python3-venv"
    python=$work/venv/bin/python
    "$python" -m pip install --quiet --disable-pip-version-check "$@" || fail "cannot install $*"
}

# What the proofs share; sourced by them, not run.
#
# Owns: a work folder ($work) that goes with the script, every process the script starts (ended by its id, whatever
# happens), where the programs are ($bin), and a gateway in front of servers. Everything listens on free loopback ports.
# shellcheck shell=bash disable=SC2034 # what is set here is used there

fail() { echo "error: $*" >&2; exit 2; }

work=$(mktemp -d)
started=()
finish() {
    [ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# Release builds of all three programs, or those in the folder $BIN.
build() {
    bin=${BIN:-${CARGO_TARGET_DIR:-target}/release}
    [ -n "${BIN:-}" ] || cargo build --release --quiet --workspace
    for program in ringgate ringload ringmock; do
        [ -x "$bin/$program" ] || fail "$bin/$program is missing; leave BIN out to have it built"
    done
}

# A Python with these packages, in $work/venv.
venv() { # NAME==VERSION...
    python3 -m venv "$work/venv" || fail "python3 cannot make a venv; apt-get install python3-venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@" || fail "cannot install $*"
}

# Waits until a file has a line with http://ADDRESS, and prints the address.
address_in() { # file, process
    local address
    for _ in $(seq 200); do
        address=$(sed -n 's/.*http:\/\/\([0-9.:]*\).*/\1/p' "$1" 2>/dev/null | head -n 1)
        [ -z "$address" ] || { echo "$address"; return; }
        kill -0 "$2" 2>/dev/null || { cat "$1" >&2; fail "a program ended instead of listening"; }
        sleep 0.05
    done
    fail "nothing listens after 10 s: $(cat "$1")"
}

# A mock server; sets $server (its id) and $server_address.
start_server() { # name, listen, option...
    local out=$work/$1.out
    : > "$out"
    "$bin/ringmock" --name "$1" --listen "$2" "${@:3}" > "$out" 2>&1 & server=$!
    started+=("$server")
    server_address=$(address_in "$out" "$server")
}

# A gateway with the configuration on standard input, which begins with `listen = ` or leaves that out; sets $gateway (its
# id) and $gateway_address. Its log goes to $work/NAME.log, its words to $work/NAME.err.
start_gateway() { # name
    local text
    text=$(cat)
    [[ $text == listen* ]] || text=$'listen = "127.0.0.1:0"\n'$text
    echo "$text" > "$work/$1.toml"
    : > "$work/$1.err"
    "$bin/ringgate" run -c "$work/$1.toml" > "$work/$1.log" 2> "$work/$1.err" & gateway=$!
    started+=("$gateway")
    gateway_address=$(address_in "$work/$1.err" "$gateway")
}

# Ends a process as its owner would, and waits for it.
stop() { # process
    kill -TERM "$1"
    wait "$1" || true
}

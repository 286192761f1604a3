#!/bin/bash
# run.sh [STEP...]: installs what is needed, builds jobfs and passes its tests.
#
#   lint       layers, style, paths, shell scripts, format
#   unit       unit tests and fuzz corpora: gcc, clang, ASan+UBSan, TSan
#   sim        the engine in a simulated world: seeds of faults, and bugs on purpose
#   agent      the script that runs on the GPU hosts, under four shells
#   ssh        the SSH layer against a real sshd
#   s3         the S3 layer against a real S3 server
#   fs         the mount under every way to write and read
#   data       how data moves, its cache and its credentials, on hosts as e2e has them
#   tsan       a part of e2e with a TSan daemon
#   e2e        jobs on hosts in network namespaces, with an ASan+UBSan daemon
#   trouble    the same, while hosts, networks and disks fail, and on hosts of all kinds
#   chaos      jobs while the daemon is killed 100 times and more; a part of the failpoints
#   examples   the quickstart, twice
#
# Without arguments all of them, some side by side. Works from any directory, as root on Debian 12; ends with
# "N passed, N failed". Environment: JOBFS_BUILD, where builds are kept (default: build/ in
# the checkout); SIM_SEEDS, how many seeds of the simulation (default: 500).
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
top=$(dirname "$here")
cd "$top"
all=(data agent trouble e2e lint unit chaos ssh fs tsan sim s3 examples) # long ones early
at_once=$(($(nproc) + 2))
steps=("${@:-${all[@]}}")
[ $# -gt 0 ] || steps=("${all[@]}")
build=${JOBFS_BUILD:-$top/build}
logs=$(mktemp -d "${TMPDIR:-/tmp}/jobfs-run.XXXXXX")
failures=$logs/failures # names of tests, told again at the end
passed=0 failed=0
declare -A running=() # steps, by process
prebuilding=''
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
# Sanitizers: any report ends the program, and with it the test.
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

finish() {
    local pid
    for pid in "${!running[@]}" $prebuilding; do kill -- "-$pid" 2>/dev/null || true; done
    if [ -s "$failures" ]; then
        echo "== what failed"
        cat "$failures"
    fi
    rm -rf "$logs"
    echo "$passed passed, $failed failed"
}
trap finish EXIT

# Builds of the tree, each in its own directory, of which several steps may want the same.
# What compiles gives way to what is tested meanwhile and has deadlines.
flavour() ( # NAME [meson options]; of all targets, or of $targets
    name=$1
    shift
    mkdir -p "$build"
    exec 9>"$build/$name.lock"
    flock 9
    [ -d "$build/$name" ] || meson setup "$build/$name" "$top" "$@" >"$logs/setup" 2>&1 || {
        cat "$logs/setup" >&2
        exit 1
    }
    # shellcheck disable=SC2086 # words
    nice -n 5 ninja -C "$build/$name" ${targets:-} >"$logs/ninja" 2>&1 9>&- || {
        grep -E 'error|warning|undefined' "$logs/ninja" | head -30 >&2
        exit 1
    }
)
build_plain() { flavour plain -Dbuildtype=release; }
build_clang() { CC=clang flavour clang; }
build_asan() { flavour asan -Db_sanitize=address,undefined; }
build_tsan() { flavour tsan -Db_sanitize=thread; }
build_failpoints() {
    targets="src/jobfs src/jobfs-holder src/jobfs-toucher" flavour failpoints -Db_sanitize=address,undefined -Dfailpoints=true
}

# Runs a command, shows its output, and counts: by the last line that says "N passed"
# (", N failed"), or by the lines of TAP; a command that says neither counts as one test.
count() { # NAME COMMAND...
    local name=$1 status=0 begin=$SECONDS p f
    shift
    echo "== $name"
    "$@" >"$logs/out" 2>&1 || status=$?
    p=$(awk '/[0-9]+ passed/ { n = $0; sub(/ passed.*/, "", n); sub(/.*[^0-9]/, "", n) }
        /^ok / { ok++ }
        END { print n != "" ? n : ok }' "$logs/out")
    f=$(awk '/[0-9]+ failed/ { n = $0; sub(/ failed.*/, "", n); sub(/.*[^0-9]/, "", n) }
        /^not ok / { bad++ }
        END { print n + bad }' "$logs/out")
    if [ $status != 0 ]; then
        grep -E '^(FAIL|not ok|FAILED|ERROR)' "$logs/out" | head -n 100 | tee "$logs/named" || true
        tail -n 200 "$logs/out"
        { echo "-- $name, exit status $status" && cut -c 1-300 "$logs/named"; } >>"$failures"
        [ "$f" != 0 ] || f=1
        p=${p:-0}
    else
        grep -vE '^(ok|PASSED|tests/.*PASSED|\.+)' "$logs/out" | tail -n 60 || true
        p=${p:-1}
    fi
    passed=$((passed + p)) failed=$((failed + f))
    echo "-- $name: $p passed, $f failed, $((SECONDS - begin)) s"
}

suite() { # FLAVOUR SUITE: of meson
    local status=0
    meson test -C "$build/$1" --no-rebuild --print-errorlogs --setup=sanitizers --suite "$2" \
        >"$logs/suite" 2>&1 || status=$?
    [ $status = 0 ] || tail -n 80 "$logs/suite"
    # every test program says how many tests it held
    awk '/ OK / { n += /subtests passed/ ? $(NF - 2) : 1 }
        / (FAIL|ERROR|TIMEOUT|SKIP) / { f++ }
        END { print n + 0 " passed, " f + 0 " failed" }' "$logs/suite"
    return $status
}

step_lint() {
    local script
    for script in "$here"/lint/[a-z]*; do
        [ ! -x "$script" ] || [ -d "$script" ] || count "lint/${script##*/}" "$script"
    done
}
step_unit() {
    count "build with gcc" build_plain
    count "build with clang" build_clang
    count "build with ASan+UBSan" build_asan
    count "build with TSan" build_tsan
    local f
    for f in plain clang asan tsan; do
        [ ! -d "$build/$f" ] || count "unit, $f" suite $f unit
    done
}
step_sim() {
    build_plain
    count "sim" "$build/plain/tests/sim/sim" --first 100 --seeds "${SIM_SEEDS:-500}"
    count "sim, bugs on purpose" "$build/plain/tests/sim/sim" --mutants --seeds 300
}
step_agent() {
    count "agent" "$here/agent/run"
    build_asan && count "injection" "$here/injection/run" \
        "$build/asan/tests/injection/payload" "$build/asan/tests/specs/spec_check"
}
step_ssh() {
    build_asan && count "ssh, ASan+UBSan" suite asan ssh
    build_tsan && count "ssh, TSan" suite tsan ssh
}
step_s3() { build_asan && count "s3, ASan+UBSan" suite asan s3; }
step_fs() {
    build_asan || return 1
    JOBFS=$build/asan/src/jobfs count "fs" "$here/fs/run"
    JOBFS=$build/asan/src/jobfs count "fs, every writer with every spec" "$here/fs/matrix"
}

e2e() { # pytest arguments
    /usr/bin/python3 -m pytest -q -s -p no:cacheprovider --rootdir "$here/e2e" "$@"
}
data=() trouble=()
for name in cache checkpoints clients sts presigned integrity; do data+=("$here/e2e/test_$name.py"); done
for name in hosts outage preflight restart trouble; do trouble+=("$here/e2e/test_$name.py"); done
others=("${data[@]/#/--ignore=}" "${trouble[@]/#/--ignore=}" "$here/e2e")
e2e_asan() { build_asan && JOBFS=$build/asan/src/jobfs count "$1, ASan+UBSan" e2e "${@:2}"; }
step_data() { e2e_asan data "${data[@]}"; }
step_trouble() { e2e_asan trouble "${trouble[@]}"; }
step_e2e() { e2e_asan e2e "${others[@]}"; }
step_tsan() {
    build_tsan && JOBFS=$build/tsan/src/jobfs count "e2e, TSan" e2e \
        "$here/e2e/test_scale.py" "$here/e2e/test_cancel.py"
}
step_chaos() {
    count "chaos, the checker itself" /usr/bin/python3 -m pytest -q -p no:cacheprovider \
        --rootdir "$here/chaos" "$here/chaos/test_checker.py"
    build_asan && JOBFS=$build/asan/src/jobfs count "chaos, the kill loop" \
        "$here/chaos/run" --jobs 300 --kills 100
    build_failpoints && JOBFS=$build/failpoints/src/jobfs count "chaos, failpoints" \
        "$here/chaos/failpoints" --part 1/8
}
step_examples() {
    build_plain
    count "quickstart" "$top/examples/quickstart.sh"
    cd /
    count "quickstart, again, from /" "$top/examples/quickstart.sh"
    cd "$top"
}

run_step() {
    "step_$1" || {
        failed=$((failed + 1))
        echo "-- $1: could not be run" | tee -a "$failures"
    }
}

# Most steps wait more than they work, so some run side by side, each with a log and counts
# of its own; what one has printed is shown when it has ended.
# shellcheck disable=SC2030,SC2031 # its counts are its own
begin_step() {
    mkdir "$logs/$1"
    set -m # a process group, for finish
    (
        trap - EXIT
        passed=0 failed=0 logs=$logs/$1
        run_step "$1"
        echo "$passed $failed" >"$logs/counts"
    ) >"$logs/$1/shown" 2>&1 &
    set +m
    running[$!]=$1
}
end_step() { # whichever end next
    local pid
    wait -n "${!running[@]}" 2>/dev/null || true
    for pid in "${!running[@]}"; do
        kill -0 "$pid" 2>/dev/null || show_step "$pid"
    done
}
# shellcheck disable=SC2031
show_step() { # PROCESS
    local step=${running[$1]} p=0 f=1
    unset "running[$1]"
    cat "$logs/$step/shown"
    read -r p f 2>/dev/null <"$logs/$step/counts" || echo "-- $step: did not end" | tee -a "$failures"
    passed=$((passed + p)) failed=$((failed + f))
}

# Compilers need only some of the packages: they begin while the others are installed.
prebuild() { build_asan && build_tsan && build_plain; }
"$here/deps.sh" build
if [ $# = 0 ]; then
    set -m
    prebuild >/dev/null 2>&1 & # what fails is told by the step that needs it
    prebuilding=$!
    set +m
fi
"$here/deps.sh" test
for step in "${steps[@]}"; do
    [ ${#running[@]} -lt $at_once ] || end_step
    begin_step "$step"
done
while [ ${#running[@]} -gt 0 ]; do end_step; done
[ $failed = 0 ]

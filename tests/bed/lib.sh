# lib.sh: what the scripts of the test bed share. Sourced, never run.
# shellcheck shell=bash
#
# Processes are known by a pid file of "PID START", START being field 22 of
# /proc/PID/stat: a pid alone may belong to somebody else by now. A zombie counts
# as gone, because pid 1 of a container may take seconds to reap it.

shopt -s inherit_errexit

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # sshd, nft and ip, for those without it

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# usage: the head comment of the script, then exit 2
usage() {
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0" >&2
    exit 2
}

# need COMMAND PACKAGE
need() {
    command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"
}

# wait_until SECONDS COMMAND...: asks the command again and again; fails in the end
wait_until() {
    local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@"; do
        ((${EPOCHREALTIME/[.,]/} < end)) || return 1
        sleep 0.01
    done
}

# proc_start PID: prints its start time; fails if it is gone or a zombie
proc_start() {
    local stat='' f
    { read -r -d '' stat <"/proc/$1/stat"; } 2>/dev/null || [ -n "$stat" ] || return 1
    read -r -a f <<<"${stat##*) }"
    case ${f[0]} in Z | X) return 1 ;; esac
    echo "${f[19]}"
}

# pid_save FILE PID
pid_save() {
    echo "$2 $(proc_start "$2" || echo gone)" >"$1"
}

# pid_alive FILE: prints the pid if that very process is alive
pid_alive() {
    local pid start
    [ -s "$1" ] && read -r pid start <"$1" && [ "$(proc_start "$pid")" = "$start" ] &&
        echo "$pid"
}

pid_gone() {
    ! pid_alive "$1" >/dev/null
}

# pid_end FILE SIGNAL SECONDS: the signal, after that time SIGKILL; removes the file
pid_end() {
    local pid
    if pid=$(pid_alive "$1"); then
        kill "-$2" "$pid" 2>/dev/null || true
        if ! wait_until "$3" pid_gone "$1"; then
            kill -KILL "$pid" 2>/dev/null || true
            wait_until 10 pid_gone "$1" || die "process $pid does not end"
        fi
    fi
    rm -f "$1"
}

# marked MARK: prints who was started with MARK, NAME=VALUE, in its environment
marked() {
    local p
    for p in /proc/[0-9]*; do
        if grep -qsxzF "$1" "$p/environ" && proc_start "${p#/proc/}" >/dev/null; then
            echo "${p#/proc/}"
        fi
    done
}

# dir_take DIR KIND: makes it, or takes an empty one, and marks it: only what is marked
# is ever removed
dir_take() {
    mkdir -p "$1"
    [ -z "$(ls -A "$1")" ] || die "$1 is not empty"
    : >"$1/.bed-$2"
}

# dir_is DIR KIND
dir_is() {
    [ -e "$1/.bed-$2" ]
}

# fd_close: keeps only 0, 1 and 2, so that what is started holds no pipe or lock of the
# caller (255 is the script as bash reads it, closed on exec)
fd_close() {
    local fd
    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || [ "$fd" = 255 ] || exec {fd}>&-
    done
}

# spawn PIDFILE LOG COMMAND...: starts it in the background, in a session of its own
spawn() {
    local pidfile=$1 log=$2
    shift 2
    (
        fd_close
        exec setsid "$@"
    ) >"$log" 2>&1 </dev/null &
    pid_save "$pidfile" $!
    disown $! # or bash says "Killed" of one that was meant to be
}

# port_open ADDR PORT
port_open() {
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# ports_pick OFFSET...: prints a PORT such that each PORT+OFFSET is free. It lies below
# the kernel's ephemeral ports; nothing is reserved, so the caller must stand losing a
# race.
ports_pick() {
    local taken base off try
    taken=" $(ss -Htan | awk '{ sub(/.*:/, "", $4); print $4 }' | tr '\n' ' ')"
    for try in {1..500}; do
        base=$((12000 + (SRANDOM % 660) * 30))
        for off; do
            case $taken in *" $((base + off)) "*) continue 2 ;; esac
        done
        echo "$base"
        return
    done
    die "no free port after $try tries"
}

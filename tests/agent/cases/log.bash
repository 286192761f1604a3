# Logs that are larger than they may be.
# shellcheck shell=bash

# Lines of 16 bytes, so that each byte of the log says where it belongs: FIRST LAST.
numbered() { echo "seq $((100000000000000 + $1)) $((100000000000000 + $2))"; }

bounded() { V[LOG_HEAD]=$1 V[LOG_TAIL]=$2; }

has_watcher() { ! no_watcher "$1"; }

kept_kb() { du -k "$J/$1/log" | cut -f 1; }
is_small_after_poll() { poll "$1" && is_small "$@"; }
is_small() { [ "$(kept_kb "$1")" -lt "$2" ]; }

# Follows a log as the daemon does: what comes is checked against its offset. $OFF is where
# the next byte comes from, $GAP counts the bytes of holes.
pull() { # ATT [MAX]: one poll; fails when nothing came
	local from to len
	ag poll "$1:$OFF:0:${2:-1048576}"
	expect OK
	read -r from to <<<"$(field 'hole log')"
	len=$(field 'data log')
	if [ -n "$len" ]; then
		/usr/bin/python3 - "$T/reply" "$OFF" "$len" <<-'EOT' || fail "wrong bytes at $OFF: $(cat "$T/said")"
			import re, sys
			reply, off, size = open(sys.argv[1], "rb").read(), int(sys.argv[2]), int(sys.argv[3])
			begin = re.search(rb"\ndata log \d+\n", reply).end()
			got = reply[begin : begin + size]
			first = off // 16
			lines = range(first, (off + size) // 16 + 1)
			want = b"".join(b"%d\n" % (100000000000000 + n) for n in lines)
			want = want[off - first * 16 :][:size]
			assert reply[begin + size : begin + size + 1] == b"\n"
			if got != want:
			    at = next(i for i in range(size) if got[i : i + 1] != want[i : i + 1])
			    sys.exit(f"{off + at}: {got[at:at + 20]!r}, not {want[at:at + 20]!r}")
		EOT
		OFF=$((OFF + len))
		return 0
	elif [ -n "$to" ] && [ "$OFF" -ge "$from" ] && [ "$OFF" -lt "$to" ]; then
		GAP=$((GAP + to - OFF)) OFF=$to
		return 0
	fi
	return 1
}

pull_all() { # ATT: until there is no more
	while pull "$1"; do :; done
	[ "$OFF" = "$(field log)" ] || fail "stopped at $OFF of $(field log)"
}

case_a_log_that_nobody_pulls_loses_its_middle_only() {
	bounded 100001 200003
	PROGRAM=(shell "$(numbered 0 1499999); until [ -f go ]; do sleep 0.02; done
		$(numbered 1500000 1500001)")
	launch ${X}01
	must_soon is_small ${X}01 5000
	touch "$J/${X}01/work/go"
	must_soon test -f "$J/${X}01/end"
	OFF=0 GAP=0
	pull_all ${X}01
	is exit 'exit 0'
	is log $((1500002 * 16))
	is 'hole log' "100001 $((100001 + GAP))"
	[ "$GAP" -gt 18000000 ] || fail "only $GAP bytes were given back"
	[ "$(field log)" -ge $((100001 + GAP + 200003)) ] || fail "the tail is too short"
	ag poll "${X}01:100001:0:65536"
	! grep -q '^data log' <<<"$TEXT" || fail "bytes of the hole"
	ag poll "${X}01:100000:0:65536"
	is 'data log' 1
	must_soon no_watcher ${X}01
}

case_polls_give_back_what_no_watcher_does() {
	bounded 0 65536
	PROGRAM=(shell "$(numbered 0 99999); echo ready >ready; until [ -f go ]; do sleep 0.02; done
		$(numbered 100000 899999); echo all >ready; exec sleep 340")
	launch ${X}01
	must_soon has_line "$J/${X}01/work/ready" ready
	must_soon has_watcher ${X}01
	kill -9 "$(claim_pid ${X}01)"
	must_soon no_watcher ${X}01
	touch "$J/${X}01/work/go"
	must_soon has_line "$J/${X}01/work/ready" all
	OFF=0 GAP=0
	must_soon is_small_after_poll ${X}01 5000 # one may find that somebody punches
	pull_all ${X}01
	[ "$GAP" -gt 8000000 ] || fail "only $GAP bytes were given back"
	is alive orphan
}

# The bytes of a reply are true however fast they are given back meanwhile.
case_a_flood_neither_fails_nor_lies() {
	bounded 1000000 300000
	PROGRAM=(shell "timeout ${FLOOD:-4} seq 100000000000000 200000000000000 || echo \$? >rc") # seconds
	launch ${X}01
	OFF=0 GAP=0
	until [ -f "$J/${X}01/end" ]; do
		pull ${X}01 $((RANDOM * 32)) || sleep 0.02
	done
	pull_all ${X}01
	is exit 'exit 0'
	has_line "$J/${X}01/work/rc" 124 || fail "the flood ended by itself: $(cat "$J/${X}01/work/rc")"
	[ "$GAP" -gt 0 ] || fail "nothing was given back of $(field log) bytes"
	must_soon is_small ${X}01 7000
	must_soon no_watcher ${X}01
}

case_logs_stay_whole_where_nothing_can_be_punched() {
	bounded 10 10
	mkdir "$T/bin"
	printf '#!/bin/sh\nexec busybox fallocate "$@"\n' >"$T/bin/fallocate"
	chmod +x "$T/bin/fallocate"
	PATH=$T/bin:$PATH
	PROGRAM=(shell "$(numbered 0 299999)")
	run_job ${X}01
	OFF=0 GAP=0
	pull_all ${X}01
	! grep -q '^hole' <<<"$TEXT" || fail "a hole: $(field 'hole log')"
	[ "$GAP" = 0 ] || fail "a gap"
	[ "$OFF" = 4800000 ] || fail "$OFF bytes"
}

case_logs_without_a_bound_are_left_alone() {
	PROGRAM=(shell "$(numbered 0 299999)")
	run_job ${X}01
	OFF=0 GAP=0
	pull_all ${X}01
	[ "$GAP:$OFF" = 0:4800000 ] || fail "$OFF bytes, $GAP missing"
	no_watcher ${X}01 || fail "a watcher"
}

case_a_full_disk_is_relieved_by_the_middle_of_a_log() {
	mount -t tmpfs -o size=12m tmpfs "$HOME" || fail "cannot mount"
	bounded 1000 1000
	mkdir "$T/bin"
	printf '#!/bin/sh\n[ -f "%s/may" ] && exec %s "$@"\n' "$T" "$(type -P fallocate)" >"$T/bin/fallocate"
	chmod +x "$T/bin/fallocate"
	PATH=$T/bin:$PATH
	PROGRAM=(shell "$(numbered 0 499999)
		cat /dev/zero >fill 2>/dev/null && exit 9
		: >'$T/full'; until [ -f '$T/go' ]; do sleep 0.02; done; $(numbered 500000 599999)")
	launch ${X}01
	must_soon test -f "$T/full"
	touch "$T/may"
	must_soon is_small ${X}01 100
	touch "$T/go"
	must_soon test -f "$J/${X}01/end"
	OFF=0 GAP=0
	pull_all ${X}01
	is exit 'exit 0'
	is end ok
	is log 9600000
}

# In a shell that counts in 32 bits, too.
case_logs_may_be_larger_than_two_gigabytes() {
	bounded 1000 1000
	PROGRAM=(shell "echo started; until [ -f go ]; do sleep 0.02; done; $(numbered 400000000 400000003)")
	started ${X}01
	truncate -s 6400000000 "$J/${X}01/log"
	touch "$J/${X}01/work/go"
	must_soon test -f "$J/${X}01/end"
	OFF=6400000000 GAP=0
	pull ${X}01 || fail "nothing comes"
	is log 6400000064
	must_soon test -f "$J/${X}01/hole.log"
	poll ${X}01
	is 'hole log' "1000 6399999064"
}

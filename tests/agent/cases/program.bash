# What the program gets, and what is reported of it.
# shellcheck shell=bash

case_exit_codes_are_the_programs_own() {
	local i=0 word
	for word in 'exit 0=exit 0' 'exit 3=exit 3' 'exit 255=exit 255' 'kill -9 $$=exit 137' \
		'kill $$=exit 143' 'kill -6 $$=exit 134' '/nonexistent=exit 127' 'false; exit 0=exit 1'; do
		i=$((i + 1))
		PROGRAM=(shell "${word%=*}")
		run_job "$X$i"
		is exit "${word##*=}"
		is end ok
		is alive 'done'
		is phase end
	done
	PROGRAM=(argv no-such-program)
	run_job ${X}c
	is exit 'exit 127'
	grep -q no-such-program "$J/${X}c/log" || fail "the log does not say why"
}

case_a_program_that_signals_its_group_does_not_end_its_wrapper() {
	PROGRAM=(shell 'trap "" TERM; kill 0; kill -HUP 0; exit 9')
	run_job ${X}01
	is exit 'exit 129'
	PROGRAM=(shell 'trap "" TERM HUP INT; kill 0; kill -HUP 0; kill -INT 0; exit 9')
	run_job ${X}02
	is exit 'exit 9'
}

case_a_failing_setup_keeps_the_program_from_starting() {
	SETUP='echo in setup; pwd; false; echo not here'
	PROGRAM=(shell 'echo program')
	run_job ${X}01
	is exit 'setup 1'
	is end ok
	printf 'in setup\n%s\n' "$J/${X}01/work" | cmp - "$J/${X}01/log" || fail "$(cat "$J/${X}01/log")"
	SETUP='echo $JOB_ID >it; exit 0'
	PROGRAM=(shell 'cat it; exit 2')
	run_job ${X}02
	is exit 'exit 2'
	has_line "$J/${X}02/log" 9f3a || fail "$(cat "$J/${X}02/log")"
}

case_arguments_and_environment_arrive_unchanged() {
	local nasty=("it's" 'two
lines' "\$(touch $HOME/pwned)" "\`touch $HOME/pwned\`" 'back\slash\n\0' '"quoted"' '' ' ' '*' '~'
		$'tab\tand \x01\x7f' 'ünïcödé ☃' $'\xff\xfe invalid' '-n' '--' "'" "'\\''" '$HOME ${PATH}'
		"end
'; touch $HOME/pwned; '")
	local i
	cat >"$T/p.sh" <<-'EOT'
		#!/bin/bash
		printf '%s\0' "$@" >"$JOB_DIR/args"
		for i in "${!N@}"; do case $i in N[0-9]*) printf '%s\0%s\0' "$i" "${!i}" ;; esac; done >"$JOB_DIR/env"
	EOT
	FILES=("p q.sh" 644 "$T/p.sh")
	PROGRAM=(script 'p q.sh' "${nasty[@]}")
	for i in "${!nasty[@]}"; do ENVS+=("N$i" "${nasty[i]}"); done
	V[JOB]="job's \$(name)"
	run_job ${X}01
	is exit 'exit 0'
	printf '%s\0' "${nasty[@]}" >"$T/args"
	cmp "$T/args" "$J/${X}01/work/args" || fail "arguments differ"
	for i in "${!nasty[@]}"; do printf 'N%s\0%s\0' "$i" "${nasty[i]}"; done | sort -z >"$T/env"
	for i in $(printf 'N%s\n' "${!nasty[@]}" | LC_ALL=C sort); do
		printf '%s\0%s\0' "$i" "${nasty[${i#N}]}"
	done >"$T/env"
	cmp "$T/env" "$J/${X}01/work/env" || fail "environment differs"
	[ ! -e "$HOME/pwned" ] || fail "something was expanded"
	PROGRAM=(argv "$J/${X}02/work/files/p q.sh" "${nasty[@]}")
	FILES=("p q.sh" 755 "$T/p.sh")
	run_job ${X}02
	cmp "$T/args" "$J/${X}02/work/args" || fail "arguments of argv differ"
	PROGRAM=(shell "bash 'files/p q.sh' \"\$@\"" "${nasty[@]}")
	run_job ${X}03
	cmp "$T/args" "$J/${X}03/work/args" || fail "arguments of shell differ"
}

case_the_environment_is_the_hosts_and_the_jobs() {
	export LC_ALL=POSIX IMAGE=host OUTPUT=host HOSTVAR='of the host'
	unset OLDPWD
	mkdir -p "$HOME/s3/b/e"
	echo 1 >"$HOME/s3/b/k"
	echo 1 >"$HOME/s3/b/e/x"
	INPUTS=(TRAIN object s3://b/k inputs/train/k EVAL prefix s3://b/e/ inputs/eval)
	V[GPUS]=2,3
	ENVS=(MINE 1 IMAGE mine att changed a changed w changed UID 7 JOBFS_ATTEMPT no)
	PROGRAM=(shell 'env -0 >env; pwd >pwd; readlink /proc/self/fd/0 >fd; ls /proc/self/fd | grep -x "[0-9]" >>fd
		grep -E "Sig(Ign|Blk)" /proc/self/status >sig; umask >umask; ls -d output inputs >>fd')
	umask 027
	SECRETS=$'AK a\nSK s\n'
	run_job ${X}01
	is exit 'exit 0'
	local w=$J/${X}01/work want
	tr '\n\0' ' \n' <"$w/env" | sort >"$T/env"
	for want in JOB_ID=9f3a JOB_NAME=exp1 JOB_ATTEMPT=1 JOB_DIR="$w" JOB_OUTPUT_DIR="$w/output" \
		JOB_INPUT_TRAIN="$w/inputs/train/k" JOB_INPUT_EVAL="$w/inputs/eval" \
		CUDA_VISIBLE_DEVICES=2,3 JOBFS_ATTEMPT=${X}01 MINE=1 IMAGE=mine LC_ALL=POSIX \
		HOSTVAR='of the host' HOME="$HOME" PWD="$w"; do
		has_line "$T/env" "$want" || fail "no $want in: $(cat "$T/env")"
	done
	grep -E '^(JOBFS_(HOST|SH|XFER)|AWS_[A-Z]*KEY|OUTPUT|JOB|ID|DEST)=' "$T/env" &&
		fail "more than is wanted: $(cat "$T/env")"
	[ "$(cat "$w/pwd")" = "$w" ] || fail "pwd $(cat "$w/pwd")"
	[ "$(cat "$w/umask")" = 0027 ] || fail "umask $(cat "$w/umask")"
	# 3 is the directory that ls reads
	printf '%s\n' /dev/null 0 1 2 3 inputs output | cmp - "$w/fd" || fail "fds: $(cat "$w/fd")"
	case $SH in busybox*) ;; *) # its setsid cannot fork, so SIGINT and SIGQUIT stay ignored
		! grep -v '0000000000000000' "$w/sig" || fail "signals: $(cat "$w/sig")"
		;;
	esac
	unset LC_ALL
	V[GPUS]=''
	run_job ${X}02
	! grep -qaE 'LC_ALL|CUDA_VIS' "$J/${X}02/work/env" || fail "LC_ALL is not the host's"
}

case_scripts_run_by_their_kind() {
	printf '#!/bin/bash\necho "${BASH_VERSION:+bash}" "$0" "$1"\n' >"$T/a"
	printf 'import sys; print("python", sys.argv[1])\n' >"$T/b"
	printf 'set -u; echo "sh $1 ${BASH_VERSION-}"\n' >"$T/c"
	FILES=(a.sh 600 "$T/a" b.py 600 "$T/b" c 600 "$T/c" elf 600 /bin/echo)
	PROGRAM=(script a.sh x)
	run_job ${X}01
	has_line "$J/${X}01/log" "bash $J/${X}01/work/files/a.sh x" || fail "$(cat "$J/${X}01/log")"
	PROGRAM=(script b.py y)
	run_job ${X}02
	has_line "$J/${X}02/log" "python y" || fail "$(cat "$J/${X}02/log")"
	PROGRAM=(script c z)
	run_job ${X}03
	has_line "$J/${X}03/log" "sh z " || fail "$(cat "$J/${X}03/log")"
	PROGRAM=(script elf of an elf)
	run_job ${X}04
	has_line "$J/${X}04/log" "of an elf" || fail "$(cat "$J/${X}04/log")"
	PROGRAM=(script nothere)
	run_job ${X}05
	is end ok
	case $(field exit) in 'exit 2' | 'exit 127') ;; *) fail "no script: $TEXT" ;; esac
}

case_the_log_is_pulled_byte_exact_in_odd_chunks() {
	head -c 50000 /dev/urandom >"$T/f"
	printf '\0\0no newline\r\033[31m @@n1 END OK' >>"$T/f"
	FILES=(f 644 "$T/f")
	PROGRAM=(shell 'cat files/f; printf err >&2')
	launch ${X}01
	local off=0 size=-1 len line head
	: >"$T/got"
	until [ $off = "$size" ] && [ "$(field alive)" = 'done' ]; do
		ag poll "${X}01:$off:0:7919"
		size=$(field log)
		len=$(field 'data log')
		[ -n "$len" ] || { sleep 0.02 && continue; }
		# where the data begins: after the first line "data log N"
		line=$(grep -aob -m 1 '^data log [0-9]*' "$T/reply" | head -n 1)
		head=${line#*:}
		head=$((${line%%:*} + ${#head} + 1))
		tail -c "+$((head + 1))" "$T/reply" | head -c "$len" >>"$T/got"
		[ "$(tail -c "+$((head + len + 1))" "$T/reply" | head -c 3)" = $'\ntl' ] ||
			fail "what follows the data is wrong"
		off=$((off + len))
	done
	{
		cat "$T/f"
		printf err
	} | cmp - "$T/got" || fail "the log differs"
	ag poll "${X}01:$((size + 5)):0:100"
	is log "$size"
	! grep -q '^data' <<<"$TEXT" || fail "data past the end"
	ag poll "${X}01:0:0:0"
	! grep -q '^data' <<<"$TEXT" || fail "data of MAX 0"
}

case_the_run_limit_ends_the_program_and_vanishes_with_it() {
	V[RUN_LIMIT]=1 V[GRACE]=1
	PROGRAM=(shell 'echo started; trap "" TERM; (trap "" TERM; setsid sleep 301) & while :; do sleep 0.1; done')
	run_job ${X}01
	is exit 'exit 137'
	is timeout run
	is end ok
	must_soon no_members ${X}01
	V[RUN_LIMIT]=1000
	PROGRAM=(shell 'exit 6')
	run_job ${X}02
	is exit 'exit 6'
	! grep -q '^timeout' <<<"$TEXT" || fail "a timeout"
	must_soon no_timer ${X}02
	PROGRAM=(shell 'echo started; exec sleep 302')
	started ${X}03
	kill -9 "$(claim_pid ${X}03)"
	kill -9 "$(prog_pid ${X}03)"
	must_soon no_timer ${X}03
}

case_what_the_program_leaves_behind_is_ended() {
	V[GRACE]=1
	PROGRAM=(shell 'setsid sleep 303 & (trap "" TERM; while :; do sleep 0.1; done) & echo started')
	run_job ${X}01
	is exit 'exit 0'
	no_members ${X}01 || fail "left: $(member_pids ${X}01)"
}

case_a_full_disk_does_not_cost_the_result() {
	mount -t tmpfs -o size=300k tmpfs "$HOME" || fail "cannot mount"
	PROGRAM=(shell 'cat /dev/zero >fill 2>/dev/null || exit 5')
	run_job ${X}01
	is exit 'exit 5'
	is end ok
	cat /dev/zero >"$HOME/fill" 2>/dev/null # what was left of the reserve
	make_payload
	ag put ${X}02 "$PAYLOAD_SIZE" <"$T/payload"
	expect EDISK
	ag cancel ${X}03 1 # nothing can be voided without room
	expect EDISK
}

case_a_cancel_on_a_full_disk_is_noted() {
	mount -t tmpfs -o size=300k tmpfs "$HOME" || fail "cannot mount"
	PROGRAM=(shell 'echo started; exec sleep 340')
	started ${X}01
	cat /dev/zero >"$HOME/fill" 2>/dev/null
	ag probe
	expect EDISK
	[ "$(field storeid)" = "$(cat "$HOME/.jobfs/storeid" 2>/dev/null)" ] || fail "found $TEXT"
	ag cancel ${X}01 1
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 143'
	is cancel 1
}

case_a_program_that_the_disk_cuts_does_not_run() {
	mount -t tmpfs -o size=300k tmpfs "$HOME" || fail "cannot mount"
	SETUP='cat /dev/zero >fill 2>/dev/null || :'
	PROGRAM=(shell ": >'$T/ran'")
	run_job ${X}01
	is exit 'setup 1'
	[ ! -e "$T/ran" ] || fail "it ran"
}

case_a_full_disk_does_not_keep_cancel_from_working() {
	mount -t tmpfs -o size=300k tmpfs "$HOME" || fail "cannot mount"
	PROGRAM=(shell "cat /dev/zero >fill 2>/dev/null || : >'$T/started'; exec sleep 333")
	launch ${X}01
	must_soon test -f "$T/started"
	ag cancel ${X}01 5
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 143'
	is end ok
	ag ack ${X}01
	expect OK
	[ ! -e "$J/${X}01/work" ] || fail "work is left"
}

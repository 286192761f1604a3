# Jobs in a container, against the stand-in for docker.
# shellcheck shell=bash

in_image() { V[IMAGE]=img:1 V[GRACE]=2; }
container() { echo "$HOME/docker/jobfs-$1"; }
creates() { grep -ac '^create' "$HOME/docker/calls"; }

case_a_container_runs_the_program() {
	in_image
	V[GPUS]=2,3 V[DEST]=s3://b/out/
	ENVS=(SECRETVALUE "not in the \$(args) 'at all'" IMAGE mine PATH /usr/bin:/bin:/mine)
	printf '#!/bin/sh\nenv -0 >env; pwd; cat setup; echo "$@"; echo x >output/x; exit 7\n' >"$T/f"
	FILES=(run.sh 644 "$T/f")
	SETUP='echo of setup >setup'
	PROGRAM=(script run.sh 'a  b' "c'd")
	run_job "${X}01"
	is exit 'exit 7'
	is end ok
	printf '%s\n' "$J/${X}01/work" 'of setup' "a  b c'd" | cmp - "$J/${X}01/log" ||
		fail "log: $(cat "$J/${X}01/log")"
	tr '\0' '\n' <"$J/${X}01/work/env" >"$T/env"
	local want
	for want in JOB_ID=9f3a JOBFS_ATTEMPT="${X}01" CUDA_VISIBLE_DEVICES=0,1 IMAGE=mine \
		JOB_OUTPUT_DIR="$J/${X}01/work/output" "SECRETVALUE=not in the \$(args) 'at all'" \
		PATH=/usr/bin:/bin:/mine; do
		has_line "$T/env" "$want" || fail "no $want in: $(cat "$T/env")"
	done
	! grep -q '^HOME=' "$T/env" || fail "the environment of the host"
	! grep -qa 'not in the' "$HOME/docker/calls" || fail "a value in the arguments"
	grep -qa -- '"device=2,3"' "$HOME/docker/calls" || fail "no gpus"
	[ "$(stat -c %a "$J/${X}01/work" "$J/${X}01/work/output" | tr '\n' ' ')" = '755 777 ' ] ||
		fail "modes"
	[ -f "$HOME/s3/b/out/x" ] || fail "not uploaded"
	[ -d "$(container "${X}01")" ] || fail "removed before ack"
	ag ack "${X}01"
	expect OK
	[ ! -d "$(container "${X}01")" ] || fail "not removed by ack"
	SETUP='' PROGRAM=(shell 'mkdir mnt')
	run_job "${X}02"
	mount -t tmpfs tmpfs "$J/${X}02/work/mnt" || fail "cannot mount"
	ag ack "${X}02"
	expect OK
	[ ! -e "$J/${X}02/work" ] || fail "work is left"
}

case_what_fails_before_a_container_runs_is_a_failed_setup() {
	in_image
	V[IMAGE]=missing:1
	PROGRAM=(shell 'echo ran >>output/x')
	run_job "${X}02"
	case $(field exit) in 'setup 0') fail "$TEXT" ;; 'exit 0') ;; 'setup '*) ;; *) fail "$TEXT" ;; esac
	grep -q 'pull access denied' "$J/${X}02/log" || fail "$(cat "$J/${X}02/log")"
	V[IMAGE]=img
	PROGRAM=(argv no-such-program)
	run_job "${X}03"
	is exit 'setup 127'
	grep -q 'not found' "$J/${X}03/log" || fail "$(cat "$J/${X}03/log")"
	SETUP='echo bad; exit 9'
	PROGRAM=(shell 'echo ran')
	run_job "${X}04"
	is exit 'setup 9'
	printf 'bad\n' | cmp - "$J/${X}04/log" || fail "$(cat "$J/${X}04/log")"
	SETUP=''
	mkdir "$T/bin"
	local tool
	for tool in sh dash bash busybox mksh printf id setsid sleep mkdir mkfifo rm mv ln cat head tail stat \
		sha256sum sync find chmod grep tr du cut date wc timeout touch sed iconv; do
		ln -s "$(type -P $tool)" "$T/bin/$tool"
	done
	PATH=$T/bin run_job "${X}05"
	is exit 'setup 127'
	is end ok
	grep -q 'no docker on this host' "$J/${X}05/log" || fail "$(cat "$J/${X}05/log")"
}

case_a_container_survives_its_client() {
	in_image
	PROGRAM=(shell 'echo started; until [ -f go ]; do sleep 0.02; done; echo more; exit 8')
	started "${X}01"
	pkill -9 -f "docker start -a jobfs-${X}01"
	must_soon grep -qs 'connection to docker broke' "$J/${X}01/log"
	poll "${X}01"
	is alive 1
	touch "$J/${X}01/work/go"
	must_soon test -f "$J/${X}01/end"
	poll "${X}01"
	is exit 'exit 8'
	grep -q more "$J/${X}01/log" || fail "$(cat "$J/${X}01/log")"
	started "${X}02"
	kill -9 "$(prog_pid "${X}02")" # the runner gets the code from the engine
	pkill -9 -f "docker start -a jobfs-${X}02"
	touch "$J/${X}02/work/go"
	must_soon test -f "$J/${X}02/end"
	poll "${X}02"
	is exit 'exit 8'
	started "${X}03"
	kill_now "$(claim_pid "${X}03")" "$(prog_pid "${X}03")"
	pkill -9 -f "docker start -a jobfs-${X}03"
	poll "${X}03"
	is alive orphan
	touch "$J/${X}03/work/go"
	must_soon poll_says "${X}03" alive 0
	ag_secrets upload "${X}03"
	must_soon poll_says "${X}03" end ok
	is exit 'exit 8'
	[ "$(creates)" = 3 ] || fail "$(creates) containers"
}

case_an_engine_that_comes_back_without_the_code_is_not_believed() {
	in_image
	PROGRAM=(shell 'echo started; until [ -f go ]; do sleep 0.02; done; exit 1')
	started "${X}01"
	touch "$(container "${X}01")/forgets"
	touch "$HOME/docker/down"
	pkill -9 -f "docker start -a jobfs-${X}01"
	touch "$J/${X}01/work/go"
	must_soon grep -qs exited "$(container "${X}01")/status"
	[ ! -f "$J/${X}01/exit" ] || fail "an exit without an engine: $(cat "$J/${X}01/exit")"
	rm "$HOME/docker/down"
	must_soon test -f "$J/${X}01/end"
	poll "${X}01"
	is exit 'lost docker-255'
	PROGRAM=(shell 'exit 255')
	run_job "${X}02"
	is exit 'exit 255'
}

case_cancel_stops_the_container() {
	in_image
	PROGRAM=(shell 'trap "echo bye; exit 4" TERM; echo started; while :; do sleep 0.05 || :; done')
	started "${X}01"
	ag cancel "${X}01" 5
	must_soon test -f "$J/${X}01/end"
	poll "${X}01"
	is exit 'exit 4'
	has_line "$J/${X}01/log" bye || fail "$(cat "$J/${X}01/log")"
	PROGRAM=(shell 'trap "" TERM; echo started; while :; do sleep 0.05 || :; done')
	started "${X}02"
	ag cancel "${X}02" 600
	ag cancel "${X}02" 0
	must_soon test -f "$J/${X}02/end"
	poll "${X}02"
	is exit 'exit 137'
	V[RUN_LIMIT]=1 V[GRACE]=1
	run_job "${X}03"
	is exit 'exit 137'
	is timeout run
}

case_a_signal_goes_through_the_engine() {
	in_image
	PROGRAM=(shell 'trap "echo hup; exit 5" HUP; echo started; while :; do sleep 0.05 || :; done')
	ag signal "${X}01" hup
	expect ENOCLAIM
	started "${X}01"
	ag signal "${X}01" hup
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll "${X}01"
	is exit 'exit 5'
	has_line "$J/${X}01/log" hup || fail "$(cat "$J/${X}01/log")"
	ag signal "${X}01" hup
	expect ENORUN
}

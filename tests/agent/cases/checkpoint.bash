# Checkpoints: files that go to S3 while the program runs, and come back.
# shellcheck shell=bash

checkpoints() { # [INTERVAL [SETTLE]]
	V[CKPT]=checkpoints V[CKPT_DEST]=s3://b/c/ V[CKPT_INTERVAL]=${1:-1} V[CKPT_SETTLE]=${2:-0} V[CKPT_RESUME]=1
	mkdir -p "$HOME/s3/b"
	C=$HOME/s3/b/c
}

must_come() { # as must_soon: the tool is started often, which takes its time
	wait_until 25 "$@" || fail "waited 25 s in vain for: $*"
}
job_ends() { # ATT
	launch "$1"
	must_come test -f "$J/$1/end"
	poll "$1"
}
latest() { tail -n +2 "$C/LATEST" 2>/dev/null | cut -f 1,2,4 | sort | tr '\t\n' ' ,'; }
latest_is() { [ "$(latest)" = "$1" ]; }
checkpoint_is() { # ATT REGEX: of what the poll says
	poll "$1"
	[[ $(field checkpoint) =~ ^[0-9]{10}\ $2$ ]]
}
go() { touch "$J/${1:-${X}01}/work/go${2:-}"; }
until_go() { printf 'until [ -f go%s ]; do sleep 0.02; done;' "${1:-}"; }
uploads() { grep -c '^== checkpoint: checkpoints -> ' "$J/$1/tlog"; }

case_checkpoints_go_up_while_the_program_runs_and_latest_is_last() {
	checkpoints
	PROGRAM=(shell 'cd "$JOB_CHECKPOINT_DIR"; [ -z "${JOB_RESUME_FROM+x}" ]; mkdir -p "s 1"; printf 123 >"s 1/é";
		printf 4 >b.tmp; ln -s b.tmp link; mkfifo fifo; printf x >"$(printf "a\\\\\\tb\\nc")"; cd ..;'"$(until_go)"'
		printf 12345 >checkpoints/two; rm "checkpoints/s 1/é" checkpoints/b.tmp')
	launch ${X}01
	must_come latest_is 'a\\\tb\nc 1 .,s 1/é 3 .,'
	[ "$(head -n 1 "$C/LATEST")" = 'jobfs-checkpoint 1 9f3a 1' ] || fail "$(cat "$C/LATEST")"
	[ "$(cat "$C/s 1/é" "$C/"$'a\\\tb\nc')" = 123x ] || fail "$(find "$C")"
	[ ! -e "$C/b.tmp" ] || fail "$(find "$C")"
	[ ! -e "$C/link" ] || fail "$(find "$C")"
	must_come checkpoint_is ${X}01 '4 2 ok'
	has_line "$J/${X}01/tlog" 'jobfs: checkpoint: link is not uploaded: symlink' || fail "$(cat "$J/${X}01/tlog")"
	[ ! -e "$J/${X}01/end" ] || fail "it is over"
	go
	must_come test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	is phase end
	latest_is 'a\\\tb\nc 1 .,two 5 .,' || fail "$(latest)"
	[ "$(uploads ${X}01)" = 2 ] || fail "$(cat "$J/${X}01/tlog")"
	[ "$(grep -c 'link is not' "$J/${X}01/tlog")" = 1 ] || fail "told more than once"
	must_come no_keeper ${X}01
}

case_a_file_that_is_being_written_waits_for_the_next_round() {
	checkpoints 1 1
	PROGRAM=(shell 'echo 1 >checkpoints/done; i=0; until [ -f go ]; do i=$((i + 1)); echo $i >>checkpoints/grows; sleep 0.1; done;'"$(until_go 2)")
	launch ${X}01
	must_come latest_is 'done 2 .,'
	sleep 1.5
	latest_is 'done 2 .,' || fail "$(latest)"
	[ ! -e "$C/grows" ] || fail "it went up"
	go
	must_come test -e "$C/grows"
	cmp "$C/grows" "$J/${X}01/work/checkpoints/grows" || fail "half of it"
	go ${X}01 2
	must_come test -f "$J/${X}01/end"
}

case_an_interval_is_waited_for() {
	checkpoints 1000
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go)")
	launch ${X}01
	must_come test -f "$J/${X}01/work/checkpoints/a"
	sleep 1
	[ ! -e "$C" ] || fail "$(find "$C")"
	go
	must_come test -f "$J/${X}01/end"
	latest_is 'a 2 .,' || fail "$(latest)"
}


case_a_round_that_fails_is_tried_again_and_the_job_is_not_disturbed() {
	checkpoints
	V[CKPT_DEST]=s3://b/broken/ C=$HOME/s3/b/broken
	PROGRAM=(shell "$(until_go 0) echo 1 >checkpoints/a; $(until_go) echo 2 >checkpoints/b")
	launch ${X}01
	must_come test -f "$J/${X}01/phase" && must_come has_line "$J/${X}01/phase" run
	touch "$HOME/broken"
	go ${X}01 0
	must_come poll_says ${X}01 checkpoint '0 0 0 failed'
	must_come grep -q 'checkpoint failed: it is tried again in 1 s' "$J/${X}01/tlog" # is told next
	rm "$HOME/broken"
	must_come latest_is 'a 2 .,'
	must_come checkpoint_is ${X}01 '2 1 ok'
	touch "$HOME/broken"
	go
	must_come test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	is exit 'exit 0'
	checkpoint_is ${X}01 '2 1 failed' || fail "$TEXT"
	grep -q 'checkpoint failed: the last one is not in s3://b/broken/' "$J/${X}01/tlog" || fail "$(cat "$J/${X}01/tlog")"
	latest_is 'a 2 .,' || fail "$(latest)"
}

case_the_next_attempt_goes_on_from_the_checkpoint() {
	checkpoints 1000
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'n=0; [ -z "$JOB_RESUME_FROM" ] || n=$(cat "$JOB_RESUME_FROM/d 1/count")
		[ "${JOB_RESUME_FROM:-$JOB_CHECKPOINT_DIR}" = "$PWD/checkpoints" ]
		mkdir -p "$JOB_CHECKPOINT_DIR/d 1"; echo $((n + 1)) >"$JOB_CHECKPOINT_DIR/d 1/count"
		echo run $n; echo $n >output/n; exit 75')
	export JOB_RESUME_FROM=/of/the/host
	job_ends ${X}01
	is exit 'exit 75'
	is end ok
	latest_is 'd 1/count 2 .,' || fail "$(latest)"
	job_ends ${X}02
	has_line "$J/${X}02/log" 'run 1' || fail "$(cat "$J/${X}02"/log)"
	has_line "$J/${X}02/tlog" '== checkpoint: s3://b/c/ -> checkpoints' || fail "$(cat "$J/${X}02/tlog")"
	rm -rf "$J/${X}01" "$J/${X}02" # another host
	job_ends ${X}03
	has_line "$J/${X}03/log" 'run 2' || fail "$(cat "$J/${X}03"/log)"
	V[CKPT_RESUME]=''
	job_ends ${X}04
	has_line "$J/${X}04/log" 'run 0' || fail "$(cat "$J/${X}04"/log)"
	[ "$(cat "$C/d 1/count")" = 1 ] || fail "$(find "$C")"
	[ ! -e "$C/.kept" ] || fail "$(find "$C")"
}

case_a_checkpoint_that_is_not_whole_is_no_start_from_nothing() {
	local wrong
	checkpoints
	PROGRAM=(shell 'echo ran >>"$HOME/ledger"')
	mkdir -p "$C"
	echo 12345 >"$C/a"
	echo x >"$HOME/s3/b/x"
	n=0
	for wrong in $'a\t6\tt\t.\nb\t2\tt\t.' $'a\t7\tt\t.' $'../x\t2\tt\t.' $'/x\t2\tt\t.' $'a\\x\t6\tt\t.' $'a\t6\tt\t.kept'; do
		n=$((n + 1))
		printf 'jobfs-checkpoint 1\n%s\n' "$wrong" >"$C/LATEST"
		job_ends ${X}0$n
		is end 'download-failed checkpoint'
		grep -q '^jobfs: checkpoint failed: s3://b/c/LATEST names ' "$J/${X}0$n/tlog" || fail "$(cat "$J/${X}0$n/tlog")"
		[ ! -e "$J/${X}0$n/work/x" ] || fail "it led outside"
	done
	echo garbage >"$C/LATEST"
	job_ends ${X}11
	is end 'download-failed checkpoint'
	V[CKPT_DEST]=s3://b/fail1/ # S3 does not say that there is none
	job_ends ${X}12
	is end 'download-failed checkpoint'
	grep -q 'LATEST cannot be read' "$J/${X}12/tlog" || fail "$(cat "$J/${X}12/tlog")"
	[ ! -e "$HOME/ledger" ] || fail "it started"
}

case_of_a_killed_program_only_what_had_settled_counts() {
	checkpoints 1000 3
	PROGRAM=(shell 'echo 1 >checkpoints/old; touch -d "-10 seconds" checkpoints/old; echo half >checkpoints/young; kill -9 $$')
	job_ends ${X}01
	is exit 'exit 137'
	latest_is 'old 2 .,' || fail "$(latest)"
	[ ! -e "$C/young" ] || fail "$(find "$C")"
}

case_a_directory_that_became_a_link_is_not_followed() {
	checkpoints 1
	mkdir "$HOME/elsewhere"
	echo secret >"$HOME/elsewhere/s"
	PROGRAM=(shell "$(until_go) rmdir checkpoints; ln -s '${HOME//\'/\'\\\'\'}/elsewhere' checkpoints; $(until_go 2)")
	launch ${X}01
	must_come test -f "$J/${X}01/prog"
	go
	must_come poll_says ${X}01 checkpoint '0 0 0 failed'
	go ${X}01 2
	must_come test -f "$J/${X}01/end"
	[ ! -e "$C" ] || fail "$(find "$C")"
	grep -q 'became a link' "$J/${X}01/tlog" || fail "$(cat "$J/${X}01/tlog")"
}

case_the_last_round_of_a_killed_runner_is_made_by_upload() {
	checkpoints 1000
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go)")
	launch ${X}01
	must_come test -f "$J/${X}01/work/checkpoints/a"
	kill -9 "$(claim_pid ${X}01)"
	must_come no_keeper ${X}01
	go
	must_come test -f "$J/${X}01/exit"
	[ ! -e "$C" ] || fail "$(find "$C")"
	must_come poll_says ${X}01 alive 0
	SECRETS='' ag_secrets upload ${X}01
	expect OK
	must_come test -f "$J/${X}01/end"
	latest_is 'a 2 .,' || fail "$(latest)"
}

case_the_last_round_comes_when_the_collector_was_killed() {
	local pid
	checkpoints
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go 0) echo 2 >checkpoints/b; $(until_go)")
	launch ${X}01
	must_come latest_is 'a 2 .,'
	for pid in $(keeper_pids ${X}01); do # the one that is a child of the other
		[ "$(keeper_pids ${X}01 | grep -c "^$(stat_of "$pid" 2)$")" = 0 ] || kill -9 "$pid"
	done
	go ${X}01 0
	sleep 2
	latest_is 'a 2 .,' || fail "nothing was killed"
	go
	must_come test -f "$J/${X}01/end"
	latest_is 'a 2 .,b 2 .,' || fail "$(latest)"
}

case_files_that_a_reboot_may_have_torn_are_not_believed() {
	local pid
	checkpoints
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go 0) echo 2 >checkpoints/b; echo b; $(until_go)")
	launch ${X}01
	must_come latest_is 'a 2 .,'
	kill -9 "$(claim_pid ${X}01)"
	must_come no_keeper ${X}01
	go ${X}01 0
	must_come has_line "$J/${X}01/log" b
	for pid in $(member_pids ${X}01) $(prog_pid ${X}01); do kill -9 "$pid" 2>/dev/null; done
	must_come poll_says ${X}01 alive 0
	sed -i 's/[^ ]*$/other/' "$J/${X}01/claim"
	poll ${X}01
	is alive rebooted
	SECRETS='' ag_secrets upload ${X}01
	expect OK
	must_come test -f "$J/${X}01/end"
	latest_is 'a 2 .,' || fail "$(latest)"
	grep -q 'after a reboot' "$J/${X}01/tlog" || fail "$(cat "$J/${X}01/tlog")"
}

# The host dies at each call of the tool while a checkpoint is overwritten; whoever comes
# next finds files that belong together.
host_dies() { # NUMBER…: before each of these calls
	local n pid i=10 A
	checkpoints
	PROGRAM=(shell 'cd checkpoints; if [ -n "$JOB_RESUME_FROM" ]; then cat model optim; cd ..; exit; fi
		echo 1 >model; echo 1 >optim; cd ..; '"$(until_go)"' echo 22 >checkpoints/model; echo 22 >checkpoints/optim; sleep 1000')
	cat >"$T/dying" <<-END
		#!/bin/bash
		exec 9>"$T/lock"
		flock 9 # two may be called at once
		n=\$((\$(cat "$T/n" 2>/dev/null || echo 0) + 1))
		echo \$n >"$T/n"
		exec 9>&-
		[ \$n != "\$(cat "$T/die")" ] || touch "$T/dead"
		[ ! -e "$T/dead" ] || exec sleep 1000
		exec aws "\$@"
	END
	chmod +x "$T/dying"
	# 1 to 5: the first; 6: LATEST is looked at; 7, 8: copies; 9: a look; 10: LATEST; 11: files;
	# 12: a look; 13: LATEST; 14: copies go
	for n; do
		i=$((i + 1)) A=$X$i
		rm -rf "$C" "$T/n" "$T/dead"
		echo $n >"$T/die"
		V[AWS]=$T/dying
		launch $A
		must_come latest_is 'model 2 .,optim 2 .,'
		go $A
		must_come test -e "$T/dead"
		for pid in $(claim_pid $A) $(keeper_pids $A) $(member_pids $A); do kill -9 "$pid" 2>/dev/null; done
		V[AWS]=''
		job_ends ${A}a
		is exit 'exit 0'
		case $(cat "$J/${A}a/log") in $'1\n1' | $'22\n22') ;; *) fail "$n: $(cat "$J/${A}a/log" "$J/${A}a/tlog")" ;; esac
		must_come latest_is "$(cd "$J/${A}a/work/checkpoints" && stat -c '%n %s .' model optim | tr '\n' ,)"
		cmp "$C/model" "$J/${A}a/work/checkpoints/model" || fail "$n: $(cat "$C/model")"
	done
}
case_the_host_dies_while_what_is_overwritten_is_kept() { host_dies 8; }
case_the_host_dies_while_latest_names_what_was_kept() { host_dies 10; }
case_the_host_dies_while_new_files_go_up() { host_dies 12; }
case_the_host_dies_while_latest_names_the_new_files() { host_dies 13; }
case_the_host_dies_while_what_was_kept_goes() { host_dies 14; }

# Its host was silent, and the daemon gave it up; but it goes on.
case_an_attempt_that_was_given_up_spoils_no_checkpoint() {
	checkpoints
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go) echo 22 >checkpoints/a; echo 22 >checkpoints/b; $(until_go 2)")
	launch ${X}01
	must_come latest_is 'a 2 .,'
	V[ATTEMPT]=2
	PROGRAM=(shell "cat checkpoints/a; $(until_go) echo 3333 >checkpoints/a; $(until_go 2)")
	launch ${X}02
	must_come has_line "$J/${X}02/log" 1
	[ "$(head -n 1 "$C/LATEST")" = 'jobfs-checkpoint 1 9f3a 2' ] || fail "$(cat "$C/LATEST")"
	go ${X}01
	must_come checkpoint_is ${X}01 '2 1 failed'
	grep -q 'was written by another attempt' "$J/${X}01/tlog" || fail "$(cat "$J/${X}01/tlog")"
	go ${X}02
	must_come latest_is 'a 5 .,'
	go ${X}01 2
	must_come test -f "$J/${X}01/end"
	[ "$(cat "$C/a")" = 3333 ] || fail "$(find "$C")"
	[ ! -e "$C/b" ] || fail "$(find "$C")"
	# of an attempt before its own it takes over what was written
	sed -i 's/9f3a 2$/9f3a 1/; s/^a/gone/' "$C/LATEST"
	echo 4 >"$J/${X}02/work/checkpoints/new"
	must_come latest_is 'a 5 .,new 2 .,'
	[ "$(head -n 1 "$C/LATEST")" = 'jobfs-checkpoint 1 9f3a 2' ] || fail "$(cat "$C/LATEST")"
	go ${X}02 2
	must_come test -f "$J/${X}02/end"
}

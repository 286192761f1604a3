# Cancel, and what is left when processes are killed.
# shellcheck shell=bash

case_cancel_ends_trees() {
	PROGRAM=(shell '
		sh -c "sleep 310 & exec sleep 311" &
		setsid sh -c "sleep 312 & sleep 313" &
		nohup sleep 314 >/dev/null 2>&1 &
		(trap "" TERM; while :; do sleep 0.1; done) &
		(setsid sh -c "trap \"\" TERM; while :; do sleep 0.1; done" &)
		env -i sleep 315 &
		bash -ic "sleep 316" 2>/dev/null &
		echo started; wait')
	started ${X}01
	local clean
	must_soon pgrep -f '^sleep 315$' -s "$(prog_pid ${X}01)" # it has no mark
	clean=$(pgrep -f '^sleep 315$' -s "$(prog_pid ${X}01)")
	ag cancel ${X}01 1
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 143'
	is cancel 1
	is end ok
	no_members ${X}01 || fail "left: $(member_pids ${X}01)"
	gone "$clean" || fail "a process without the mark is left"
	ag cancel ${X}01 1
	expect OK
}

case_cancel_gives_the_grace_it_was_asked_for() {
	PROGRAM=(shell 'trap "sleep 0.3 || :; echo bye; exit 12" TERM; echo started; while :; do sleep 0.05 || :; done')
	started ${X}01
	ag cancel ${X}01 20
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 12'
	has_line "$J/${X}01/log" bye || fail "$(cat "$J/${X}01/log")"
	PROGRAM=(shell 'trap "echo term" TERM; echo started; while :; do sleep 0.05 || :; done')
	started ${X}02
	ag cancel ${X}02 600
	must_soon has_line "$J/${X}02/log" term
	ag cancel ${X}02 900
	ag cancel ${X}02 600
	poll_says ${X}02 alive 1 || fail "the program is gone"
	ag cancel ${X}02 0 # now
	must_soon test -f "$J/${X}02/end"
	poll ${X}02
	is exit 'exit 137'
	[ "$(grep -c term "$J/${X}02/log")" = 1 ] || fail "TERM more than once"
	must_soon no_killer ${X}02
}

case_cancel_during_download_ends_the_transfers() {
	mkdir -p "$HOME/s3/b"
	INPUTS=(A object s3://b/slow inputs/a B object s3://b/slow2 inputs/b)
	PROGRAM=(shell 'echo ran >>"$HOME/ledger"')
	launch ${X}01
	must_soon aws_waits
	ag cancel ${X}01 3
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end cancelled
	is cancel 1
	! grep -q ^exit <<<"$TEXT" || fail "there is an exit"
	must_soon no_process_with JOBFS_XFER=${X}01
	must_soon no_keeper ${X}01
	must_soon no_killer ${X}01
	[ ! -e "$HOME/ledger" ] || fail "it started"
}

case_cancel_comes_too_late_for_an_ended_job() {
	PROGRAM=(shell 'exit 0')
	run_job ${X}01
	ag cancel ${X}01 0
	expect OK
	poll ${X}01
	is exit 'exit 0'
	is end ok
	mkdir -p "$HOME/s3"
	V[DEST]=s3://b/slow/
	PROGRAM=(shell 'echo x >output/x; exit 1')
	launch ${X}02
	must_soon aws_waits
	ag cancel ${X}02 0
	touch "$HOME/go"
	must_soon test -f "$J/${X}02/end"
	poll ${X}02
	is exit 'exit 1'
	is end ok
	[ -f "$HOME/s3/b/slow/x" ] || fail "not uploaded"
}

case_a_signal_reaches_each_process_of_the_program() {
	PROGRAM=(shell 'cat >t.sh <<-"EOT"
			for s in HUP INT QUIT USR1 USR2 TERM CONT WINCH ALRM; do
				trap "echo $1 $s >>heard" $s
			done
			echo $1 >>ready
			until [ -f stop ]; do sleep 0.02 & wait $!; done
		EOT
		bash t.sh a & setsid bash t.sh b & echo started; exec bash t.sh c')
	started ${X}01
	local w=$J/${X}01/work name
	must_soon lines_are 3 "$w/ready"
	for name in hup int quit usr1 usr2 term cont winch alrm; do
		ag signal ${X}01 $name
		expect OK
		# a shell that is started with `&` cannot trap these two
		case $name in int | quit) continue ;; esac
		must_soon all_heard "${name^^}" "$w/heard"
	done
	touch "$w/stop"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 0'
}

all_heard() { [ "$(grep -c " $1\$" "$2" 2>/dev/null)" = 3 ]; }
lines_are() { [ "$(grep -c . "$2" 2>/dev/null)" = "$1" ]; }

case_a_stopped_program_goes_on_or_can_be_cancelled() {
	PROGRAM=(shell 'trap "echo bye; exit 3" TERM; echo started; while :; do echo x >>ticks; sleep 0.02; done')
	started ${X}01
	ag signal ${X}01 stop
	expect OK
	must_soon all_stopped ${X}01
	poll ${X}01
	is alive 1
	ag signal ${X}01 cont
	expect OK
	local ticks
	ticks=$(stat -c %s "$J/${X}01/work/ticks")
	must_soon larger_than "$J/${X}01/work/ticks" "$ticks"
	ag signal ${X}01 stop
	must_soon all_stopped ${X}01
	ag cancel ${X}01 600
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 3'
	has_line "$J/${X}01/log" bye || fail "it did not hear TERM"
	must_soon no_killer ${X}01
}

all_stopped() {
	local pid
	for pid in $(member_pids "$1"); do [ "$(stat_of "$pid" 1)" = T ] || return 1; done
}
larger_than() { [ "$(stat -c %s "$1")" -gt "$2" ]; }

case_a_signal_needs_a_program_that_runs() {
	ag signal ${X}01 hup
	expect ENOCLAIM
	ag signal ${X}01 kill
	expect EARGS
	ag signal ${X}01 HUP
	expect EARGS
	ag signal ${X}01
	expect EARGS
	ag cancel ${X}01 1
	ag signal ${X}01 hup
	expect ENORUN
	mkdir -p "$HOME/s3/b"
	INPUTS=(A object s3://b/slow inputs/a)
	PROGRAM=(shell 'exit 4')
	launch ${X}02
	must_soon aws_waits
	ag signal ${X}02 term # the tools are not the program
	expect ENORUN
	echo x >"$HOME/s3/b/slow"
	touch "$HOME/go"
	must_soon test -f "$J/${X}02/end"
	ag signal ${X}02 hup
	expect ENORUN
	poll ${X}02
	is exit 'exit 4'
}

case_a_killed_runner_does_not_cost_the_result() {
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'echo started; echo x >output/x; until [ -f "$HOME/stop" ]; do sleep 0.02; done; exit 5')
	started ${X}01
	has_keeper ${X}01 || fail "no keeper waits for the upload"
	kill -9 "$(claim_pid ${X}01)"
	must_soon no_keeper ${X}01 # it must see the runner die
	poll ${X}01
	is alive orphan
	ag_secrets upload ${X}01
	expect EALIVE
	ag ack ${X}01
	expect ENOEND
	touch "$HOME/stop"
	must_soon test -f "$J/${X}01/exit"
	must_soon poll_says ${X}01 alive 0
	is exit 'exit 5'
	! grep -q ^end <<<"$TEXT" || fail "there is an end"
	ag_secrets upload ${X}01
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 5'
	is end ok
	[ -f "$HOME/s3/b/out/x" ] || fail "not uploaded"
	must_soon no_keeper ${X}01
}

case_a_killed_wrapper_is_lost_when_nobody_lives() {
	PROGRAM=(shell 'echo started; until [ -f "$HOME/stop" ]; do sleep 0.02; done; exit 5')
	started ${X}01
	kill -9 "$(prog_pid ${X}01)"
	sleep 0.3 # long enough for a wrong `lost`
	poll ${X}01
	is alive 1
	! grep -q ^exit <<<"$TEXT" || fail "lost while it lives"
	touch "$HOME/stop"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'lost inner-killed'
	is end ok
}

case_both_killed_is_an_orphan_then_lost() {
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'echo x >output/x; echo started; until [ -f "$HOME/stop" ]; do sleep 0.02; done')
	started ${X}01
	kill_now "$(claim_pid ${X}01)" "$(prog_pid ${X}01)"
	poll ${X}01
	is alive orphan
	touch "$HOME/stop"
	must_soon poll_says ${X}01 alive 0
	ag_secrets upload ${X}01
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'lost runner-killed'
	is end ok
	[ -f "$HOME/s3/b/out/x" ] || fail "not uploaded"
	PROGRAM=(shell 'echo started; exec sleep 320')
	started ${X}02
	kill -9 "$(claim_pid ${X}02)" "$(prog_pid ${X}02)"
	ag cancel ${X}02 3
	expect OK
	must_soon no_members ${X}02
	must_soon poll_says ${X}02 alive 0
	must_soon no_killer ${X}02
}

case_leftovers_of_an_orphan_do_not_hold_up_its_upload() {
	V[DEST]=s3://b/out/ V[GRACE]=1
	PROGRAM=(shell 'setsid sleep 325 & echo x >output/x; echo started
		until [ -f "$HOME/stop" ]; do sleep 0.02; done; exit 6')
	started ${X}01
	kill -9 "$(claim_pid ${X}01)"
	touch "$HOME/stop"
	must_soon test -f "$J/${X}01/exit"
	poll ${X}01
	is alive orphan
	is exit 'exit 6'
	ag_secrets upload ${X}01
	expect OK
	must_soon poll_says ${X}01 end ok
	no_members ${X}01 || fail "left: $(member_pids ${X}01)"
	[ -f "$HOME/s3/b/out/x" ] || fail "not uploaded"
}

case_a_killed_keeper_costs_no_more_than_the_upload() {
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'echo started; echo x >output/x; until [ -f "$HOME/stop" ]; do sleep 0.02; done')
	started ${X}01
	kill -9 "$(keeper_pids ${X}01)"
	touch "$HOME/stop"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 0'
	is end 'upload-failed 137'
	ag_secrets upload ${X}01
	must_soon poll_says ${X}01 end ok
	[ -f "$HOME/s3/b/out/x" ] || fail "not uploaded"
	mkdir -p "$HOME/s3/b"
	INPUTS=(A object s3://b/slow inputs/a)
	launch ${X}02
	must_soon aws_waits
	kill -9 "$(keeper_pids ${X}02 | sort -n | head -n 1)"
	must_soon test -f "$J/${X}02/end"
	poll ${X}02
	is end download-failed
	must_soon no_process_with JOBFS_XFER=${X}02
}

case_transfers_of_a_killed_runner_are_ended() {
	local verb n=0
	mkdir -p "$HOME/s3/b"
	INPUTS=(A object s3://b/slow inputs/a)
	for verb in cancel upload ack; do
		n=$((n + 1))
		rm -rf "$HOME/aws"
		launch ${X}0$n
		must_soon aws_waits
		kill_now "$(claim_pid ${X}0$n)"
		poll ${X}0$n
		is alive 0 # neither keeper nor transfer is the program
		case $verb in
		cancel) ag cancel ${X}0$n 3 ;;
		upload)
			ag_secrets upload ${X}0$n
			must_soon test -f "$J/${X}0$n/end"
			poll ${X}0$n
			is end 'lost runner-killed'
			;;
		ack)
			ag ack ${X}0$n
			expect ENOEND
			ag ack ${X}0$n force
			;;
		esac
		expect OK
		must_soon no_process_with JOBFS_XFER=${X}0$n
		must_soon no_keeper ${X}0$n
	done
}

case_after_a_reboot_the_program_is_lost() {
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'echo x >output/x; echo started; exec sleep 321')
	started ${X}01
	kill -9 "$(claim_pid ${X}01)" "$(prog_pid ${X}01)"
	ag cancel ${X}01 0
	must_soon no_members ${X}01
	sed -i 's/[^ ]*$/another-boot.1/' "$J/${X}01/claim"
	poll ${X}01
	is alive rebooted
	ag_secrets upload ${X}01
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is alive 'done'
	is exit 'lost rebooted'
	is end ok
}

case_a_reused_pid_is_left_alone() {
	PROGRAM=(shell 'echo started; exec sleep 322')
	started ${X}01
	kill -9 "$(claim_pid ${X}01)" "$(prog_pid ${X}01)"
	ag cancel ${X}01 0
	must_soon no_members ${X}01
	must_soon no_killer ${X}01
	setsid sleep 323 &
	local other=$!
	must_soon is_leader "$other"
	rm "$J/${X}01/cancel"
	# its number, but not its start
	sed -i "s/^run \([^ ]*\) [0-9]* /run \1 $other /" "$J/${X}01/claim"
	sed -i "s/^[0-9]*/$other/" "$J/${X}01/prog"
	poll ${X}01
	is alive 0
	ag cancel ${X}01 0
	must_soon no_killer ${X}01
	gone $other && fail "a foreign process was ended"
	kill $other
}

is_leader() { [ "$(stat_of "$1" 4)" = "$1" ]; }

case_a_broken_claim_sends_no_signal() {
	local n=0 pid boot
	poll ab
	boot=$(field boot)
	for pid in '' 0 1 -1 99999999 "$(head -c 5000 /dev/zero | tr '\0' 9)" x; do
		n=$((n + 1))
		mkdir -p "$J/$X$n"
		printf 'run n %s 1 1 %s\n' "$pid" "$boot" >"$J/$X$n/claim"
		[ -n "$pid" ] || : >"$J/$X$n/claim"
		printf '%s 1\n' "$pid" >"$J/$X$n/prog"
		poll "$X$n"
		case $(field alive) in 0 | rebooted) ;; *) fail "'${pid:0:20}': $TEXT" ;; esac
		strace -f -qq --seccomp-bpf -o "$T/trace" -e trace=kill,tkill,tgkill,pidfd_send_signal \
			$SH "$AGENT" cancel n1 "$X$n" 0 >"$T/o" 2>&1 </dev/null
		must_soon no_killer "$X$n"
		! grep -v -e '^[0-9]* *+++' -e '--- SIG' "$T/trace" || fail "signals for '${pid:0:20}'"
	done
}

case_ack_leaves_a_tombstone() {
	PROGRAM=(shell 'echo ran >>"$HOME/ledger"; echo hello; exit 3')
	run_job ${X}01
	local claim
	claim=$(field claim)
	ag ack ${X}01
	expect OK
	ag ack ${X}01
	expect OK
	[ "$(ls -A "$J/${X}01" | tr '\n' ' ')" = 'acked claim end exit ' ] || fail "$(ls -A "$J/${X}01")"
	put ${X}01
	ag_secrets launch ${X}01 "$SUM"
	expect OK
	is claim "$claim"
	poll ${X}01
	is alive 'done'
	is exit 'exit 3'
	is log 0
	ag_secrets upload ${X}01
	expect EACKED
	ag cancel ${X}01 0
	expect OK
	ag ack ${X}01
	[ "$(ls -A "$J/${X}01" | tr '\n' ' ')" = 'acked claim end exit ' ] || fail "$(ls -A "$J/${X}01")"
	[ "$(wc -l <"$HOME/ledger")" = 1 ] || fail "it ran again"
	PROGRAM=(shell 'echo started; exec sleep 324')
	started ${X}02
	ag ack ${X}02
	expect EALIVE
	ag ack ${X}02 force
	expect EALIVE
	ag ack ${X}03
	expect ENOCLAIM
	ag ack ${X}03 force
	expect OK
	put ${X}03
	ag_secrets launch ${X}03 "$SUM"
	expect VOIDED
	ag cancel ${X}04 1
	ag ack ${X}04
	expect OK
	[ "$(ls -A "$J/${X}04" | tr '\n' ' ')" = 'acked claim ' ] || fail "$(ls -A "$J/${X}04")"
}

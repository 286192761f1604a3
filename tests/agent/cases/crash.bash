# What a crash, a cut or a full disk leaves at each point of an attempt's life, and what is
# made of it. Deaths of the running program are in death.bash.
# shellcheck shell=bash disable=SC2153

ran() { PROGRAM=(shell 'echo ran >>"$HOME/ledger"'); }
runs() { if [ -f "$HOME/ledger" ]; then grep -c ran "$HOME/ledger"; else echo 0; fi; }

# A shell for the agent's own processes that kills the runner instead of starting VERB.
kill_runner_at() { # VERB
	cat >"$T/sh" <<-EOT
		#!/bin/bash
		[ "\$2" != $1 ] || { kill -9 "\$(cut -d' ' -f3 "$J/\$4/claim")"; exit; }
		exec $JOBFS_SH "\$@"
	EOT
	chmod +x "$T/sh"
	export JOBFS_SH=$T/sh
}

case_a_payload_that_is_cut_anywhere_is_no_payload() {
	local at
	head -c 100000 /dev/urandom >"$T/f"
	FILES=(f 644 "$T/f")
	ran
	make_payload
	for at in 0 1 7 8 9 100 $((PAYLOAD_SIZE - 100001)) $((PAYLOAD_SIZE - 100000)) 4096 65536 \
		$((PAYLOAD_SIZE - 1)); do
		ag put ${X}01 "$PAYLOAD_SIZE" < <(head -c "$at" "$T/payload")
		expect ETRUNC
		ag_secrets launch ${X}01 "$SUM"
		expect ENOPAYLOAD
	done
	[ -z "$(ls -A "$J/${X}01")" ] || fail "left: $(ls -A "$J/${X}01")"
	put ${X}01
	# one that is there is not replaced by a cut one
	ag put ${X}01 "$PAYLOAD_SIZE" < <(head -c 5000 "$T/payload")
	expect ETRUNC
	ag_secrets launch ${X}01 "$SUM"
	expect OK
	must_soon test -f "$J/${X}01/end"
	cmp "$T/f" "$J/${X}01/work/files/f" || fail "the file differs"
	[ "$(runs)" = 1 ] || fail "$(runs) starts"
}

case_a_launch_that_is_cut_anywhere_is_no_launch() {
	local text=$'AK AKIAEXAMPLE\nSK secret/+=\nST token\nEND cut' at
	ran
	put ${X}01
	for ((at = 0; at < ${#text}; at += 4)); do
		$SH "$AGENT" launch cut ${X}01 "$SUM" < <(printf %s "${text:0:at}") >"$T/o"
		tail -n 1 "$T/o" | grep -q ' END ESTREAM$' || fail "cut at $at: $(cat "$T/o")"
	done
	poll ${X}01
	is claim none
	must_soon no_keeper ${X}01
	[ "$(runs)" = 0 ] || fail "it started"
}

case_launch_and_cancel_at_once_have_one_winner() {
	local i att said
	PROGRAM=(shell 'echo ran >>"$HOME/ledger.$JOBFS_ATTEMPT"; exec sleep 350')
	make_payload
	for i in {10..19}; do
		att=$X$i
		ag put "$att" "$PAYLOAD_SIZE" <"$T/payload"
		printf 'END l\n' | $SH "$AGENT" launch l "$att" "$SUM" >"$T/launch" 2>/dev/null &
		[ $((i % 3)) = 0 ] || sleep "0.0$((i % 3 * 2))"
		ag cancel "$att" 0
		wait
		said=$(tail -n 1 "$T/launch")
		case $CODE:${said##* } in
		VOIDED:VOIDED) [ ! -e "$HOME/ledger.$att" ] || fail "void, but it ran" ;;
		OK:OK)
			must_soon test -f "$J/$att/end"
			poll "$att"
			case $(field exit):$(field end) in
			:cancelled) [ ! -e "$HOME/ledger.$att" ] || fail "cancelled, but it ran" ;;
			'exit 137:ok') ;;
			*) fail "$TEXT" ;;
			esac
			;;
		*) fail "cancel says $CODE, launch says $said" ;;
		esac
		no_members "$att" || fail "left: $(member_pids "$att")"
	done
}

case_a_claim_that_a_power_cut_emptied_started_nothing() {
	ran
	put ${X}01
	: >"$J/${X}01/claim"
	poll ${X}01
	is claim 'run 0 0 0 0 0'
	is alive rebooted
	is phase prepare
	ag_secrets launch ${X}01 "$SUM"
	expect OK
	is claim 'run 0 0 0 0 0'
	ag_secrets upload ${X}01
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end 'lost rebooted'
	[ "$(runs)" = 0 ] || fail "it started"
	ag ack ${X}01
	expect OK
}

case_a_runner_that_dies_before_the_program_is_told_apart() {
	local boot
	ran
	poll ab
	boot=$(field boot)
	put ${X}01 # dead with nothing but its claim
	echo "run n 99999999 1 1 $boot" >"$J/${X}01/claim"
	poll ${X}01
	is alive 0
	is phase prepare
	ag_secrets upload ${X}01
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end 'lost runner-killed'
	[ ! -f "$J/${X}01/exit" ] || fail "an exit of what never ran: $(cat "$J/${X}01/exit")"
	kill_runner_at _exec # nobody can know that the program did not begin
	put ${X}02
	ag_secrets launch ${X}02 "$SUM"
	expect OK
	must_soon poll_says ${X}02 alive 0
	is phase run
	ag_secrets upload ${X}02
	must_soon test -f "$J/${X}02/end"
	poll ${X}02
	is exit 'lost runner-killed'
	is end ok
	[ "$(runs)" = 0 ] || fail "it started"
}

case_between_the_end_and_its_record_nothing_is_concluded() {
	PROGRAM=(shell 'echo started; until [ -f "$HOME/stop" ]; do sleep 0.02; done; exit 5')
	started ${X}01
	kill -STOP "$(prog_pid ${X}01)"
	touch "$HOME/stop"
	must_soon no_members ${X}01
	poll ${X}01
	is alive 1
	! grep -q ^exit <<<"$TEXT" || fail "there is an exit"
	kill -CONT "$(prog_pid ${X}01)"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 5'
}

case_an_upload_that_dies_is_done_again() {
	V[DEST]=s3://b/slow/
	PROGRAM=(shell 'echo x >output/x; exit 2')
	launch ${X}01
	must_soon aws_waits
	kill_now "$(claim_pid ${X}01)"
	poll ${X}01
	is alive 0
	is phase upload
	is exit 'exit 2'
	! grep -q ^end <<<"$TEXT" || fail "there is an end"
	touch "$HOME/go"
	ag_secrets upload ${X}01
	expect OK
	must_soon poll_says ${X}01 end ok
	is exit 'exit 2'
	[ -f "$HOME/s3/b/slow/x" ] || fail "not uploaded"
	must_soon no_process_with JOBFS_XFER=${X}01
}

case_an_ack_that_dies_is_done_again() {
	local left n=0
	PROGRAM=(shell 'mkdir -p output/d; echo x >output/d/x; exit 3')
	for left in 'plan log tlog' 'work ctl' 'plan work'; do
		n=$((n + 1))
		run_job "$X$n"
		for f in "$J/$X$n"/*; do
			case " claim exit end $left " in *" ${f##*/} "*) ;; *) rm -rf "$f" ;; esac
		done
		ag ack "$X$n"
		expect OK
		poll "$X$n"
		is exit 'exit 3'
		[ "$(ls -A "$J/$X$n" | tr '\n' ' ')" = 'acked claim end exit ' ] ||
			fail "left: $(ls -A "$J/$X$n")"
	done
}

case_without_room_for_the_claim_nothing_starts() {
	mount -t tmpfs -o size=300k tmpfs "$HOME" || fail "cannot mount"
	ran
	put ${X}01
	cat /dev/zero >"$HOME/full" 2>/dev/null
	ag_secrets launch ${X}01 "$SUM"
	expect EDISK
	poll ${X}01
	is claim none
	must_soon no_keeper ${X}01
	[ "$(runs)" = 0 ] || fail "it started"
	rm "$HOME/full"
	ag_secrets launch ${X}01 "$SUM"
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 0'
	[ "$(runs)" = 1 ] || fail "$(runs) starts"
}

case_a_result_waits_for_room() {
	mount -t tmpfs -o size=300k tmpfs "$HOME" || fail "cannot mount"
	PROGRAM=(shell 'rm ../reserve; cat /dev/zero >"$HOME/full" 2>/dev/null || exit 6')
	launch ${X}01
	must_soon has_filled ${X}01
	poll ${X}01
	is alive 1
	! grep -q ^exit <<<"$TEXT" || fail "there is an exit"
	rm "$HOME/full"
	wait_until 25 test -f "$J/${X}01/end" || fail "no end although there is room"
	poll ${X}01
	is exit 'exit 6'
	is end ok
}

has_filled() { [ -f "$HOME/full" ] && no_members "$1"; }

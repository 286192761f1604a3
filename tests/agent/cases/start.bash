# Frames, the payload, and the one gate: at most one start, whatever comes twice or late.
# shellcheck shell=bash

ledger() { PROGRAM=(shell 'echo ran >>"$HOME/ledger"'); }
starts() { if [ -f "$HOME/ledger" ]; then wc -l <"$HOME/ledger"; else echo 0; fi; }

case_frames_begin_and_end_and_arguments_are_checked() {
	local arg
	ag nosuchverb ab
	expect EVERB
	for arg in '' 'AB' '../x' 'a b' "a'b" 'x'; do
		ag manifest "$arg"
		expect EARGS
	done
	for arg in 'ab' 'ab:0:0' 'ab:0:0:1:x' 'ab:0:0:1:2:3' 'ab:-1:0:1' 'ab:0:08:1' 'ab::0:1' ':0:0:1' 'x:0:0:1'; do
		ag poll "$arg"
		expect EARGS
	done
	ag cancel ab x
	expect EARGS
	ag put ab
	expect EARGS
	$SH "$AGENT" poll 'n;id' >"$T/o"
	[ $? = 64 ] || fail "a bad nonce is not refused"
	[ ! -s "$T/o" ] || fail "a bad nonce got a reply"
	poll ab
	is attempt ab
	is claim none
	is alive 0
	is log 0
}

case_launch_twice_starts_once() {
	ledger
	run_job ${X}01
	is exit 'exit 0'
	local first
	first=$(field claim)
	ag_secrets launch ${X}01 "$SUM"
	expect OK
	is claim "$first"
	[ "$(starts)" = 1 ] || fail "$(starts) starts"
}

case_twenty_parallel_launches_start_once() {
	local i
	ledger
	put ${X}01
	for i in {1..20}; do
		(
			NONCE=p$i
					printf 'AK a\nSK b\nEND p%s\n' "$i" | $SH "$AGENT" launch "p$i" ${X}01 "$SUM" >"$T/r$i"
		) &
	done
	wait
	must_soon test -f "$J/${X}01/end"
	for i in {1..20}; do
		tail -n 1 "$T/r$i" | grep -q ' END OK$' || fail "launch $i: $(cat "$T/r$i")"
	done
	[ "$(sort -u "$T"/r* | grep -c '^claim ')" = 1 ] || fail "the replies differ"
	[ "$(starts)" = 1 ] || fail "$(starts) starts"
	must_soon no_keeper ${X}01
}

case_cancel_before_launch_voids_it() {
	ledger
	put ${X}01
	ag cancel ${X}01 5
	expect VOIDED
	ag_secrets launch ${X}01 "$SUM"
	expect VOIDED
	poll ${X}01
	is claim 'void cancel'
	is alive 0
	ag cancel ${X}01 5
	expect VOIDED
	ag cancel ${X}02 5 # never heard of: voided as well
	expect VOIDED
	[ "$(starts)" = 0 ] || fail "it started"
}

case_a_frozen_launch_loses_against_cancel() {
	ledger
	put ${X}01
	mkfifo "$T/in"
	$SH "$AGENT" launch frozen ${X}01 "$SUM" <"$T/in" >"$T/o" &
	exec 9>"$T/in"
	printf 'AK x\nSK y\n' >&9
	must_soon has_keeper ${X}01
	ag cancel ${X}01 5
	expect VOIDED
	printf 'END frozen\n' >&9
	exec 9>&-
	wait
	tail -n 1 "$T/o" | grep -q ' END VOIDED$' || fail "the late launch says: $(cat "$T/o")"
	must_soon no_keeper ${X}01
	[ "$(starts)" = 0 ] || fail "it started"
}

has_keeper() { ! no_keeper "$1"; }

case_a_cut_stream_changes_nothing() {
	ledger
	put ${X}01
	ag launch ${X}01 "$SUM" < <(printf 'AK x\nSK y\nEND n')
	expect ESTREAM
	ag launch ${X}01 "$SUM" </dev/null
	expect ESTREAM
	poll ${X}01
	is claim none
	must_soon no_keeper ${X}01
	ag_secrets launch ${X}01 "$SUM"
	expect OK
	must_soon test -f "$J/${X}01/end"
	[ "$(starts)" = 1 ] || fail "$(starts) starts"
}

case_a_wrong_payload_is_refused() {
	ledger
	make_payload
	local size=$PAYLOAD_SIZE
	ag_secrets launch ${X}01 "$SUM"
	expect ENOPAYLOAD
	ag put ${X}01 "$size" < <(head -c $((size - 1)) "$T/payload")
	expect ETRUNC
	ag_secrets launch ${X}01 "$SUM"
	expect ENOPAYLOAD
	ag put ${X}01 $((size - 1)) < <(head -c $((size - 1)) "$T/payload")
	expect OK
	ag_secrets launch ${X}01 "$SUM"
	expect EPAYLOAD
	poll ${X}01
	is claim none
	put ${X}01
	ag_secrets launch ${X}01 "$SUM"
	expect OK
	must_soon test -f "$J/${X}01/end"
	put ${X}01 # late: nobody looks at it
	[ ! -e "$J/${X}01/payload" ] || fail "a late payload stays"
}

case_files_are_unpacked_with_their_modes() {
	printf 'a\0b\n' >"$T/f1"
	printf '#!/bin/sh\nstat -c "%%a %%n" src src/deep src/deep/er "src/deep/x y" run.sh empty ro' >"$T/f2"
	: >"$T/f3"
	DIRS=(src 755 src/deep 700 'src/deep/er' 755 ro 555)
	FILES=('src/deep/x y' 640 "$T/f1" run.sh 644 "$T/f2" empty 444 "$T/f3" "ro/it's" 644 "$T/f1")
	PROGRAM=(shell 'cd files && sh run.sh && cmp src/deep/"x y" ro/"it'\''s"')
	run_job ${X}01
	is exit 'exit 0'
	diff - "$J/${X}01/log" <<-'EOT' || fail "modes: $(cat "$J/${X}01/log")"
		755 src
		700 src/deep
		755 src/deep/er
		640 src/deep/x y
		644 run.sh
		444 empty
		555 ro
	EOT
	cmp "$T/f1" "$J/${X}01/work/files/src/deep/x y" || fail "the content differs"
	[ ! -e "$J/${X}01/payload" ] || fail "the payload stays"
	ag ack ${X}01
	expect OK
	[ ! -e "$J/${X}01/work" ] || fail "a read-only directory stays"
}

case_paths_and_modes_that_lead_out_are_refused() {
	local n=0 bad
	ledger
	echo x >"$T/f"
	for bad in /etc/x ../x a/../../x .. a//x '../new
line\n\c'; do
		n=$((n + 1))
		FILES=("$bad" 644 "$T/f")
		run_job "$X$n"
		is end 'payload-failed a path leads outside'
		is claim "$(cat "$J/$X$n/claim")"
		[ ! -e "$J/$X$n/exit" ] || fail "there is an exit"
	done
	FILES=(x 4755 "$T/f")
	run_job ${X}c
	is end 'payload-failed no mode of a file'
	printf 'jobfs 1 9\nthis ( is' >"$T/payload"
	SUM=$(sha256sum <"$T/payload")
	ag put ${X}d 19 <"$T/payload"
	ag_secrets launch ${X}d "${SUM%% *}"
	expect OK
	must_soon test -f "$J/${X}d/end"
	poll ${X}d
	case $(field end) in payload-failed*) ;; *) fail "a plan that is no sh: $TEXT" ;; esac
	[ "$(starts)" = 0 ] || fail "it started"
}

case_launch_returns_while_the_job_runs() {
	PROGRAM=(shell 'echo started; exec sleep 300')
	put ${X}01
	# cat sees end-of-file only when nobody holds the channel any more
	printf 'END n1\n' | timeout 10 bash -c "$SH $AGENT launch n1 ${X}01 $SUM 2>&1 | cat" >"$T/o" ||
		fail "the channel stays open"
	grep -q 'END OK' "$T/o" || fail "$(cat "$T/o")"
	must_soon grep -qs started "$J/${X}01/log"
	poll ${X}01
	is alive 1
	is phase run
	must_soon no_keeper ${X}01 # nothing to upload
}

case_setsid_without_fork_option_does_too() {
	mkdir "$T/bin"
	printf '#!/bin/sh\nexec busybox setsid "$@"\n' >"$T/bin/setsid"
	chmod +x "$T/bin/setsid"
	PATH=$T/bin:$PATH
	PROGRAM=(shell 'exit 4')
	run_job ${X}01
	is exit 'exit 4'
}

case_many_attempts_in_one_poll() {
	local i specs=()
	PROGRAM=(shell 'echo log of $JOB_NAME')
	for i in {10..19}; do
		V[JOB]=j$i
		launch "$X$i"
	done
	for i in {10..19}; do must_soon test -f "$J/$X$i/end"; done
	for i in {10..50}; do specs+=("$X$i:4:0:4"); done
	ag poll "${specs[@]}"
	expect OK
	[ "$(grep -c '^attempt ' <<<"$TEXT")" = 41 ] || fail "$TEXT"
	[ "$(grep -c '^alive done' <<<"$TEXT")" = 10 ] || fail "$TEXT"
	[ "$(grep -c '^claim none' <<<"$TEXT")" = 31 ] || fail "$TEXT"
	[ "$(grep -A1 '^data log 4' <<<"$TEXT" | grep -c '^of j')" = 10 ] || fail "$TEXT"
}

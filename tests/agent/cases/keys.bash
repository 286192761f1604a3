# Temporary credentials: the host asks for new ones, and goes on with them.
# shellcheck shell=bash

old_keys() { # SECONDS: for the launch
	SECRETS=$'AK old\nSK old/secret\nST old-token\nXP '$1$'\n'
}
new_keys() { SECRETS=$'AK new\nSK new/secret\nST new-token\nXP 3600\n'; }
wants_keys() { # ATT
	poll "$1"
	[ "$(field keys)" = 1 ]
}
renew() { # ATT
	new_keys
	ag_secrets renew "$1"
	expect OK
}
called() { # N
	set -- "$1" "$HOME"/aws/argv.*
	[ $# -gt "$1" ]
}
calls_with() { # KEY: how many calls of aws had it
	grep -lszxF "AWS_ACCESS_KEY_ID=$1" "$HOME"/aws/env.* | grep -c .
}

case_expired_credentials_are_renewed_and_the_download_goes_on() {
	bucket d
	echo a >"$HOME/s3/b/expired"
	echo b >"$HOME/s3/b/fine"
	echo c >"$HOME/s3/b/d/c"
	INPUTS=(A object s3://b/expired inputs/a B object s3://b/fine inputs/b C prefix s3://b/d/ inputs/c)
	PROGRAM=(shell 'cat "$JOB_INPUT_A" "$JOB_INPUT_B" "$JOB_INPUT_C/c"')
	old_keys 3600
	launch ${X}01
	must_soon wants_keys ${X}01
	poll ${X}01 # that one may have looked at the transfers before
	is 'xfer 0' 'run 0'
	is 'xfer 1' 'ok 4'
	is phase download
	renew ${X}01
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	is exit 'exit 0'
	is 'xfer 0' 'ok 4'
	[ "$(field keys)" = '' ] || fail "keys are wanted: $TEXT"
	[ "$(cat "$J/${X}01/log")" = $'a\nb\nc' ] || fail "$(cat "$J/${X}01/log")"
	[ "$(calls_with new)" = 1 ] || fail "what was there was fetched again"
	seen s3://b/expired
	! grep -rls -e old-token -e new-token -e new/secret "$HOME/.jobfs" >"$T/found" ||
		fail "on the disk: $(cat "$T/found")"
}

case_credentials_that_grew_old_are_renewed_before_the_upload() {
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'echo x >output/x; sleep 2')
	old_keys 2
	launch ${X}01
	must_soon wants_keys ${X}01
	is exit 'exit 0'
	[ ! -e "$HOME/s3/b/out" ] || fail "it uploaded with those that had expired"
	renew ${X}01
	must_soon test -f "$J/${X}01/end"
	has_line "$J/${X}01/end" ok || fail "$(cat "$J/${X}01/end" "$J/${X}01/tlog")"
	seen s3://b/out/
	aws_says AWS_ACCESS_KEY_ID=new
	aws_says AWS_SECRET_ACCESS_KEY=new/secret
	aws_says AWS_SESSION_TOKEN=new-token
	[ -z "$(calls_with old)" ] || [ "$(calls_with old)" = 0 ] || fail "the old ones were used"
}

case_expired_credentials_are_renewed_and_the_upload_is_done_again() {
	V[DEST]=s3://b/expired/
	PROGRAM=(shell 'echo x >output/x')
	old_keys 3600
	launch ${X}01
	must_soon wants_keys ${X}01
	is 'xfer out' 'run 0'
	renew ${X}01
	must_soon test -f "$J/${X}01/end"
	has_line "$J/${X}01/end" ok || fail "$(cat "$J/${X}01/end" "$J/${X}01/tlog")"
	[ -f "$HOME/s3/b/expired/x" ] || fail "nothing was uploaded"
}

case_credentials_that_are_good_are_not_renewed() {
	bucket .
	echo a >"$HOME/s3/b/k"
	INPUTS=(A object s3://b/k inputs/a)
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'echo x >output/x')
	old_keys 3600
	run_job ${X}01
	is end ok
	[ "$(calls_with old)" = 2 ] || fail "$(calls_with old) calls"
	# and a failure of another kind is one at once
	INPUTS=(A object s3://b/fail7/x inputs/a)
	run_job ${X}02
	is end download-failed
	is 'xfer 0' 'fail 7 0'
}

case_credentials_that_come_cut_short_change_nothing() {
	bucket .
	echo a >"$HOME/s3/b/expired"
	INPUTS=(A object s3://b/expired inputs/a)
	old_keys 3600
	launch ${X}01
	must_soon wants_keys ${X}01
	printf 'AK new\nSK new/secret\n' | $SH "$AGENT" renew n0 ${X}01 >"$T/reply"
	grep -q 'END ESTREAM' "$T/reply" || fail "$(cat "$T/reply")"
	wants_keys ${X}01 || fail "they are not wanted any more"
	ag cancel ${X}01 1
	must_soon test -f "$J/${X}01/end"
	has_line "$J/${X}01/end" cancelled || fail "$(cat "$J/${X}01/end")"
	must_soon no_keeper ${X}01
	poll ${X}01
	[ "$(field keys)" = '' ] || fail "keys are wanted: $TEXT"
	renew ${X}01 # nobody waits: nothing is made
	! grep -rls -e new-token "$HOME/.jobfs" >"$T/found" || fail "on the disk: $(cat "$T/found")"
}

case_credentials_that_never_hold_fail_in_the_end() {
	bucket .
	echo a >"$HOME/s3/b/expired"
	INPUTS=(A object s3://b/expired inputs/a)
	old_keys 3600
	launch ${X}01
	for n in 1 2 3; do
		must_soon wants_keys ${X}01
		ag_secrets renew ${X}01
		expect OK
		must_soon called $((n + 1))
	done
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end download-failed
	is 'xfer 0' 'fail 1 0'
}

case_checkpoints_go_on_with_new_credentials() {
	V[CKPT]=checkpoints V[CKPT_DEST]=s3://b/ckpt/ V[CKPT_INTERVAL]=1 V[CKPT_SETTLE]=0 V[CKPT_RESUME]=1
	PROGRAM=(shell 'echo 1 >checkpoints/one; until [ -e "$HOME/go" ]; do sleep 0.1; done; echo 2 >checkpoints/two')
	old_keys 4
	launch ${X}01
	must_soon grep -qs one "$HOME/s3/b/ckpt/LATEST"
	must_soon wants_keys ${X}01
	is phase run
	renew ${X}01
	wait_until 3 wants_keys ${X}01 && fail "they are wanted again"
	touch "$HOME/go"
	# the keeper itself has still the old ones: it asks before the last round
	must_soon wants_keys ${X}01
	renew ${X}01
	must_soon test -f "$J/${X}01/end"
	has_line "$J/${X}01/end" ok || fail "$(cat "$J/${X}01/end")"
	grep -q two "$HOME/s3/b/ckpt/LATEST" || fail "$(cat "$J/${X}01/tlog")"
}

# Inputs and outputs, with the stand-in for the AWS CLI and, where it answers without a
# network, with the real one.
# shellcheck shell=bash

REAL_AWS=/usr/bin/aws

bucket() { mkdir -p "$HOME/s3/b/$1"; }
used() { tr '\0' '\n' <"$T/env"; } # what the stand-in saw, after `seen`
seen() { # PATTERN: finds the call whose arguments match; argv in $T/argv, env in $T/env
	local file
	for file in "$HOME"/aws/argv.*; do
		tr '\0' ' ' <"$file" | grep -q -- "$1" || continue
		cp "$file" "$T/argv"
		cp "$HOME/aws/env.${file##*.}" "$T/env"
		return
	done
	fail "aws was not called with $1"
}
aws_says() { used | grep -qx -- "$1" || fail "no $1 for aws"; }
aws_says_not() { ! used | grep -q -- "^$1" || fail "$(used | grep "^$1") for aws"; }

case_inputs_arrive_in_parallel() {
	bucket e/deep
	head -c 100000 /dev/urandom >"$HOME/s3/b/k y's"
	echo x >"$HOME/s3/b/e/deep/é"
	echo y >"$HOME/s3/b/slow"
	INPUTS=(ONE object "s3://b/k y's" "inputs/one/k y's" TWO prefix s3://b/e/ inputs/two
		SLOW object s3://b/slow inputs/slow)
	V[ENDPOINT]=http://127.0.0.1:9 V[REGION]=eu-1
	PROGRAM=(shell 'cmp "$JOB_INPUT_ONE" "$HOME/s3/b/k y'\''s" && cat "$JOB_INPUT_TWO/deep/é"')
	SECRETS=$'AK ak1\nSK s/k+1 =\nST st1\n'
	launch ${X}01
	must_soon has_line "$J/${X}01/xfer.0" 'ok 100'
	must_soon grep -qs ok "$J/${X}01/xfer.1"
	must_soon has_line "$J/${X}01/xfer.2" run # each is begun for itself
	poll ${X}01
	is 'xfer 0' 'ok 100'
	is phase download
	is 'xfer 2' 'run 0'
	is alive 1
	touch "$HOME/go"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 0'
	is end ok
	is 'xfer 2' 'ok 4'
	has_line "$J/${X}01/tlog" "== ONE: s3://b/k y's -> inputs/one/k y's" || fail "$(cat "$J/${X}01/tlog")"
	must_soon no_keeper ${X}01
	seen k.y
	aws_says AWS_ACCESS_KEY_ID=ak1
	aws_says 'AWS_SECRET_ACCESS_KEY=s/k+1 ='
	aws_says AWS_SESSION_TOKEN=st1
	aws_says AWS_DEFAULT_REGION=eu-1
	aws_says AWS_EC2_METADATA_DISABLED=true
	aws_says AWS_CONFIG_FILE=/dev/null
	aws_says AWS_PAGER=
	aws_says LC_ALL=C.UTF-8
	aws_says AWS_REQUEST_CHECKSUM_CALCULATION=when_required
	aws_says PWD="$J/${X}01/work"
	printf '%s\n' s3 cp "s3://b/k y's" "$J/${X}01/work/inputs/one/k y's" \
		--no-progress --endpoint-url http://127.0.0.1:9 >"$T/want"
	tr '\0' '\n' <"$T/argv" | cmp - "$T/want" || fail "arguments: $(tr '\0' ' ' <"$T/argv")"
}

case_without_credentials_the_host_answers_for_itself() {
	bucket .
	echo x >"$HOME/s3/b/k"
	INPUTS=(ONE object s3://b/k inputs/k)
	export AWS_PROFILE=host
	run_job ${X}01
	is end ok
	seen s3://b/k
	aws_says AWS_PROFILE=host
	aws_says_not AWS_ACCESS_KEY_ID
	aws_says_not AWS_CONFIG_FILE
	aws_says_not AWS_EC2
	aws_says_not AWS_DEFAULT_REGION
	rm -r "$HOME/aws"
	export AWS_SESSION_TOKEN=of-the-host
	SECRETS=$'AK a\nSK s\n'
	run_job ${X}02
	seen s3://b/k
	aws_says_not AWS_PROFILE
	aws_says_not AWS_SESSION_TOKEN
}

case_a_failed_download_keeps_the_program_from_starting() {
	bucket e
	echo x >"$HOME/s3/b/k"
	INPUTS=(A object s3://b/fail7/x inputs/a B object s3://b/k inputs/b
		C object s3://b/nothing inputs/c D prefix s3://b/e/ inputs/d E object s3://b/no inputs/e)
	PROGRAM=(shell 'echo ran >>"$HOME/ledger"')
	run_job ${X}01
	is end download-failed
	is 'xfer 0' 'fail 7 0'
	is 'xfer 1' 'ok 4'
	is 'xfer 2' 'fail 0 0'
	case $(field 'xfer 3') in 'fail 0 '*) ;; *) fail "an empty prefix: $TEXT" ;; esac
	is 'xfer 4' 'fail 1 0'
	! grep -q '^exit' <<<"$TEXT" || fail "there is an exit"
	[ ! -e "$HOME/ledger" ] || fail "it started"
	grep -q 'nothing came from s3://b/nothing' "$J/${X}01/tlog" || fail "$(cat "$J/${X}01/tlog")"
	must_soon no_keeper ${X}01
	V[AWS]=/nonexistent/aws
	INPUTS=(A object s3://b/k inputs/a)
	run_job ${X}02
	is end download-failed
	is 'xfer 0' 'fail 127 0'
}

case_the_real_aws_is_refused() {
	[ -x $REAL_AWS ] || fail "no $REAL_AWS"
	INPUTS=(A object s3://bucket/key inputs/a)
	V[AWS]=$REAL_AWS V[ENDPOINT]=http://127.0.0.1:9 V[REGION]=us-east-1
	export AWS_MAX_ATTEMPTS=1 AWS_PROFILE=not-there
	SECRETS=$'AK AKIDEXAMPLE\nSK secret\n'
	launch ${X}01
	wait_until 30 test -f "$J/${X}01/end" || fail "aws does not give up"
	poll ${X}01
	is end download-failed
	grep -q 'Could not connect to the endpoint' "$J/${X}01/tlog" || fail "$(cat "$J/${X}01/tlog")"
}

nasty_tree() { # as the program: what may be in an output directory
	cat <<-'EOT'
		cd "$JOB_OUTPUT_DIR"
		mkdir -p sub/deep 'a b' .hid
		printf 1 >plain; printf 22 >'sub/deep/new
		line'; printf 333 >"it's \"q\""; printf 4444 >-dash; printf 55555 >'a b/ünï ☃'; : >empty
		printf 666666 >.hid/.dot; printf 7 >'star*[x]?'; printf 8 >'$(id)'; printf 9 >'back\slash'
		printf 10 >sub/skip.log; printf 11 >'sub/[b].txt'
	EOT
}
nasty_names() { # SIZE NAME NUL, without what excludes leave out
	printf '%s\0' "4 -dash" "6 .hid/.dot" "1 \$(id)" $'5 a b/ünï ☃' '1 back\slash' '0 empty' \
		"3 it's \"q\"" '1 plain' '1 star*[x]?' '2 sub/[b].txt' $'2 sub/deep/new\nline'
}

case_the_manifest_is_what_is_uploaded() {
	V[DEST]=s3://b/out/
	PROGRAM=(shell "$(nasty_tree)")
	SECRETS=$'AK a\nSK s\n'
	run_job ${X}01
	is exit 'exit 0'
	is end ok
	is 'xfer out' 'ok 0'
	{
		nasty_names
		printf '2 sub/skip.log\0'
	} | sort -z >"$T/want"
	sort -z "$J/${X}01/manifest" | cmp - "$T/want" || fail "manifest: $(tr '\0' '|' <"$J/${X}01/manifest")"
	[ ! -s "$J/${X}01/skipped" ] || fail "skipped: $(tr '\0' '|' <"$J/${X}01/skipped")"
	uploaded | cmp - "$T/want" || fail "uploaded: $(uploaded | tr '\0' '|')"
	ag manifest ${X}01
	expect OK
	cat "$J/${X}01/manifest" - >"$T/block" <<<''
	grep -qF "data manifest $(stat -c %s "$J/${X}01/manifest")" <<<"$TEXT" || fail "$TEXT"
	is 'data skipped' 0
	must_soon no_keeper ${X}01
}

uploaded() { (cd "$HOME/s3/b/out" 2>/dev/null && find . -type f -printf '%s %P\0') | sort -z; }

special_files() {
	cat <<-'EOT'
		ln -s /etc/passwd link; ln -s . loop; ln -s /etc dirlink; ln -s nowhere dangling
		mkfifo sub/fifo; printf x >"$(printf 'bad\377name')"
		python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
		mknod dev c 1 3 || :
	EOT
}

case_special_files_and_excludes_are_left_out() {
	V[DEST]=s3://b/out/
	EXCLUDES=('*.log' 'exact' 'tmp/**' '*/[[]c].txt' "it's*")
	PROGRAM=(shell "$(nasty_tree; special_files)
		printf x >exact; mkdir -p tmp/x; printf x >tmp/x/y; printf x >'sub/[c].txt'; printf 33 >notexact")
	run_job ${X}01
	is end ok
	{
		nasty_names | grep -zv "it's"
		printf '2 notexact\0'
	} | sort -z >"$T/want"
	sort -z "$J/${X}01/manifest" | cmp - "$T/want" || fail "manifest: $(tr '\0' '|' <"$J/${X}01/manifest")"
	uploaded | cmp - "$T/want" || fail "uploaded: $(uploaded | tr '\0' '|')"
	printf '%s\0' $'badname bad\xffname' 'device dev' 'fifo sub/fifo' 'socket sock' \
		'symlink dangling' 'symlink dirlink' 'symlink link' 'symlink loop' | sort -z >"$T/want"
	sort -z "$J/${X}01/skipped" | cmp - "$T/want" || fail "skipped: $(tr '\0' '|' <"$J/${X}01/skipped")"
}

case_the_download_limit_ends_the_transfers() {
	mkdir -p "$HOME/s3/b"
	echo x >"$HOME/s3/b/quick"
	V[DOWNLOAD_LIMIT]=1
	INPUTS=(A object s3://b/quick inputs/a B object s3://b/slow inputs/b C object s3://b/deaf inputs/c)
	PROGRAM=(shell 'echo ran >>"$HOME/ledger"')
	run_job ${X}01
	is end download-failed
	is timeout download
	is 'xfer 0' 'ok 4'
	is 'xfer 1' 'fail 143 0'
	is 'xfer 2' 'fail 137 0'
	! grep -q ^exit <<<"$TEXT" || fail "there is an exit"
	[ ! -e "$HOME/ledger" ] || fail "it started"
	must_soon no_process_with JOBFS_XFER=${X}01
	must_soon no_timer ${X}01
	must_soon no_keeper ${X}01
}

case_the_upload_limit_ends_the_transfer() {
	V[DEST]=s3://b/deaf/ V[UPLOAD_LIMIT]=1
	PROGRAM=(shell 'echo x >output/x; exit 3')
	run_job ${X}01
	is exit 'exit 3'
	is end 'upload-failed 137'
	is timeout upload
	must_soon no_process_with JOBFS_XFER=${X}01
	must_soon no_timer ${X}01
	touch "$HOME/go"
	ag_secrets upload ${X}01
	expect OK
	must_soon poll_says ${X}01 end ok
	! grep -q '^timeout' <<<"$TEXT" || fail "the limit of the first upload is still shown"
	[ -f "$HOME/s3/b/deaf/x" ] || fail "not uploaded"
}

has_timer() { ! no_timer "$1"; }

case_limits_that_are_not_reached_leave_nothing_behind() {
	mkdir -p "$HOME/s3/b"
	echo x >"$HOME/s3/b/slow"
	V[DOWNLOAD_LIMIT]=1000 V[RUN_LIMIT]=1000 V[UPLOAD_LIMIT]=1000 V[DEST]=s3://b/out/
	INPUTS=(A object s3://b/slow inputs/a)
	PROGRAM=(shell 'cp inputs/a output/x')
	launch ${X}01
	must_soon aws_waits
	must_soon has_timer ${X}01 # who looks at the limit
	touch "$HOME/go"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	! grep -q '^timeout' <<<"$TEXT" || fail "a timeout"
	must_soon no_timer ${X}01
	rm "$HOME/go" "$HOME"/aws/*
	launch ${X}02
	must_soon aws_waits
	kill -9 "$(claim_pid ${X}02)" # a phase of transfers ends with its runner
	must_soon no_timer ${X}02
}

# The real AWS CLI walks the tree without a network under --dryrun.
case_the_real_aws_uploads_the_manifest() {
	local att
	mkdir "$T/bin"
	printf '#!/bin/sh\nexec %s "$@" --dryrun\n' $REAL_AWS >"$T/bin/aws"
	chmod +x "$T/bin/aws"
	V[AWS]=$T/bin/aws V[DEST]=s3://b/out/ V[REGION]=us-east-1
	SECRETS=$'AK AKIDEXAMPLE\nSK secret\n'
	PROGRAM=(shell "$(nasty_tree)")
	launch ${X}01
	EXCLUDES=('*.log')
	PROGRAM=(shell "$(nasty_tree; special_files)")
	launch ${X}02
	nasty_names | sort -z >"$T/want02"
	{
		nasty_names
		printf '2 sub/skip.log\0'
	} | sort -z >"$T/want01"
	for att in ${X}01 ${X}02; do
		wait_until 30 test -f "$J/$att/end" || fail "aws does not end"
		poll $att
		is end ok
		sort -z "$J/$att/manifest" | cmp - "$T/want${att#"$X"}" || fail "manifest of $att"
		# "(dryrun) upload: LOCAL to s3://b/out/KEY"; a key may hold a newline
		sed -n ':a;N;$!ba;s/\n(dryrun)/\x00(dryrun)/g;p' "$J/$att/tlog" |
			tr '\0' '\1' | sed -z 's/\n$//' | tr '\1' '\0' |
			grep -za '^(dryrun)' | sed -z 's/.* to s3:..b.out.//' | sort -z >"$T/keys"
		sort -z "$J/$att/manifest" | sed -z 's/^[0-9]* //' | sort -z | cmp - "$T/keys" ||
			fail "$att: aws takes $(tr '\0' '|' <"$T/keys")"
	done
}

case_outputs_go_up_after_failure_too() {
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'echo x >output/x; exit 3')
	run_job ${X}01
	is exit 'exit 3'
	is end ok
	[ -f "$HOME/s3/b/out/x" ] || fail "not uploaded"
	rm -r "$HOME/s3"
	SETUP='echo y >output/y; exit 4'
	run_job ${X}02
	is exit 'setup 4'
	[ -f "$HOME/s3/b/out/y" ] || fail "not uploaded after a failed setup"
	SETUP='' V[RUN_LIMIT]=1
	PROGRAM=(shell 'echo z >output/z; exec sleep 304')
	run_job ${X}03
	is timeout run
	is exit 'exit 143'
	[ -f "$HOME/s3/b/out/z" ] || fail "not uploaded after a time-out"
	V[RUN_LIMIT]=0
	PROGRAM=(shell 'echo c >output/c; echo started; exec sleep 305')
	started ${X}04
	ag cancel ${X}04 5
	must_soon test -f "$J/${X}04/end"
	poll ${X}04
	is exit 'exit 143'
	is cancel 1
	is end ok
	[ -f "$HOME/s3/b/out/c" ] || fail "not uploaded after a cancel"
}

case_no_outputs_need_no_upload() {
	V[DEST]=s3://b/fail5/
	PROGRAM=(shell 'mkdir output/empty')
	run_job ${X}01
	is end ok
	[ ! -e "$HOME/aws" ] || fail "aws was called for nothing"
	PROGRAM=(shell 'rmdir output')
	run_job ${X}02
	is end ok
	V[DEST]=''
	PROGRAM=(shell 'echo x >output/x')
	run_job ${X}03
	is end ok
	[ ! -e "$HOME/aws" ] || fail "aws was called without a destination"
	V[DEST]=s3://b/ok/ V[OUTPUT]=''
	run_job ${X}04
	is end ok
	ag manifest ${X}04
	expect ENOMANIFEST
}

case_an_output_directory_that_became_a_link_is_not_followed() {
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'rmdir output; ln -s /etc output')
	run_job ${X}01
	is end ok
	[ ! -s "$J/${X}01/manifest" ] || fail "manifest: $(tr '\0' '|' <"$J/${X}01/manifest")"
	printf 'symlink .\0' | cmp - "$J/${X}01/skipped" || fail "skipped"
	V[OUTPUT]=a/b/out
	PROGRAM=(shell 'echo x >a/b/out/x; mv a c; ln -s c a')
	run_job ${X}02
	[ ! -s "$J/${X}02/manifest" ] || fail "followed on the way"
	V[OUTPUT]=a/b/out
	PROGRAM=(shell 'echo x >a/b/out/x')
	run_job ${X}03
	printf '2 x\0' | cmp - "$J/${X}03/manifest" || fail "a deeper directory"
	[ -f "$HOME/s3/b/out/x" ] || fail "not uploaded"
}

case_a_list_of_outputs_that_is_cut_is_no_list() {
	PROGRAM=(shell 'echo 1 >output/o; ln -s /dev/full ../t.manifest')
	V[DEST]=s3://b/out/
	run_job ${X}01
	is exit 'exit 0'
	is end 'upload-failed 1'
	[ ! -e "$HOME/s3/b/out" ] || fail "something was sent"
	rm "$J/${X}01/t.manifest"
	ag_secrets upload ${X}01 again
	expect OK
	must_come poll_says ${X}01 end ok
	[ "$(<"$HOME/s3/b/out/o")" = 1 ] || fail "nothing was sent"
}

case_a_failed_upload_is_done_again() {
	V[DEST]=s3://b/fail6/
	PROGRAM=(shell 'echo x >output/x; exit 2')
	SECRETS=$'AK a\nSK s\n'
	run_job ${X}01
	is exit 'exit 2'
	is end 'upload-failed 6'
	is 'xfer out' 'fail 6 0'
	is alive 'done'
	SECRETS=$'AK again\nSK s\n'
	ag_secrets upload ${X}01
	expect OK
	must_soon poll_says ${X}01 end 'upload-failed 6'
	must_soon no_keeper ${X}01
	ag upload ${X}01 </dev/null
	expect ESTREAM
	poll_says ${X}01 end 'upload-failed 6' || fail "a cut stream changed something: $TEXT"
	sed -i 's/fail6/slow/' "$J/${X}01/plan"
	rm -f "$HOME"/aws/*
	ag_secrets upload ${X}01
	expect OK
	must_soon aws_waits
	poll ${X}01
	is alive 1
	is phase upload
	is 'xfer out' 'run 0'
	ag_secrets upload ${X}01 # somebody is at it
	expect OK
	touch "$HOME/go"
	must_soon poll_says ${X}01 end ok
	is exit 'exit 2'
	[ "$(ls "$HOME"/aws/argv.* | wc -l)" = 1 ] || fail "uploaded twice"
	seen s3://b/slow
	aws_says AWS_ACCESS_KEY_ID=again
	ag_secrets upload ${X}01
	expect OK
	ag_secrets upload ${X}02
	expect ENOCLAIM
}

case_bytes_that_are_not_those_of_the_etag_are_fetched_again() {
	mkdir -p "$HOME/s3/b/p/d"
	printf 'one' >"$HOME/s3/b/flip1"
	printf 'two' >"$HOME/s3/b/p/flip2"
	printf 'three' >"$HOME/s3/b/p/d/good\\ one"
	printf 'none of it' >"$HOME/s3/b/flip1-and-more"
	INPUTS=(A object s3://b/flip1 inputs/a/flip1 B prefix s3://b/p/ 'inputs/b b')
	PROGRAM=(shell 'cat "$JOB_INPUT_A" "$JOB_INPUT_B"/flip2 "$JOB_INPUT_B"/d/*')
	V[VERIFY]=all
	launch ${X}01
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	[ "$(<"$J/${X}01/log")" = onetwothree ] || fail "$(<"$J/${X}01/log")"
	[ "$(grep -c 'not those of its ETag' "$J/${X}01/tlog")" = 2 ] || fail "$(<"$J/${X}01/tlog")"
}

case_what_neither_came_nor_can_be_listed_is_no_download() {
	bucket broken
	touch "$HOME/broken"
	echo x >"$HOME/s3/b/broken/k"
	V[VERIFY]=all
	INPUTS=(A prefix s3://b/broken/ inputs/a)
	PROGRAM=(shell 'echo ran >>"$HOME/ledger"')
	run_job ${X}01
	is end download-failed
	INPUTS=(A object s3://b/broken/k inputs/a)
	run_job ${X}02
	is end download-failed
	INPUTS=(A object s3://b/broken/gone inputs/a)
	rm "$HOME/broken"
	run_job ${X}03
	is end download-failed
	[ ! -e "$HOME/ledger" ] || fail "the program ran"
	grep -q 'cannot be verified' "$J/${X}01/tlog" || fail "$(<"$J/${X}01/tlog")"
}

case_names_with_backslashes_are_verified_as_they_are() {
	local name
	bucket p
	for name in 'train\new.csv' 'x\c' 'flip\101' 'a\\b\c'; do printf '%s' "$name" >"$HOME/s3/b/p/$name"; done
	INPUTS=(A prefix s3://b/p/ inputs/a)
	# shellcheck disable=SC2016
	PROGRAM=(shell 'cd "$JOB_INPUT_A" && for f in *; do [ "$(cat "$f")" = "$f" ] || exit 1; done; ls | wc -l')
	V[VERIFY]=all
	run_job ${X}01
	is end ok
	is exit 'exit 0'
	[ "$(tr -d ' ' <"$J/${X}01/log")" = 4 ] || fail "$(<"$J/${X}01/log")"
	[ "$(grep -c 'its ETag' "$J/${X}01/tlog")" = 1 ] || fail "$(<"$J/${X}01/tlog")"
}

case_bytes_that_stay_wrong_are_no_download() {
	mkdir -p "$HOME/s3/b"
	printf 'one' >"$HOME/s3/b/other"
	INPUTS=(A object s3://b/other inputs/a)
	V[VERIFY]=all
	launch ${X}01
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end download-failed
	is 'xfer 0' 'fail 1 4'
}

case_an_object_that_changed_since_it_was_listed_is_right() {
	mkdir -p "$HOME/s3/b"
	printf 'one' >"$HOME/s3/b/k"
	INPUTS=(A object s3://b/k inputs/a)
	V[VERIFY]=all SUMS='sum 0 5 00000000000000000000000000000000'
	launch ${X}01
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
}

# The clients that a user names: with recorders in their place, and the real ones where they
# answer without a network. tests/e2e/test_clients.py moves data with them.
# shellcheck shell=bash

recorder() { # NAME: a program that notes how it was called and brings an object
	mkdir -p "$T/bin"
	cat >"$T/bin/$1" <<-'EOT'
		#!/bin/bash
		[ "$1" != --version ] || exec echo "s3cmd version 2.3.0"
		[ "$1" != version ] || exec echo "rclone v1.60.1-DEV"
		printf '%s\0' "$@" >>"$HOME/argv"
		env >"$HOME/env"
		[ "$1" != -c ] || cp "$2" "$HOME/conf"
		[ ! -e "$HOME/fails" ] || exit "$(<"$HOME/fails")"
		case $* in
		*' get '* | copyto*) echo x >"${@: -1}" ;;
		*ls*) ;;
		esac
	EOT
	chmod +x "$T/bin/$1"
}
has_env() { grep -qx -- "$1" "$HOME/env" || fail "no $1 in $(grep -e RCLONE -e AWS "$HOME/env")"; }
has_arg() { tr '\0' '\n' <"$HOME/argv" | grep -qxF -- "$1" || fail "no $1 in $(tr '\0' ' ' <"$HOME/argv")"; }

case_a_client_is_found_or_not() {
	local name
	for name in rclone s3cmd; do
		recorder $name
		PATH=$T/bin:$PATH ag tool $name
		expect OK
		is path "$T/bin/$name"
		[ -n "$(field version)" ] || fail "$TEXT"
		printf '#!/bin/sh\nexit 1\n' >"$T/bin/$name"
		PATH=$T/bin:/bin:/usr/bin ag tool $name
		[ "$CODE" = ENOTOOL ] || [ "$(field path)" != "$T/bin/$name" ] || fail "one that does not run: $TEXT"
		mkdir -p "$T/sys"
		ln -sf /bin/* "$T/sys/"
		rm -f "$T/sys/$name"
		PATH=$T/sys ag tool $name
		expect ENOTOOL
		grep -q "no $name that works" <<<"$TEXT" || fail "$TEXT"
	done
	for name in aws curl _sec ''; do
		ag tool "$name"
		expect EARGS
	done
}

says_version() { # VERSION: s3cmd does, and notes that it was asked
	mkdir -p "$T/bin"
	printf '#!/bin/bash\n[ "$1" = --version ] || exit 77\necho asked >>%q\necho "s3cmd version %s"\n' "$T/asked" "$1" \
		>"$T/bin/s3cmd"
	chmod +x "$T/bin/s3cmd"
}
expect_version() { # VERSION TIMES: that is found, and the program was asked so often
	PATH=$T/bin:$PATH ag tool s3cmd
	expect OK
	is path "$T/bin/s3cmd"
	is version "$1"
	[ "$(grep -c asked "$T/asked")" = "$2" ] || fail "asked $(grep -c asked "$T/asked") times, not $2"
}

case_a_client_is_asked_for_its_version_until_it_changes_or_fails() {
	mkdir -p "$HOME/.jobfs"
	says_version 2.3.0
	expect_version 2.3.0 1
	expect_version 2.3.0 1
	says_version 2.40.0
	expect_version 2.40.0 2
	expect_version 2.40.0 2
	V[ENGINE]=s3cmd V[TOOL]=$T/bin/s3cmd V[ENDPOINT]=http://127.0.0.1:9
	INPUTS=(A object s3://b/k inputs/k)
	run_job ${X}01
	is end download-failed
	expect_version 2.40.0 3
	rm "$HOME/.jobfs/known.s3cmd"
	echo cut >"$HOME/.jobfs/known.s3cmd" # by a full disk
	expect_version 2.40.0 4
}

case_rclone_gets_the_job_and_nothing_of_the_host() {
	recorder rclone
	V[ENGINE]=rclone V[TOOL]=$T/bin/rclone V[ENDPOINT]=http://127.0.0.1:9 V[REGION]=eu-1
	INPUTS=(A object "s3://b/k y's" "inputs/k y's")
	SECRETS=$'AK ak1\nSK s/k+1 =\nST st1\n'
	export RCLONE_DRY_RUN=1 RCLONE_CONFIG_JOBFS_ACCESS_KEY_ID=host AWS_PROFILE=host AWS_CA_BUNDLE=/ca
	run_job ${X}01
	is end ok
	has_arg copyto
	has_arg "jobfs:b/k y's"
	has_arg "$J/${X}01/work/inputs/k y's"
	has_env RCLONE_CONFIG=/dev/null
	has_env RCLONE_CONFIG_JOBFS_ENDPOINT=http://127.0.0.1:9
	has_env RCLONE_CONFIG_JOBFS_REGION=eu-1
	has_env RCLONE_CA_CERT=/ca
	has_env AWS_ACCESS_KEY_ID=ak1
	has_env 'AWS_SECRET_ACCESS_KEY=s/k+1 ='
	has_env AWS_SESSION_TOKEN=st1
	! grep -e RCLONE_DRY_RUN -e '=host$' -e ^AWS_CA_BUNDLE "$HOME/env" || fail "of the host"
	! grep -q -e ak1 -e s/k+1 -e st1 "$HOME/argv" || fail "secrets in the arguments"
}

case_s3cmd_gets_a_file_without_secrets_that_goes() {
	recorder s3cmd
	V[ENGINE]=s3cmd V[TOOL]=$T/bin/s3cmd V[ENDPOINT]=http://127.0.0.1:9/ V[DEST]=s3://b/out/
	INPUTS=(A object s3://b/k inputs/k)
	SECRETS=$'AK ak1\nSK sk1\n'
	PROGRAM=(shell 'echo x >output/x; ln -s x output/link')
	export AWS_ACCESS_KEY=host AWS_SECRET_KEY=host
	echo '[default]' >"$HOME/.s3cfg"
	run_job ${X}01
	is end ok
	has_arg put
	has_arg --follow-symlinks # of a tree of links, since something was left out
	has_arg "$J/${X}01/stage/"
	has_line "$HOME/conf" 'host_bucket = 127.0.0.1:9' || fail "$(<"$HOME/conf")"
	has_line "$HOME/conf" 'use_https = False' || fail "$(<"$HOME/conf")"
	has_env AWS_SECRET_ACCESS_KEY=sk1
	! grep -q '=host$' "$HOME/env" || fail "of the host"
	! grep -q -e ak1 -e sk1 "$HOME/argv" "$HOME/conf" || fail "secrets in arguments or a file"
	[ -z "$(find "$J/${X}01" -name 't.s3cmd*')" ] || fail "a file is left"
	echo 77 >"$HOME/fails"
	run_job ${X}02
	is end download-failed
	is 'xfer 0' 'fail 77 0'
	[ -z "$(find "$J/${X}02" -name 't.s3cmd*')" ] || fail "a file is left"
}

case_s3cmd_is_called_again_after_an_error_of_the_server() {
	recorder s3cmd
	V[ENGINE]=s3cmd V[TOOL]=$T/bin/s3cmd V[ENDPOINT]=http://127.0.0.1:9
	INPUTS=(A object s3://b/k inputs/k)
	echo 70 >"$HOME/fails"
	launch ${X}01
	must_soon test -e "$HOME/argv"
	rm "$HOME/fails"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
}

case_the_real_clients_are_refused() {
	local n=0 name
	V[ENDPOINT]=http://127.0.0.1:9 V[REGION]=us-east-1
	SECRETS=$'AK AKIDEXAMPLE\nSK secret\n'
	INPUTS=(A prefix s3://bucket/p/ inputs/a)
	for name in rclone s3cmd; do
		ag tool $name
		expect OK
		n=$((n + 1))
		V[ENGINE]=$name V[TOOL]=$(field path)
		V[DOWNLOAD_LIMIT]=4
		launch $X$n
	done
	for n in 1 2; do
		wait_until 30 test -f "$J/$X$n/end" || fail "the client of $n does not give up"
		poll $X$n
		is end download-failed
		must_soon no_process_with JOBFS_XFER=$X$n
	done
	grep -q 'onnection refused' "$J/${X}2/tlog" || fail "$(<"$J/${X}2/tlog")"
}

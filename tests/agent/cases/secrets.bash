# Canary secrets: where they are found, and that they would be found elsewhere.
# shellcheck shell=bash

canaries() {
	local word
	word=$(od -An -tx1 -N8 /dev/urandom | tr -d ' \n')
	SECRETS="AK AKIA$word"$'\n'"SK sk+/$word="$'\n'"ST st$word"$'\n'
	printf '%s\n' "AKIA$word" "sk+/$word=" "st$word" >"$T/pattern" # a file: or the scan finds itself
}

found_in() { # FILE…
	grep -lasFf "$T/pattern" "$@"
}

environs() { # names of the processes that have one in their environment
	local file pid
	for file in $(found_in /proc/[0-9]*/environ); do
		pid=${file#/proc/} pid=${pid%/environ}
		gone "$pid" && continue
		{ tr '\0' ' ' <"/proc/$pid/cmdline"; echo; } 2>/dev/null
	done
}

scan() { # WHEN: the only place may be the environment of aws
	local hits
	hits=$(found_in /proc/[0-9]*/cmdline)
	[ -z "$hits" ] || fail "$1: in the arguments of $hits"
	hits=$(environs | grep -v -e 'fake/aws s3 ' -e '^sleep 0.05 $' -e '^ *$')
	[ -z "$hits" ] || fail "$1: in the environment of $hits"
	hits=$(grep -rlasFf "$T/pattern" "$HOME/.jobfs" /dev/shm "$T/reply" "$T/reply.err")
	[ -z "$hits" ] || fail "$1: in the files $hits"
}

case_the_scan_finds_what_is_planted() {
	canaries
	local word
	word=$(head -n 1 "$T/pattern")
	scan 'before planting'
	mkdir -p "$J/x"
	echo "a $word b" >"$J/x/file"
	(scan 'planted') && fail "a file is not found"
	rm "$J/x/file"
	sh -c 'sleep 330; :' "$word" &
	(wait_until 5 scan_fails) || fail "an argument is not found"
	kill $!
	wait $! 2>/dev/null
	scan 'in between'
	PLANTED=$word sleep 331 &
	(wait_until 5 scan_fails) || fail "an environment is not found"
	kill $!
	rm -f "$T/reason"
}

scan_fails() { ! (scan 'planted'); }

case_secrets_are_in_the_environment_of_aws_only() {
	local pid
	canaries
	mkdir -p "$HOME/s3/b"
	echo x >"$HOME/s3/b/slow"
	INPUTS=(A object s3://b/slow inputs/a)
	V[DEST]=s3://b/slow-out/
	PROGRAM=(shell 'env; echo x >output/x; echo started; until [ -f "$HOME/stop" ]; do sleep 0.02; done')
	launch ${X}01
	must_soon aws_waits
	scan 'during the download'
	environs | grep -q fake/aws || fail "not even aws has them"
	touch "$HOME/go"
	must_soon grep -qs started "$J/${X}01/log"
	rm -f "$HOME/go" "$HOME"/aws/*
	scan 'while the program runs'
	environs | grep . && fail "still in the environment of $(environs)"
	for pid in $(keeper_pids ${X}01); do
		[ "$(grep 'Max core file size' "/proc/$pid/limits" | awk '{print $5}')" = 0 ] ||
			fail "the keeper may dump core"
		if command -v gcore >/dev/null; then
			gcore -o "$T/keeper" "$pid" >/dev/null 2>&1
			found_in "$T"/keeper.* >/dev/null || fail "the keeper has forgotten them"
		fi
	done
	if command -v gcore >/dev/null; then
		for pid in $(claim_pid ${X}01) $(prog_pid ${X}01); do
			gcore -o "$T/core" "$pid" >/dev/null 2>&1
		done
		found_in "$T"/core.* && fail "in the memory of the runner or the wrapper"
	fi
	touch "$HOME/stop"
	must_soon aws_waits
	scan 'during the upload'
	touch "$HOME/go"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	rm -rf "$HOME/aws"
	scan 'at the end'
	grep -rlasFf "$T/pattern" "$HOME" && fail "on the disk"
	return 0
}

# Every program that is started in a job's life, with its arguments and its environment.
case_only_aws_is_ever_started_with_secrets() {
	canaries
	cat >"$T/aws" <<-'EOT'
		#!/bin/bash
		# builtins only: its children would inherit what it has
		case "$3 $4" in s3:*) echo x >"$4" ;; '--recursive s3:'*) echo x >"$5/x" ;; esac
	EOT
	chmod +x "$T/aws"
	V[AWS]=$T/aws V[DEST]=s3://b/out/
	INPUTS=(A object s3://b/k inputs/a B prefix s3://b/e/ inputs/b)
	SETUP='echo x >output/x'
	put ${X}01
	NONCE=traced
	printf '%sEND traced\n' "$SECRETS" |
		strace -f -qq -v -s 99999 -e trace=execve -o "$T/trace" \
			$SH "$AGENT" launch traced ${X}01 "$SUM" >"$T/reply"
	must_soon test -f "$J/${X}01/end"
	grep -aFf "$T/pattern" "$T/trace" >"$T/hits"
	[ "$(grep -c "execve(\"$T/aws\"" "$T/hits")" = 3 ] || fail "not even aws: $(cut -c1-200 "$T/hits")"
	! grep -qv "execve(\"$T/aws\"" "$T/hits" || fail "$(grep -v "execve(\"$T/aws\"" "$T/hits" | cut -c1-200)"
	! cut -d']' -f1 "$T/hits" | grep -aFf "$T/pattern" || fail "in the arguments"
}

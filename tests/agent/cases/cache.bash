# The cache of inputs: what one job has fetched is linked into the next one.
# shellcheck shell=bash

C=$HOME/.jobfs/cache

cached_from() { # TOP I KEY NAME: one object of INDEX
	local sum size
	sum=$(md5sum <"$1/$3")
	sum=${sum%% *}
	size=$(stat -c %s "$1/$3")
	INDEX+=("$2" "$size" "$sum" "$(printf '%s\n' "$3" "$sum" "$size" | sha256sum | cut -c 1-64)" "$4")
}
cached() { cached_from "$HOME/s3/b" "$@"; }

cache_up() { # $HOME/s3/b/ds with three objects, all of them an input; e is another one
	mkdir -p "$HOME/s3/b/ds/deep"
	head -c 2000000 /dev/urandom >"$HOME/s3/b/ds/one"
	printf 'two' >"$HOME/s3/b/ds/deep/ t wo"
	: >"$HOME/s3/b/ds/empty"
	printf 'é' >"$HOME/s3/b/e"
	V[CACHE_KB]=100000
	input_all
	PROGRAM=(shell 'cd "$JOB_INPUT_ALL" && cat "deep/ t wo" empty "$JOB_INPUT_E"')
}

input_all() {
	INPUTS=(ALL prefix s3://b/ds/ inputs/all E object s3://b/e inputs/E/e)
	INDEX=()
	cached 0 ds/one one
	cached 0 'ds/deep/ t wo' 'deep/ t wo'
	cached 0 ds/empty empty
	cached 1 e ''
}

fetched() { sort "$HOME/aws/fetched" 2>/dev/null | tr '\n' ' '; }
forget_fetched() { rm -f "$HOME/aws/fetched"; }
entries() { find "$C" -maxdepth 1 -type f -name '*[0-9a-f]' ! -name 'for.*' ! -name lock | wc -l; }

must_be_right() { # ATT
	is end ok
	is exit 'exit 0'
	[ "$(<"$J/$1/log")" = twoé ] || fail "log: $(<"$J/$1/log")"
	cmp -s "$J/$1/work/inputs/all/one" "$HOME/s3/b/ds/one" || fail "$1: one is another"
}

case_cache_brings_what_a_job_has_fetched() {
	cache_up
	run_job ${X}01
	must_be_right ${X}01
	[ "$(fetched)" = ' t wo e empty one ' ] || [ "$(fetched)" = 'deep/ t wo e empty one ' ] ||
		fail "fetched: $(fetched)"
	[ "$(entries)" = 4 ] || fail "cache: $(ls -l "$C")"
	[ "$(stat -c %a "$C")" = 700 ] || fail "mode of the cache: $(stat -c %a "$C")"
	[ -z "$(field 'hits 0')" ] || fail "hits of the first: $TEXT"
	forget_fetched
	run_job ${X}02
	must_be_right ${X}02
	[ -z "$(fetched)" ] || fail "fetched again: $(fetched)"
	is 'hits 0' '3 1955'
	is 'hits 1' '1 1'
	has_line "$J/${X}02/tlog" 'ALL: 3 of 3 objects, 1.9 MiB from the cache' || fail "$(<"$J/${X}02/tlog")"
	[ "$J/${X}01/work/inputs/all/one" -ef "$J/${X}02/work/inputs/all/one" ] || fail "it is no link"
	[ "$(stat -c %a "$J/${X}02/work/inputs/all/one")" = 444 ] || fail "it may be written"
	must_soon all_synced
	ag ack ${X}01
	expect OK
	ag ack ${X}02
	expect OK
	[ "$(entries)" = 4 ] || fail "cache after ack: $(ls -l "$C")"
	[ -z "$(find "$C" -name 'for.*')" ] || fail "somebody still fetches"
}

all_synced() { ! grep -qvs -- ' -$' "$C"/ok/*; }

case_cache_fetches_what_changed() {
	cache_up
	run_job ${X}01
	forget_fetched
	printf 'tre' >"$HOME/s3/b/ds/deep/ t wo"
	input_all
	run_job ${X}02
	[ "$(<"$J/${X}02/log")" = treé ] || fail "log: $(<"$J/${X}02/log")"
	[ "$(fetched)" = 'deep/ t wo ' ] || fail "fetched: $(fetched)"
	is 'hits 0' '2 1954'
	[ "$(<"$J/${X}01/work/inputs/all/deep/ t wo")" = two ] || fail "the first job's input changed"
	[ "$(entries)" = 5 ] || fail "cache: $(ls -l "$C")"
}

case_cache_keeps_nothing_that_changed_meanwhile() {
	cache_up
	launch_held() { # after the daemon listed, S3 has another
		put ${X}01
		printf 'owt' >"$HOME/s3/b/ds/deep/ t wo"
		ag_secrets launch ${X}01 "$SUM"
		expect OK
	}
	launch_held
	must_soon test -f "$J/${X}01/end"
	[ "$(<"$J/${X}01/log")" = owté ] || fail "log: $(<"$J/${X}01/log")"
	[ "$(entries)" = 1 ] || fail "cache: $(ls -l "$C")"
}

two_want_the_same() { # one fetches, slowly, until $HOME/go is there; the other waits
	cache_up
	mkdir -p "$HOME/s3/b/slow"
	printf 'slow' >"$HOME/s3/b/slow/x"
	INPUTS+=(S prefix s3://b/slow/ inputs/s)
	cached 2 slow/x x
	launch ${X}01
	must_soon aws_waits
	launch ${X}02
	must_soon grep -qs 'another job fetches' "$J/${X}02/tlog"
}

case_cache_of_two_at_once_is_filled_by_one() {
	two_want_the_same
	: >"$HOME/go"
	must_soon test -f "$J/${X}01/end"
	must_soon test -f "$J/${X}02/end"
	poll ${X}02
	must_be_right ${X}02
	is 'hits 2' '1 1'
	[ "$(grep -cx x "$HOME/aws/fetched")" = 1 ] || fail "fetched: $(fetched)"
}

case_cache_is_filled_by_the_next_when_one_is_killed() {
	two_want_the_same
	kill -9 "$(claim_pid_of ${X}01)"
	must_soon test -f "$J/${X}02/xfer.2"
	: >"$HOME/go"
	must_soon test -f "$J/${X}02/end"
	poll ${X}02
	must_be_right ${X}02
	[ -z "$(find "$C" -name 'for.*')" ] || fail "somebody still fetches"
}

claim_pid_of() { cut -d' ' -f3 "$J/$1/claim"; }

case_cache_is_waited_for_until_a_cancel() {
	two_want_the_same
	ag cancel ${X}02 5
	expect OK
	must_soon test -f "$J/${X}02/end"
	poll ${X}02
	is end cancelled
	: >"$HOME/go"
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	must_be_right ${X}01
}

case_cache_drops_what_was_written_to() {
	cache_up
	run_job ${X}01
	forget_fetched
	chmod u+w "$J/${X}01/work/inputs/all/one"
	printf X | dd of="$J/${X}01/work/inputs/all/one" conv=notrunc 2>/dev/null
	run_job ${X}02
	must_be_right ${X}02
	[ "$(fetched)" = 'one ' ] || fail "fetched: $(fetched)"
	grep -q 'not what it was' "$J/${X}02/tlog" || fail "$(<"$J/${X}02/tlog")"
	run_job ${X}03
	is 'hits 0' '3 1955'
}

case_cache_drops_what_a_power_cut_may_have_taken() {
	cache_up
	run_job ${X}01
	must_soon all_synced
	forget_fetched
	set -- "$C"/ok/*
	echo "$(cut -d ' ' -f 1-3 "$1") another-boot" >"$1"
	run_job ${X}02
	must_be_right ${X}02
	[ "$(wc -l <"$HOME/aws/fetched")" = 1 ] || fail "fetched: $(fetched)"
}

case_cache_drops_the_least_recently_used() {
	cache_up
	for key in a b c; do head -c 1000000 /dev/urandom >"$HOME/s3/b/$key"; done
	PROGRAM=(shell :)
	V[CACHE_KB]=2200
	use() { # ATT KEY: all that was used before, some seconds earlier
		for file in "$C"/ok/*; do
			[ ! -f "$file" ] || touch -d "@$(($(stat -c %Y "$file") - 10))" "$file"
		done
		INPUTS=(X object "s3://b/$2" inputs/x)
		INDEX=()
		cached 0 "$2" ''
		run_job "$1"
		is end ok
	}
	use ${X}01 a
	use ${X}02 b
	use ${X}03 a
	is 'hits 0' '1 977'
	use ${X}04 c
	use ${X}05 a
	is 'hits 0' '1 977'
	use ${X}06 b
	[ -z "$(field 'hits 0')" ] || fail "it was dropped: $TEXT"
	[ "$(entries)" = 2 ] || fail "cache: $(ls -l "$C")"
	head -c 3000000 /dev/urandom >"$HOME/s3/b/big"
	use ${X}09 big
	[ "$(entries)" = 2 ] || fail "what fits gave way to what does not: $(ls -l "$C")"
	V[CACHE_KB]=900 # none fits
	head -c 1000000 /dev/urandom >"$HOME/s3/b/d"
	use ${X}07 d
	use ${X}08 d
	[ -z "$(field 'hits 0')" ] || fail "it was too large: $TEXT"
}

case_cache_gives_way_to_inputs() {
	cache_up
	run_job ${X}01
	ag ack ${X}01
	expect OK
	[ "$(entries)" = 4 ] || fail "cache: $(ls -l "$C")"
	ag probe
	[ "$(field cache_kb | cut -d ' ' -f 1)" -gt 1900 ] || fail "cache_kb: $TEXT"
	V[ROOM_KB]=2000000000 # more than there is
	printf 'other' >"$HOME/s3/b/e"
	INPUTS=(E object s3://b/e inputs/E/e)
	INDEX=()
	cached 0 e ''
	PROGRAM=(shell :)
	run_job ${X}02
	is end ok
	[ "$(entries)" = 1 ] || fail "cache: $(ls -l "$C")"
	ag ack ${X}02
	INPUTS=() INDEX=()
	run_job ${X}03
	is end ok
	[ "$(entries)" = 0 ] || fail "cache after a job without inputs: $(ls -l "$C")"
}

case_cache_is_not_needed() { # flock is missing
	cache_up
	case $SH in busybox*) return ;; esac # has its own
	cp -rs /bin/. "$T/bin"
	rm "$T/bin/flock"
	PATH=$(dirname "$(command -v docker)"):$T/bin
	run_job ${X}01
	must_be_right ${X}01
	grep -q 'cannot be used' "$J/${X}01/tlog" || fail "$(<"$J/${X}01/tlog")"
}

case_cache_needs_no_perl() {
	cache_up
	cp -rs /bin/. "$T/bin"
	rm -f "$T/bin/perl"
	PATH=$(dirname "$(command -v docker)"):$T/bin
	run_job ${X}01
	forget_fetched
	run_job ${X}02
	must_be_right ${X}02
	is 'hits 0' '3 1955'
	[ -z "$(fetched)" ] || fail "fetched again: $(fetched)"
	[ "$J/${X}01/work/inputs/all/one" -ef "$J/${X}02/work/inputs/all/one" ] || fail "it is no link"
}

# ---- by presigned URLs ----

presigned_up() { # the same input, of which `one` comes in pieces, and what is no path of curl's
	s3_up
	mkdir -p "$T/s3/ds/deep"
	large ds/one
	printf 'two' >"$T/s3/ds/deep/two"
	: >"$T/s3/ds/empty"
	printf 'odd' >"$T/s3/ds/q"
	V[CACHE_KB]=100000
	presigned_input
	PROGRAM=(shell 'cd "$JOB_INPUT_ALL" && cat deep/two empty q\"')
}

presigned_input() { # INDEX and BATCH
	INPUTS=(ALL prefix s3://b/ds/ inputs/all)
	INDEX=() BATCH=()
	for name in one deep/two empty q; do
		cached_from "$T/s3" 0 "ds/$name" "${name/q/q\"}"
		set -- "${INDEX[@]: -5}"
		if [ "$2" -gt 1000000 ]; then
			BATCH+=("range 0 kept/0/$4 $3 0-999999 $(url "ds/$name")"
				"range 0 kept/0/$4 $3 1000000-$(($2 - 1)) $(url "ds/$name")" "big 0 $2 kept/0/$4 $3 2")
		else
			BATCH+=("get 0 $2 $3 kept/0/$4 $(url "ds/$name")")
		fi
		BATCH+=("move kept/0/$4 '0/${name/q/q\"}'")
	done
}

presigned_run() { # ATT WORD: with a batch
	launch "$1"
	wants "$1" download 1 0
	urls "$1" 1
	expect OK
	must_soon test -f "$J/$1/end"
	poll "$1"
	is end ok
	[ "$(<"$J/$1/log")" = "$2odd" ] || fail "log: $(<"$J/$1/log"), tlog: $(<"$J/$1/tlog")"
	cmp -s "$J/$1/work/inputs/all/one" "$T/s3/ds/one" || fail "$1: one is another"
	[ ! -e "$J/$1/in" ] || fail "something is left in in/"
}

got() { sort -u "$T/s3.got" | tr "\n" " "; }

case_cache_of_presigned_transfers() {
	presigned_up
	presigned_run ${X}01 two
	[ "$(entries)" = 4 ] || fail "cache: $(ls -l "$C")"
	[ "$(got)" = 'ds/deep/two ds/empty ds/one ds/q ' ] || fail "got: $(got)"
	: >"$T/s3.got"
	run_job ${X}02
	is end ok
	[ "$(<"$J/${X}02/log")" = twoodd ] || fail "log: $(<"$J/${X}02/log")"
	is want ''
	is 'hits 0' '4 2932'
	[ -z "$(got)" ] || fail "got: $(got)"
	[ "$J/${X}01/work/inputs/all/one" -ef "$J/${X}02/work/inputs/all/one" ] || fail "it is no link"
	printf 'tre' >"$T/s3/ds/deep/two"
	presigned_input
	presigned_run ${X}03 tre
	[ "$(got)" = 'ds/deep/two ' ] || fail "got: $(got)"
	is 'hits 0' '3 2931'
	[ "$(entries)" = 5 ] || fail "cache: $(ls -l "$C")"
	exec {s3_in}>&-
}

case_cache_of_presigned_takes_no_other_etag() {
	presigned_up
	printf 'tre' >"$T/s3/ds/deep/two" # since the batch was made
	launch ${X}01
	wants ${X}01 download 1 0
	urls ${X}01 1
	expect OK
	wait_until 40 poll_says ${X}01 want 'download 2 0' || fail "it is not wanted again"
	presigned_input
	urls ${X}01 2
	expect OK
	must_soon test -f "$J/${X}01/end"
	[ "$(<"$J/${X}01/log")" = treodd ] || fail "log: $(<"$J/${X}01/log")"
	[ "$(entries)" = 4 ] || fail "cache: $(ls -l "$C")"
	exec {s3_in}>&-
}

case_cache_of_presigned_beside_another_input() { # which comes, while the cached one is there
	presigned_up
	presigned_run ${X}01 two
	: >"$T/s3.got"
	printf 'three' >"$T/s3/other"
	INPUTS+=(O object s3://b/other inputs/o)
	PROGRAM=(shell 'cd "$JOB_INPUT_ALL" && cat deep/two empty q\" "$JOB_INPUT_O"')
	launch ${X}02
	wants ${X}02 download 1 0
	case $(field 'xfer 0') in 'ok '*) ;; *) fail "it is not there yet: $TEXT" ;; esac
	BATCH=("get 1 5 $(etag other) '1/o' $(url other)")
	urls ${X}02 1
	expect OK
	must_soon test -f "$J/${X}02/end"
	[ "$(<"$J/${X}02/log")" = twooddthree ] || fail "log: $(<"$J/${X}02/log")"
	[ "$(got)" = 'other ' ] || fail "got: $(got)"
	exec {s3_in}>&-
}

case_cache_of_presigned_is_filled_by_the_next_when_one_is_killed() {
	presigned_up
	launch ${X}01
	wants ${X}01 download 1 0
	launch ${X}02
	must_soon grep -qs 'another job fetches' "$J/${X}02/tlog"
	kill -9 "$(claim_pid_of ${X}01)"
	wants ${X}02 download 1 0
	urls ${X}02 1
	expect OK
	must_soon test -f "$J/${X}02/end"
	[ "$(<"$J/${X}02/log")" = twoodd ] || fail "log: $(<"$J/${X}02/log")"
	exec {s3_in}>&-
}

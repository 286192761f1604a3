# Transfers by presigned URLs, with the real curl and a stand-in for S3 that takes any URL.
# shellcheck shell=bash

SIGN='?X-Amz-Signature=canary-signature'

s3_up() { # $S3, and data in $T/s3
	mkdir -p "$T/s3"
	mkfifo "$T/s3.in" "$T/s3.out"
	"$(dirname "$(command -v docker)")/s3" "$T/s3" <"$T/s3.in" >"$T/s3.out" &
	exec {s3_in}>"$T/s3.in"
	read -r -t 20 S3 <"$T/s3.out"
	S3=http://127.0.0.1:$S3
	V[ENGINE]=presigned
}

BATCH=() # words of urls_list, one line each
url() { echo "'$S3/$1$SIGN'"; }
etag() { md5sum <"$T/s3/$1" | cut -d ' ' -f 1; }

write_batch() { # [NEXT]: $T/batch; prints its size
	{
		echo "urls_vars() { U_NEXT='${1:-}' U_LANES=4; }"
		echo 'urls_list() {'
		printf '%s\n' : "${BATCH[@]}"
		echo '}'
	} >"$T/batch"
	stat -c %s "$T/batch"
}

urls() { # ATT N [NEXT]: sends BATCH
	local size
	size=$(write_batch "${3:-}")
	ag urls "$1" "$2" "$size" <"$T/batch"
}

launch_with() { # ATT [BYTES]: sends BATCH with it, or only its first bytes
	local size
	size=$(write_batch)
	put "$1"
	head -c "${2:-$size}" "$T/batch" >"$T/sent"
	BEHIND=$T/sent ag_secrets launch "$1" "$SUM" "$size"
	expect OK
}

wants() { # ATT KIND N FROM
	must_soon poll_says "$1" want "$2 $3 $4"
}

large() { head -c 3000001 /dev/urandom >"$T/s3/$1"; }
range() { # I STAGE FIRST LAST KEY
	echo "range $1 $2 etag $3-$4 $(url "$5")"
}

case_presigned_inputs_arrive_whole() {
	s3_up
	mkdir -p "$T/s3/e/deep"
	large big
	printf 'small one' >"$T/s3/e/deep/a"
	printf 'é' >"$T/s3/e/ü"
	: >"$T/s3/e/empty"
	printf 'odd' >"$T/s3/e/q"
	INPUTS=(BIG object s3://b/big 'inputs/b i"g' ALL prefix s3://b/e/ inputs/all)
	# shellcheck disable=SC1003  # a backslash
	PROGRAM=(shell 'cmp "$JOB_INPUT_BIG" "'"$T"'/s3/big" && cd "$JOB_INPUT_ALL" && cat deep/a ü empty sub/\"q\\')
	launch ${X}01
	wants ${X}01 download 1 0
	is phase download
	BATCH=("$(range 0 big/0.0 0 999999 big)" "$(range 0 big/0.0 1000000 1999999 big)"
		"$(range 0 big/0.0 2000000 3000000 big)" 'big 0 3000001 big/0.0 etag 3' "move big/0.0 '0/o'"
		"get 1 9 $(etag e/deep/a) '1/deep/a' $(url e/deep/a)" "get 1 2 - '1/ü' $(url e/%C3%BC)"
		"get 1 0 - '1/empty' $(url e/empty)"
		"get 1 3 $(etag e/q) 'odd/1.0' $(url e/q)" "move odd/1.0 '1/sub/\"q\\'")
	urls ${X}01 1
	expect OK
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	is exit 'exit 0'
	is 'xfer 0' "ok $(du -k "$J/${X}01/work/inputs/b i\"g" | cut -f 1)"
	[ "$(<"$J/${X}01/log")" = 'small oneéodd' ] || fail "log: $(<"$J/${X}01/log")"
	[ ! -e "$J/${X}01/in" ] || fail "something is left in in/"
	! grep -rqs canary-signature "$HOME" || fail "a URL is in $(grep -rl canary-signature "$HOME")"
	urls ${X}01 1
	expect OK
	exec {s3_in}>&-
}

case_presigned_urls_that_come_with_the_launch_are_not_wanted() {
	s3_up
	printf 'at once' >"$T/s3/k"
	INPUTS=(A object s3://b/k inputs/a)
	PROGRAM=(shell 'cat "$JOB_INPUT_A"')
	BATCH=("get 0 7 $(etag k) '0/o' $(url k)")
	launch_with ${X}01
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	is 'xfer 0' "ok $(du -k "$J/${X}01/work/inputs/a" | cut -f 1)"
	[ "$(<"$J/${X}01/log")" = 'at once' ] || fail "log: $(<"$J/${X}01/log")"
	! grep -rqs canary-signature "$HOME" || fail "a URL is in $(grep -rl canary-signature "$HOME")"
	launch_with ${X}01 # once more: somebody has the claim
	[ "$(<"$J/${X}01/log")" = 'at once' ] || fail "log: $(<"$J/${X}01/log")"
	exec {s3_in}>&-
}

case_presigned_urls_whose_data_was_there_before_the_runner_looked_are_over() {
	s3_up
	printf 'at once' >"$T/s3/k"
	INPUTS=(A object s3://b/k inputs/a)
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'cat "$JOB_INPUT_A" >output/o')
	BATCH=("get 0 7 $(etag k) '0/o' $(url k)")
	mkdir -p "$HOME/.jobfs/cache/ok"
	# the runner waits for it, to see what room there is
	flock "$HOME/.jobfs/cache/lock" sh -c "echo >'$T/locked'; until [ -f '$T/go' ]; do sleep 0.02; done" &
	must_soon test -f "$T/locked"
	launch_with ${X}01
	must_soon test -f "$J/${X}01/took.1"
	touch "$T/go"
	wants ${X}01 upload 2 0
	BATCH=("put 0 7 'o' $(url out/o)")
	urls ${X}01 2
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	[ "$(<"$T/s3/out/o")" = 'at once' ] || fail "$(<"$J/${X}01/tlog")"
	exec {s3_in}>&-
}

case_presigned_urls_that_are_cut_or_do_not_work_are_wanted_after_the_launch() {
	s3_up
	INPUTS=(A object s3://b/k inputs/a)
	PROGRAM=(shell 'cat "$JOB_INPUT_A"')
	BATCH=("get 0 4 - '0/o' $(url k)")
	launch_with ${X}01 20
	wants ${X}01 download 1 0
	printf good >"$T/s3/k"
	urls ${X}01 1
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	BATCH=("get 0 4 - '0/o' $(url none)")
	launch_with ${X}02
	wait_until 40 test -f "$J/${X}02/took.1" || fail "it tries for ever"
	wants ${X}02 download 2 0
	BATCH=("get 0 4 - '0/o' $(url k)")
	urls ${X}02 2
	must_soon test -f "$J/${X}02/end"
	[ "$(<"$J/${X}02/log")" = good ] || fail "log: $(<"$J/${X}02/log")"
	exec {s3_in}>&-
}

case_presigned_inputs_of_many_batches_are_whole() {
	s3_up
	mkdir -p "$T/s3/e"
	printf 'odd' >"$T/s3/e/q"
	printf 'even' >"$T/s3/e/r"
	INPUTS=(ALL prefix s3://b/e/ inputs/all)
	PROGRAM=(shell 'cd "$JOB_INPUT_ALL" && cat q\" r')
	launch ${X}01
	wants ${X}01 download 1 0
	BATCH=("get 0 3 $(etag e/q) 'odd/0.0' $(url e/q)" "move odd/0.0 '0/q\"'")
	urls ${X}01 1 1
	wants ${X}01 download 2 1
	BATCH=("get 0 4 $(etag e/r) '0/r' $(url e/r)")
	urls ${X}01 2
	must_soon test -f "$J/${X}01/end"
	[ "$(<"$J/${X}01/log")" = oddeven ] || fail "log: $(<"$J/${X}01/log")"
	exec {s3_in}>&-
}

case_presigned_outputs_arrive_whole() {
	s3_up
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'cd "$JOB_OUTPUT_DIR" && mkdir -p d && printf 1 >d/one && printf 22 >./-t && : >empty
		printf 333 >"q\"\\" && head -c 2500001 /dev/urandom >big')
	launch ${X}01
	wants ${X}01 upload 1 0
	is exit 'exit 0'
	BATCH=("put 0 1 'd/one' $(url out/d/one)" "put 1 2 '-t' $(url out/-t)" "put 2 0 'empty' $(url out/empty)"
		"name 3 'q\"\\'" "put 3 3 - $(url out/q)" "part 4 1000000 0 'big' $(url out/p1)"
		"part 5 1000000 1000000 'big' $(url out/p2)" "part 6 500001 2000000 'big' $(url out/p3)")
	urls ${X}01 1 8
	expect OK
	wants ${X}01 upload 2 8
	BATCH=("put 0 1 'd/one' $(url out/last)")
	urls ${X}01 2
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	cat "$T"/s3/out/p[123] | cmp - "$J/${X}01/work/output/big" || fail "the parts are not the file"
	[ "$(cat "$T"/s3/out/{d/one,-t,empty,q,last})" = 1223331 ] || fail "$(grep -r . "$T/s3/out/d" "$T/s3/out/q")"
	exec {s3_in}>&-
}

case_presigned_outputs_that_s3_has_not_as_they_are_go_up_again() {
	s3_up
	V[DEST]=s3://b/out/ V[VERIFY]=all
	PROGRAM=(shell 'cd "$JOB_OUTPUT_DIR" && printf whole >a && printf 0123456789 >b')
	launch ${X}01
	wants ${X}01 upload 1 0
	BATCH=("put 0 5 a $(url out/flip-a)" "part 1 5 0 b $(url out/flip-b1)" "part 2 5 5 b $(url out/flip-b2)")
	urls ${X}01 1
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	[ "$(cat "$T"/s3/out/*)" = whole0123456789 ] || fail "$(cat "$T"/s3/out/*)"
	[ "$(grep -c 'not those of its ETag' "$J/${X}01/tlog")" = 3 ] || fail "$(<"$J/${X}01/tlog")"
	exec {s3_in}>&-
}

case_presigned_urls_that_do_not_work_are_sent_for_again() {
	s3_up
	printf good >"$T/s3/good"
	printf none >"$T/s3/none"
	touch "$T/s3/broken"
	INPUTS=(A object s3://b/good inputs/a B object s3://b/none inputs/b)
	PROGRAM=(shell 'cat "$JOB_INPUT_A" "$JOB_INPUT_B"')
	launch ${X}01
	wants ${X}01 download 1 0
	BATCH=("get 0 4 $(etag good) '0/o' $(url good)" "get 1 4 - '1/o' $(url none)")
	urls ${X}01 1
	wait_until 40 test -f "$J/${X}01/took.1" || fail "it tries for ever"
	[ "$(<"$J/${X}01/took.1")" = 'some ' ] || fail "$(<"$J/${X}01/took.1")"
	wants ${X}01 download 2 0
	grep -q 'returned error: 500' "$J/${X}01/tlog" || fail "$(<"$J/${X}01/tlog")"
	rm "$T/s3/broken" "$T/s3/good" # what has come is not fetched again
	urls ${X}01 2
	must_soon test -f "$J/${X}01/end"
	[ "$(<"$J/${X}01/log")" = goodnone ] || fail "$(<"$J/${X}01/log")"
	! grep -q X-Amz "$J/${X}01/tlog" || fail "a URL is in tlog"
	exec {s3_in}>&-
}

case_presigned_bytes_that_are_not_those_of_the_etag_are_fetched_again() {
	s3_up
	printf 'as it is' >"$T/s3/k"
	INPUTS=(A object s3://b/k inputs/a)
	PROGRAM=(shell 'echo ran >>"$HOME/ledger"')
	launch ${X}01
	wants ${X}01 download 1 0
	BATCH=("get 0 8 00000000000000000000000000000000 '0/o' $(url k)")
	urls ${X}01 1
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end download-failed
	[ "$(grep -c 'its bytes are not those of its ETag' "$J/${X}01/tlog")" = 3 ] || fail "$(<"$J/${X}01/tlog")"
	[ ! -e "$HOME/ledger" ] || fail "the program ran"
	exec {s3_in}>&-
}

case_presigned_of_what_kms_encrypts_the_etag_tells_nothing() {
	s3_up
	printf 'as it is' >"$T/s3/kms"
	INPUTS=(A object s3://b/kms inputs/a)
	PROGRAM=(shell 'cat "$JOB_INPUT_A"')
	launch ${X}01
	wants ${X}01 download 1 0
	BATCH=("get 0 8 00000000000000000000000000000000 '0/o' $(url kms)")
	urls ${X}01 1
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	[ "$(<"$J/${X}01/log")" = 'as it is' ] || fail "$(<"$J/${X}01/log")"
	exec {s3_in}>&-
}

md5_of_parts() { # FILE MIB: the ETag of S3, made by another program
	python3 -c 'import hashlib, sys
data, step = open(sys.argv[1], "rb").read(), int(sys.argv[2]) << 20
sums = [hashlib.md5(data[i:i + step]).digest() for i in range(0, len(data), step)]
print(hashlib.md5(b"".join(sums)).hexdigest() + "-%d" % len(sums))' "$@"
}

# A large object of 20 MiB and a byte, whose ETag is TAG; V[VERIFY] as it is.
fetch_large() { # ATT TAG
	INPUTS=(A object s3://b/whole inputs/a)
	launch "$1"
	wants "$1" download 1 0
	BATCH=("range 0 big/0.0 $2 0-9999999 $(url any-tag)" "range 0 big/0.0 $2 10000000-20971520 $(url any-tag)"
		"big 0 20971521 big/0.0 $2 2" "move big/0.0 '0/o'")
	urls "$1" 1
	wait_until 30 test -f "$J/$1/end" || fail "it does not end"
	poll "$1"
}

case_presigned_large_objects_are_verified_by_their_parts() {
	local tag
	s3_up
	head -c 20971521 /dev/urandom >"$T/s3/any-tag"
	V[VERIFY]=all
	for mib in 5 8 16 64; do
		tag=$(md5_of_parts "$T/s3/any-tag" $mib)
		fetch_large ${X}$mib "$tag"
		is end ok
	done
	fetch_large ${X}19 "00000000000000000000000000000000-5" # only 5 MiB give five parts
	is end download-failed
	fetch_large ${X}20 "$(md5sum "$T/s3/any-tag" | cut -c 1-32)"
	is end ok
	# 7 MiB is no size of parts that is known: the same bytes twice are taken
	fetch_large ${X}21 "$(md5_of_parts "$T/s3/any-tag" 7)"
	is end ok
	[ "$(grep -c 'not those of its ETag' "$J/${X}21/tlog")" = 1 ] || fail "$(<"$J/${X}21/tlog")"
	V[VERIFY]=small
	fetch_large ${X}22 00000000000000000000000000000000
	is end ok
	exec {s3_in}>&-
}

case_presigned_a_job_that_waits_for_urls_can_be_cancelled() {
	s3_up
	INPUTS=(A object s3://b/k inputs/a)
	launch ${X}01
	wants ${X}01 download 1 0
	ag cancel ${X}01 5
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end cancelled
	must_soon no_killer ${X}01
	exec {s3_in}>&-
}

input_comes() { # ATT
	poll "$1"
	case $(field 'xfer 0') in 'run '*) ;; *) return 1 ;; esac
}

case_presigned_a_worker_that_dies_is_replaced() {
	s3_up
	printf slow >"$T/s3/slow"
	INPUTS=(A object s3://b/slow inputs/a)
	PROGRAM=(shell 'cat "$JOB_INPUT_A"')
	launch ${X}01
	wants ${X}01 download 1 0
	BATCH=("get 0 4 - '0/o' $(url slow)")
	urls ${X}01 1
	expect OK
	poll ${X}01
	is want ''
	is alive 1
	must_soon input_comes ${X}01
	agents _urls ${X}01 | xargs kill -9
	wants ${X}01 download 1 0
	touch "$T/s3/go"
	urls ${X}01 1
	must_soon test -f "$J/${X}01/end"
	[ "$(<"$J/${X}01/log")" = slow ] || fail "$(<"$J/${X}01/log")"
	exec {s3_in}>&-
}

case_presigned_a_batch_that_is_cut_changes_nothing() {
	s3_up
	INPUTS=(A object s3://b/k inputs/a)
	launch ${X}01
	wants ${X}01 download 1 0
	ag urls ${X}01 1 1000 <<<'urls_vars() { touch "$HOME/pwn"; }'
	expect ESTREAM
	poll ${X}01
	is want 'download 1 0'
	[ ! -e "$HOME/pwn" ] || fail "half a batch was run"
	ag cancel ${X}01 5
	must_soon test -f "$J/${X}01/end"
	exec {s3_in}>&-
}

case_presigned_outputs_of_a_dead_runner_go_up() {
	s3_up
	V[DEST]=s3://b/out/
	PROGRAM=(shell 'printf 1 >"$JOB_OUTPUT_DIR/one"')
	launch ${X}01
	wants ${X}01 upload 1 0
	kill -9 "$(claim_pid ${X}01)"
	must_soon poll_says ${X}01 alive 0
	ag_secrets upload ${X}01
	expect OK
	wants ${X}01 upload 2 0
	BATCH=("put 0 1 'one' $(url out/one)")
	urls ${X}01 2
	must_soon test -f "$J/${X}01/end"
	poll ${X}01
	is end ok
	is exit 'exit 0'
	[ "$(<"$T/s3/out/one")" = 1 ] || fail "it did not come"
	exec {s3_in}>&-
}

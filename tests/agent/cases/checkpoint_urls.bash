# Checkpoints by presigned URLs: as those of checkpoint.bash, but a stand-in for the daemon
# signs, and S3 is the one of presigned.bash.
# shellcheck shell=bash

HELD=none

by_urls() { # [INTERVAL]
	s3_up
	checkpoints "${1:-1}"
	C=$T/s3/c
}

url_of() { # KEY
	local LC_ALL=C out='' i c
	for ((i = 0; i < ${#1}; i++)); do
		c=${1:i:1}
		case $c in [A-Za-z0-9./-]) out+=$c ;; *) out+=$(printf %%%02X "'$c") ;; esac
	done
	url "c/${out//FFFFFFFFFFFFFF/}"
}

# ATT: one turn of the daemon for checkpoints, but for wants of the kind $HELD. The want is in
# $WANT, if there was one.
serve() {
	local kind n from size key next=''
	poll "$1"
	WANT=$(field want)
	read -r kind n from <<<"$WANT"
	case $kind in "$HELD") return ;; ck*) ;; *) return ;; esac
	ag wanted "$1" "$n"
	[ "$CODE" = OK ] || return 0
	sed -n '/^data wanted /,$p' "$T/reply" | sed '1d;$d' >"$T/wanted"
	BATCH=()
	while IFS= read -r -d '' key; do
		size=${key%% *} key=${key#* }
		case $kind in
		ckget) [ ! -f "$C/$key" ] || BATCH+=("get 0 $(stat -c %s "$C/$key") $(etag "c/$key") '0/$key' $(url_of "$key")") ;;
		ckput)
			[ "$key" != LATEST ] && [ "$(stat -c %s "$C/$key" 2>/dev/null)" = "$size" ] && continue
			BATCH+=("put ${#BATCH[@]} $size '$key' $(url_of "$key")")
			[ "$key" = LATEST ] || next=0
			;;
		esac
	done <"$T/wanted"
	if [ "$kind" = ckdrop ]; then
		while IFS= read -r key; do
			grep -qzF " $key" "$T/wanted" || BATCH+=("drop $(url_of "$key")")
		done < <(cd "$C" && find .at -type f 2>/dev/null)
	fi
	urls "$1" "$n" "$next"
}
serves_until() { # ATT COMMAND…
	serve "$1"
	"${@:2}"
}
must_serve() { wait_until 40 serves_until "$@" || fail "served 40 s in vain for: ${*:2}; $(<"$J/$1/tlog")"; }
ends_by_urls() { # ATT
	launch "$1"
	must_serve "$1" test -f "$J/$1/end"
	poll "$1"
}

whole() { # every object that LATEST names is there, with its size
	local path size place
	while IFS=$'\t' read -r path size _ place; do
		[ "$(stat -c %s "$C/$place/$path")" = "$size" ] || fail "LATEST names $path, $size, $place: $(find "$C")"
	done < <(tail -n +2 "$C/LATEST" 2>/dev/null)
}
names() { [ "$(tail -n +2 "$C/LATEST" 2>/dev/null | cut -f 1,2 | sort | tr '\t\n' ' ,')" = "$1" ]; }

case_checkpoint_urls_each_round_has_a_place_and_old_ones_go() {
	by_urls
	PROGRAM=(shell "mkdir 'checkpoints/d 1'; echo 1 >'checkpoints/d 1/é'; echo 1 >checkpoints/b; $(until_go) echo 22 >checkpoints/b; exit 75")
	launch ${X}01
	must_serve ${X}01 names 'b 2,d 1/é 2,'
	whole
	latest_is 'b 2 .at/9f3a-1.1,d 1/é 2 .at/9f3a-1.1,' || fail "$(latest)"
	[ ! -e "$C/b" ] || fail "$(find "$C")"
	go
	must_serve ${X}01 test -f "$J/${X}01/end"
	names 'b 3,d 1/é 2,' || fail "$(latest)"
	whole
	[ "$(find "$C" -type f | wc -l)" = 3 ] || fail "$(find "$C")"
	poll ${X}01
	is exit 'exit 75'
	is end ok
	! grep -rqs canary-signature "$HOME" || fail "a URL is in $(grep -rl canary-signature "$HOME")"
	must_come no_keeper ${X}01
	rm -rf "$J/${X}01" # another host
	V[ATTEMPT]=2
	# shellcheck disable=SC2016
	PROGRAM=(shell 'cat "$JOB_RESUME_FROM/b" "$JOB_RESUME_FROM/d 1/é"; echo 4444 >checkpoints/n')
	ends_by_urls ${X}02
	is exit 'exit 0'
	[ "$(<"$J/${X}02/log")" = $'22\n1' ] || fail "$(<"$J/${X}02/log") $(<"$J/${X}02/tlog")"
	names 'b 3,d 1/é 2,n 5,' || fail "$(latest)"
	whole
	exec {s3_in}>&-
}

case_checkpoint_urls_what_the_program_s_end_cut_short_is_removed_by_the_last_round() {
	by_urls
	# shellcheck disable=SC2016
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go) echo 22 >checkpoints/a; "'until [ -e "$HOME/on" ]; do sleep 0.1; done')
	HELD=ckdrop
	launch ${X}01
	must_serve ${X}01 names 'a 2,'
	HELD=none
	must_serve ${X}01 test ! -e "$J/${X}01/ckpt.drop"
	HELD=ckdrop
	go
	must_serve ${X}01 names 'a 3,'
	must_come poll_wants ${X}01 ckdrop
	[ -f "$C/.at/9f3a-1.1/a" ] || fail "$(find "$C")"
	touch "$HOME/on"
	must_come test -f "$J/${X}01/exit"
	HELD=none
	must_serve ${X}01 test -f "$J/${X}01/end"
	names 'a 3,' || fail "$(latest)"
	whole
	[ "$(find "$C" -type f | wc -l)" = 2 ] || fail "$(find "$C")"
	exec {s3_in}>&-
}

case_checkpoint_urls_that_are_refused_fail_the_round_and_not_the_job() {
	local size
	by_urls 1000
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go)")
	HELD=ckput
	launch ${X}01
	must_serve ${X}01 test -f "$J/${X}01/work/checkpoints/a"
	go
	must_serve ${X}01 poll_wants ${X}01 ckput
	echo "urls_list() { :; }; urls_vars() { U_REFUSED='S3 says no'; }" >"$T/batch"
	size=$(stat -c %s "$T/batch")
	ag urls ${X}01 "$(field want | cut -d ' ' -f 2)" "$size" <"$T/batch"
	must_come test -f "$J/${X}01/end"
	poll ${X}01
	is exit 'exit 0'
	is end ok
	grep -q '^jobfs: S3 says no' "$J/${X}01/tlog" || fail "$(<"$J/${X}01/tlog")"
	grep -q 'the last one is not in' "$J/${X}01/tlog" || fail "$(<"$J/${X}01/tlog")"
	exec {s3_in}>&-
}

case_checkpoint_urls_one_that_is_not_whole_is_no_start_from_nothing() {
	local wrong n=0
	by_urls 1000
	PROGRAM=(shell 'echo ran >>"$HOME/ledger"')
	mkdir -p "$C"
	echo 12345 >"$C/a"
	for wrong in $'a\t6\tt\t.\nb\t2\tt\t.' $'a\t7\tt\t.' $'../x\t2\tt\t.' $'a\t6\tt\t.at/9f3a-1.1' $'a\t6\tt\t.at/../c'; do
		n=$((n + 1))
		printf 'jobfs-checkpoint 1 9f3a 1\n%s\n' "$wrong" >"$C/LATEST"
		ends_by_urls ${X}0$n
		is end 'download-failed checkpoint'
		[ ! -e "$HOME/ledger" ] || fail "it ran: $wrong"
	done
	exec {s3_in}>&-
}

case_checkpoint_urls_the_last_round_of_a_killed_runner_is_made_by_upload() {
	by_urls
	V[DEST]=s3://b/out/
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go) echo o >output/o")
	launch ${X}01
	must_serve ${X}01 test -f "$J/${X}01/ckpt.wanted"
	must_serve ${X}01 test -f "$J/${X}01/work/checkpoints/a"
	must_come poll_wants ${X}01 ck
	kill -9 "$(claim_pid ${X}01)"
	go
	must_come test -f "$J/${X}01/exit"
	must_come no_keeper ${X}01
	must_come poll_says ${X}01 alive 0
	SECRETS='' ag_secrets upload ${X}01
	expect OK
	must_come poll_wants ${X}01 upload
	BATCH=("put 0 2 'o' $(url out/o)")
	urls ${X}01 "$(field want | cut -d ' ' -f 2)"
	must_serve ${X}01 test -f "$J/${X}01/end"
	names 'a 2,' || fail "$(latest)"
	whole
	[ "$(<"$T/s3/out/o")" = o ] || fail "the outputs are not there"
	exec {s3_in}>&-
}
poll_wants() { # ATT KIND
	poll "$1"
	[[ $(field want) == "$2"* ]]
}

case_checkpoint_urls_an_old_number_is_not_wanted() {
	by_urls 1000
	PROGRAM=(shell 'exit 0')
	launch ${X}01
	must_come poll_wants ${X}01 ckget
	ag wanted ${X}01 7
	expect ENOWANT
	ag wanted ${X}01 1
	expect OK
	ag cancel ${X}01 1
	expect OK
	must_come test -f "$J/${X}01/end"
	ag wanted ${X}01 1
	expect ENOWANT
	exec {s3_in}>&-
}

# All of the host dies while one of its wants is open, or right after its batch.
dies_at() { # N: of the wants since the program overwrites; N.5: after it was served
	local n=$1 A=${X}11 at=0 pid
	by_urls
	PROGRAM=(shell 'cd checkpoints; if [ -n "$JOB_RESUME_FROM" ]; then cat model optim; cd ..; exit; fi
		echo 1 >model; echo 1 >optim; cd ..; '"$(until_go)"' echo 22 >checkpoints/model; echo 22 >checkpoints/optim; sleep 1000')
	launch $A
	must_serve $A names 'model 2,optim 2,'
	must_serve $A no_want $A
	go $A
	must_come has_line "$J/$A/work/checkpoints/optim" 22
	while [ $at -lt "${n%.*}" ]; do
		must_come poll_wants $A ck
		at=$((at + 1))
		[ "$n" = $at ] || serve $A
	done
	for pid in $(claim_pid $A) $(keeper_pids $A) $(member_pids $A) $(grep -lsF $A /proc/[0-9]*/cmdline | cut -d / -f 3); do
		[ "$pid" = $BASHPID ] || kill -9 "$pid" 2>/dev/null
	done
	whole
	V[ATTEMPT]=2
	ends_by_urls ${A}a
	is exit 'exit 0'
	case $(<"$J/${A}a/log") in $'1\n1' | $'22\n22') ;; *) fail "$(<"$J/${A}a/log") $(<"$J/${A}a/tlog")" ;; esac
	names "$(cd "$J/${A}a/work/checkpoints" && stat -c '%n %s' model optim | tr '\n' ,)" || fail "$(latest)"
	whole
	exec {s3_in}>&-
}
no_want() {
	poll "$1"
	[ -z "$(field want)" ]
}
# 1: LATEST is looked at; 2: files; 3: are they there? 4: a look; 5: LATEST; 6: old ones go
case_checkpoint_urls_the_host_dies_before_files_go_up() { dies_at 2; }
case_checkpoint_urls_the_host_dies_while_files_go_up() { dies_at 2.5; }
case_checkpoint_urls_the_host_dies_while_they_are_looked_for() { dies_at 3; }
case_checkpoint_urls_the_host_dies_before_latest_goes_up() { dies_at 5; }
case_checkpoint_urls_the_host_dies_while_latest_goes_up() { dies_at 5.5; }
case_checkpoint_urls_the_host_dies_while_old_rounds_go() { dies_at 6.5; }

case_checkpoint_urls_an_attempt_that_was_given_up_makes_no_more() {
	by_urls
	PROGRAM=(shell "echo 1 >checkpoints/a; $(until_go) echo 22 >checkpoints/a; $(until_go 2)")
	launch ${X}01
	must_serve ${X}01 names 'a 2,'
	must_serve ${X}01 no_want ${X}01
	sed -i 's/9f3a 1$/9f3a 2/' "$C/LATEST"
	go
	must_serve ${X}01 test -f "$J/${X}01/ckpt.fenced"
	names 'a 2,' || fail "$(latest)"
	go ${X}01 2
	must_serve ${X}01 test -f "$J/${X}01/end"
	grep -q 'was written by another attempt' "$J/${X}01/tlog" || fail "$(<"$J/${X}01/tlog")"
	exec {s3_in}>&-
}

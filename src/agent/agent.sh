#!/bin/sh
# The one program that jobfs puts on a GPU host. PROTOCOL.md beside it is the contract:
# files, verbs, frames. Here is only how the processes hang together.
#
#   launch ── setsid ── _run            the runner: claim, unpack, run, upload, end
#                        ├── _sec       the keeper: the only process that ever has secrets
#                        │    └── aws   and the only one that gets them in its environment
#                        ├── _timer     only with a run limit
#                        └── _exec      the inner wrapper, leader of the program's session
#                             └── the user's program
#   cancel ── setsid ── _kill           ends the program's tree in the background
#   upload ── setsid ── _upload         does what a dead runner left undone
#
# Nothing here polls while a job runs. Processes that wait for each other hold the two
# ends of a pipe, so that the kernel tells the one when the other dies: the keeper of a
# killed runner and the timer of an ended program read end-of-file and go.
#
# The text must run the same under dash, busybox ash, bash --posix and mksh: no local (so
# each function prefixes its variables), no arrays, no here-documents (they may become
# files), and no printf near a secret (mksh runs an external one).
#
# shellcheck disable=SC2154  # JOB, IMAGE … are assigned by the plan, which is sourced
# shellcheck disable=SC1090,SC1091  # the plan is made on the host
# shellcheck disable=SC2086  # $SH is "busybox sh" in tests; lists of pids are split
# shellcheck disable=SC2013  # a /proc path holds no blank
# shellcheck disable=SC2015  # a && b || c: wanted also when b fails
# shellcheck disable=SC2030,SC2031  # what a subshell exports is for its child only
# shellcheck disable=SC2317  # the words of a plan are called by the plan

lc_host=${LC_ALL+=$LC_ALL}
LC_ALL=C
export LC_ALL
unset CDPATH ENV BASH_ENV
# Names that a plan assigns; one that came exported would reach the program changed.
unset JOB ID ATTEMPT AWS ENDPOINT REGION RUN_LIMIT GRACE GPUS IMAGE OUTPUT DEST
SH=${JOBFS_SH:-/bin/sh}
base=$HOME/.jobfs
case $0 in /*) ME=$0 ;; *) ME=$PWD/$0 ;; esac
nl='
'

# ---- processes -------------------------------------------------------------------------

nap() { sleep "$1" 2>/dev/null || sleep 1; }

pstat() { # PID: p_state p_sid p_start; fails when there is no such process
	p_line='' p_start=''
	# by lines: the name of a program, in brackets, may hold a newline
	while read -r p_part; do p_line="$p_line $p_part"; done 2>/dev/null <"/proc/$1/stat"
	[ -n "$p_line" ] || return 1
	set -- ${p_line##*) }
	p_state=$1 p_sid=$4 p_start=${20}
}

# A pid alone means nothing: it is reused. Nothing below 2 is ever looked at or signalled.
is_alive() { # PID START
	case $1 in '' | 0* | 1 | *[!0-9]* | ????????????*) return 1 ;; esac
	pstat "$1" && [ "$p_start" = "$2" ] && [ "$p_state" != Z ]
}

get_boot() {
	read -r boot </proc/sys/kernel/random/boot_id || boot=none
	pstat 1
	boot=$boot.$p_start
}

get_uptime() { read -r up _ </proc/uptime && up=${up%.*}${up#*.}; } # 1/100 s

# Whose environment holds exactly this entry: -z makes each entry a line.
marked() { # NAME=VALUE: adds PID:START to $m
	for k_f in $(grep -lszxF "$1" /proc/[0-9]*/environ); do
		k_p=${k_f#/proc/} k_p=${k_p%/environ}
		pstat "$k_p" && [ "$p_state" != Z ] || continue
		case "$m " in *" $k_p:"*) ;; *) m="$m $k_p:$p_start" ;; esac
	done
}

load_prog() {
	g_pid=0 g_start=''
	[ ! -f "$a/prog" ] || read -r g_pid g_start <"$a/prog"
}

# Processes of the program: in its session, or with its mark; not the inner wrapper.
members() { # m=" PID:START …"
	m=''
	load_prog
	marked "JOBFS_ATTEMPT=$att"
	[ "$g_pid" != 0 ] || return 0
	# the session's number was given to somebody else: all of ours are gone
	! pstat "$g_pid" || [ "$p_start" = "$g_start" ] || return 0
	for k_f in $(grep -ls ") . [0-9-]* [0-9-]* $g_pid " /proc/[0-9]*/stat); do
		k_p=${k_f#/proc/} k_p=${k_p%/stat}
		pstat "$k_p" && [ "$p_sid" = "$g_pid" ] && [ "$p_state" != Z ] || continue
		[ "$k_p" = "$g_pid" ] && continue
		case "$m " in *" $k_p:"*) ;; *) m="$m $k_p:$p_start" ;; esac
	done
}

signal() { # SIG PID:START…
	k_sig=$1
	shift
	for k_m do
		is_alive "${k_m%:*}" "${k_m#*:}" && kill -s "$k_sig" "${k_m%:*}" 2>/dev/null
	done
}

# ---- files -----------------------------------------------------------------------------

durable() { sync "$@" 2>/dev/null || sync; } # an old sync(1) takes no files: all is synced

# The content is there before the name is: the first writer wins, the others see a whole
# file. 0: ours; 1: another was first; 2: could not be written (a full disk, a dead ln).
put_once() { # FILE TEXT
	f_t=$a/t.$$.$1 f_got='' f_rc=0
	{ echo "$2" >"$f_t"; } 2>/dev/null && IFS= read -r f_got <"$f_t"
	if [ "$f_got" != "$2" ]; then
		rm -f "$f_t"
		return 2
	fi
	# shellcheck disable=SC3013  # every sh has -ef; over NFS a link that worked may say no
	ln "$f_t" "$a/$1" 2>/dev/null || [ "$f_t" -ef "$a/$1" ] || f_rc=1
	[ -f "$a/$1" ] || f_rc=2
	rm -f "$f_t"
	return $f_rc
}

put_over() { # FILE TEXT
	{ echo "$2" >"$a/t.$$.$1" && mv -f "$a/t.$$.$1" "$a/$1"; } 2>/dev/null
}

# A result is held in memory until the disk takes it.
settle() { # FILE TEXT
	f_wait=0
	while
		put_once "$1" "$2"
		[ $? = 2 ]
	do
		[ -d "$a" ] || exit 0 # acked by force
		rm -f "$a/reserve"
		nap "$f_wait"
		case $f_wait in 0) f_wait=0.2 ;; 0.2) f_wait=1 ;; *) f_wait=10 ;; esac
	done
	durable "$a/$1" "$a"
}

# NAME.1, NAME.2 … say whose turn it was. Does the owner of the last one live?
turn_lives() { # NAME: t_n is the last one, t_word its word
	t_n=0 t_word=''
	while [ -f "$a/$1.$((t_n + 1))" ]; do t_n=$((t_n + 1)); done
	[ $t_n -gt 0 ] || return 1
	read -r t_pid t_start t_boot t_word <"$a/$1.$t_n"
	[ "$t_boot" = "$boot" ] && is_alive "$t_pid" "$t_start"
}

take_turn() { # NAME WORD: after turn_lives; fails when somebody else was quicker
	pstat $$ && put_once "$1.$((t_n + 1))" "$$ $p_start $boot $2"
}

load_claim() { # c_line and its words; c_kind is none, void or run
	c_line=none c_kind=none c_pid=0 c_start='' c_boot=''
	[ -f "$a/claim" ] || return 0
	read -r c_line <"$a/claim"
	# a crash between link and fsync may leave it empty: claimed, and nothing ran
	case $c_line in 'void '* | 'run '*) ;; *) c_line='run 0 0 0 0 0' ;; esac
	read -r c_kind _ c_pid c_start _ c_boot <"$a/claim"
	: "${c_kind:=run}"
}

load_plan() { # the plan's functions and variables
	IMAGE='' GRACE=0
	[ -f "$a/plan" ] || return 1
	. "$a/plan" && plan_vars
}

runner_lives() { [ "$c_boot" = "$boot" ] && is_alive "$c_pid" "$c_start"; }

uploader_lives() { turn_lives up; }

# ---- frames ----------------------------------------------------------------------------

reply() { # CODE [MESSAGE]
	[ -z "$2" ] || printf 'message %s\n' "$2"
	echo "@@$nonce END $1"
	exit 0
}

# Starts an internal verb in a session of its own; r_said is what it wrote to fd 1 until
# it closed it or died. `setsid -f` first: a shell starts `… &` with SIGINT and SIGQUIT
# ignored, dash cannot undo that, and the user's program would inherit it.
detach() { # VERB [ARG…]; fd 0 goes to it
	exec 3<&0
	r_said=$(
		setsid -f $SH "$ME" "$1" "$nonce" "$att" $2 <&3 3<&- 2>>"$a/err" || {
			setsid $SH "$ME" "$1" "$nonce" "$att" $2 <&3 3<&- 2>>"$a/err" &
		}
	)
	exec 3<&- </dev/null
}

say() { (echo "$1") 2>/dev/null; } # a reader that died must not cost us SIGPIPE

# ---- probe, aws, install ---------------------------------------------------------------

cmd_probe() {
	a=$base
	[ -d "$HOME" ] || reply EBASE "HOME: found '$HOME', expected a directory"
	[ ! -L "$base" ] || reply EBASE "$base: found a symbolic link, expected a directory"
	[ -e "$base" ] || mkdir "$base" || reply EDISK "cannot make $base"
	[ -d "$base" ] || reply EBASE "$base: found a file, expected a directory"
	b_uid=$(id -u)
	# shellcheck disable=SC2046
	set -- $(stat -c '%u %a' "$base")
	[ "$1" = "$b_uid" ] || reply EBASE "$base: found owner uid $1, expected $b_uid"
	case $2 in
	*[2367]? | *[2367]) reply EBASE "$base: found mode $2, expected not writable by others" ;;
	esac
	command -v setsid >/dev/null || reply EHOST "no setsid (package util-linux) on this host"
	[ -r /proc/self/stat ] || reply EHOST "no /proc on this host"
	mkdir -p "$base/bin" "$base/jobs" "$base/aws" || reply EDISK "cannot write below $base"
	b_got=''
	b_id=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
	put_once "probe.$nonce" "$b_id" # tells a full disk from one without links
	case $? in
	0) rm -f "$base/probe.$nonce" ;;
	*)
		{ echo "$b_id" >"$base/t.$nonce"; } 2>/dev/null && read -r b_got <"$base/t.$nonce"
		rm -f "$base/t.$nonce"
		[ "$b_got" = "$b_id" ] || reply EDISK "cannot write a file in $base"
		reply EBASE "$base: found a file system without hard links, expected one with ln(1)"
		;;
	esac
	if [ ! -f "$base/storeid" ]; then
		put_once storeid "$b_id"
		durable "$base/storeid" "$base"
	fi
	read -r b_id <"$base/storeid" || reply EBASE "$base/storeid: found it empty"
	get_boot
	set -- /dev/nvidia[0-9]*
	[ -e "$1" ] || shift
	echo "storeid $b_id${nl}boot $boot${nl}now $(date +%s)${nl}uid $b_uid"
	printf 'home %s\n' "$HOME"
	echo "arch $(uname -m)"
	echo "free_kb $(free_kb)"
	echo "docker $(command -v docker || echo none)${nl}gpus $#"
	reply OK
}

free_kb() {
	# shellcheck disable=SC2046
	set -- $(df -Pk "$base" | tail -n 1)
	echo "$4"
}

aws_version() { # PROGRAM: v_version, or fails
	[ -f "$1" ] && [ -x "$1" ] || return 1
	v_version=$("$1" --version 2>&1 </dev/null) || return 1
	case $v_version in aws-cli/[12].*) ;; *) return 1 ;; esac
	v_version=${v_version#aws-cli/}
	v_version=${v_version%%[!0-9.]*}
}

cmd_aws() {
	v_own=''
	[ ! -f "$base/aws/path" ] || IFS= read -r v_own <"$base/aws/path"
	for v_path in "$v_own" "$(command -v aws)" "$HOME/.local/bin/aws" /usr/local/bin/aws; do
		aws_version "$v_path" || continue
		printf 'path %s\nversion %s\n' "$v_path" "$v_version"
		reply OK
	done
	reply ENOAWS "no AWS CLI in $base/aws, PATH, ~/.local/bin or /usr/local/bin"
}

unzip_into() { # ZIP DIR
	if command -v unzip >/dev/null; then
		unzip -q "$1" -d "$2"
	elif command -v busybox >/dev/null && busybox unzip --help >/dev/null 2>&1; then
		busybox unzip -q "$1" -d "$2"
	elif command -v python3 >/dev/null; then
		python3 -m zipfile -e "$1" "$2"
	else
		echo "none of unzip, busybox unzip, python3 is on this host"
		return 1
	fi
}

install_failed() { # WHAT: with the last line of what the tool said
	i_why=$(tail -n 1 "$i_tmp/said" 2>/dev/null)
	rm -rf "$i_tmp" "$i_dir"
	reply EINSTALL "$1${i_why:+: $i_why}"
}

cmd_install() {
	a=$base/aws i_dir=$base/aws/$nonce i_tmp=$base/aws/t.$nonce
	mkdir -p "$i_tmp" || reply EDISK "cannot make $i_tmp"
	# what killed installs left, once nobody can be at it any more
	find "$base/aws"/t.* -prune -mtime +0 -exec rm -rf {} +
	IFS= read -r i_line
	i_arg=${i_line#* }
	case $i_line in
	'url -'*) install_failed "found '$i_line', expected a URL" ;;
	'url '*'{arch}'*) fetch_url "${i_arg%%'{arch}'*}$(uname -m)${i_arg#*'{arch}'}" ;;
	'url '*) fetch_url "$i_arg" ;;
	'data '*[!0-9]* | 'data ') install_failed "found '$i_line', expected data SIZE" ;;
	'data '*)
		head -c "$i_arg" >"$i_tmp/zip" 2>"$i_tmp/said" || install_failed "cannot write the zip"
		[ "$(wc -c <"$i_tmp/zip")" -eq "$i_arg" ] || install_failed "the zip came cut short"
		;;
	*) install_failed "found '$i_line', expected url or data" ;;
	esac
	unzip_into "$i_tmp/zip" "$i_tmp" >"$i_tmp/said" 2>&1 </dev/null ||
		install_failed "cannot unpack the zip"
	[ -f "$i_tmp/aws/install" ] || install_failed "the zip holds no aws/install"
	chmod u+x "$i_tmp/aws/install" "$i_tmp/aws/dist/"aws* 2>/dev/null # python3 drops modes
	"$i_tmp/aws/install" -i "$i_dir" -b "$i_dir/bin" >"$i_tmp/said" 2>&1 </dev/null ||
		install_failed "aws/install failed"
	aws_version "$i_dir/bin/aws" || {
		echo "$v_version" >"$i_tmp/said"
		install_failed "the AWS CLI was installed but does not run here"
	}
	put_over path "$i_dir/bin/aws" || install_failed "cannot write $base/aws/path"
	rm -rf "$i_tmp"
	printf 'path %s\nversion %s\n' "$i_dir/bin/aws" "$v_version"
	reply OK
}

fetch_url() {
	if command -v curl >/dev/null; then
		curl -fsSL --retry 2 -o "$i_tmp/zip" "$1"
	elif command -v wget >/dev/null; then
		wget -q -O "$i_tmp/zip" "$1"
	else
		echo "neither curl nor wget is on this host" >&2
		false
	fi >"$i_tmp/said" 2>&1 </dev/null || install_failed "cannot download $1"
}

# ---- put, launch, poll -----------------------------------------------------------------

make_room() { [ -d "$a" ] || mkdir -p "$a" 2>/dev/null || reply EDISK "cannot make $a"; }

cmd_put() { # SIZE
	make_room
	if [ -f "$a/claim" ]; then # nobody will look at it; the sender must not block
		head -c "$1" >/dev/null
		reply OK
	fi
	head -c "$1" >"$a/t.$nonce" 2>/dev/null
	if [ "$(wc -c 2>/dev/null <"$a/t.$nonce")" != "$1" ]; then
		rm -f "$a/t.$nonce"
		[ "$(free_kb)" -gt $(($1 / 1024 + 64)) ] || reply EDISK "no room for $1 bytes in $a"
		reply ETRUNC "the payload came cut short"
	fi
	mv -f "$a/t.$nonce" "$a/payload" || reply EDISK "cannot write in $a"
	reply OK
}

reply_claim() { # replies when there is a claim, ours or another's
	load_claim
	[ "$c_kind" != none ] || return 0
	echo "claim $c_line"
	[ "$c_kind" = run ] || reply VOIDED
	reply OK
}

cmd_launch() { # SHA256
	make_room
	reply_claim
	if [ ! -f "$a/payload" ]; then
		reply_claim # unpacked and removed in between
		reply ENOPAYLOAD "there is no payload"
	fi
	l_sum=$(sha256sum 2>/dev/null <"$a/payload")
	if [ "${l_sum%% *}" != "$1" ]; then
		reply_claim
		reply EPAYLOAD "the payload is not the one announced"
	fi
	detach _run
	reply_claim
	case $r_said in E*) reply $r_said ;; esac
	reply ESTREAM "the stream ended before END"
}

alive_word() {
	load_claim
	if [ -f "$a/end" ]; then
		alive='done'
	elif [ "$c_kind" != run ]; then
		alive=0
	elif runner_lives || uploader_lives; then
		alive=1
	elif [ "$c_boot" != "$boot" ]; then
		alive=rebooted
	else
		alive=0
		members
		marked "JOBFS_WRAPPER=$att"
		[ -z "$m" ] && ! container_runs || alive=orphan
	fi
}

container_runs() {
	load_plan
	[ -n "$IMAGE" ] || return 1
	[ "$(docker inspect -f '{{.State.Running}}' "jobfs-$att" 2>/dev/null)" = true ]
}

first_line() { # KEY FILE: one line, if there is one
	[ -f "$2" ] && read -r p_line <"$2" || return 0
	echo "$1 $p_line"
}

# What to print of an attempt but for its logs. Liveness before results: "dead and no
# result" is final then.
attempt_state() {
	alive_word
	echo "attempt $att${nl}claim $c_line${nl}alive $alive"
	if [ -f "$a/phase" ]; then
		first_line phase "$a/phase"
	elif [ "$c_kind" = run ]; then
		echo "phase prepare" # the first one needs no file
	fi
	[ ! -f "$a/cancel" ] || echo "cancel 1"
	[ ! -f "$a/timeout" ] || echo "timeout 1"
	for p_x in "$a"/xfer.*; do
		[ -f "$p_x" ] && read -r p_line <"$p_x" || continue
		case $p_line in run) p_line="run $(arrived_kb "${p_x##*.}")" ;; esac
		echo "xfer ${p_x##*.} $p_line"
	done
	first_line exit "$a/exit"
	first_line end "$a/end"
}

# How much of input I is there. The tool writes to PATH.<random> and renames it.
arrived_kb() { # I, or out
	x_want=$1 x_kb=0 x_i=0
	input() {
		[ "$x_i" != "$x_want" ] || x_kb=$(kb "$a/work/$4")
		x_i=$((x_i + 1))
	}
	[ "$x_want" = out ] || { load_plan && plan_inputs; }
	echo "$x_kb"
}

kb() { # PATH
	set -- "$1" "$1".*
	[ -e "$2" ] || set -- "$1"
	x_sum=0
	for x_n in $(du -sk "$@" 2>/dev/null | cut -f 1); do x_sum=$((x_sum + x_n)); done
	echo $x_sum
}

cmd_poll() { # ATT:LOGOFF:TLOGOFF:MAX …
	get_boot
	echo "now $(date +%s)${nl}boot $boot"
	first_line storeid "$base/storeid"
	cd "$base/jobs" 2>/dev/null || cd / || exit 1
	p_logs='' p_first=1
	for p_spec do
		att=${p_spec%%:*} a=$base/jobs/${p_spec%%:*}
		p_logs="$p_logs $att/log $att/tlog"
		if [ $p_first = 1 ]; then set --; fi
		p_first=0
		set -- "$@" "$p_spec" "$(attempt_state)"
	done
	# one stat for all, after all results were read
	p_sizes=$nl$(stat -c '%s %n' $p_logs 2>/dev/null)$nl
	while [ $# -gt 0 ]; do
		att=${1%%:*} p_off=${1#*:} p_max=${1##*:}
		p_toff=${p_off#*:}
		echo "$2"
		size_of "$att/log"
		p_size=$size
		size_of "$att/tlog"
		echo "log $p_size${nl}tlog $size"
		log_bytes log "${p_off%%:*}" "$p_size"
		log_bytes tlog "${p_toff%%:*}" "$size"
		shift 2
	done
	reply OK
}

size_of() { # FILE: out of $p_sizes
	size=0
	case $p_sizes in *" $1$nl"*) ;; *) return ;; esac
	size=${p_sizes%%" $1$nl"*}
	size=${size##*"$nl"}
}

log_bytes() { # NAME OFFSET SIZE
	[ "$2" -lt "$3" ] || return 0
	p_len=$(($3 - $2))
	[ $p_len -le "$p_max" ] || p_len=$p_max
	[ $p_len -gt 0 ] || return 0
	echo "data $1 $p_len"
	tail -c "+$(($2 + 1))" "$att/$1" | head -c $p_len
	echo
}

cmd_manifest() {
	for p_name in manifest skipped; do
		[ -f "$a/$p_name" ] || reply ENOMANIFEST "the outputs were not listed yet"
		echo "data $p_name $(wc -c <"$a/$p_name" | tr -d ' ')"
		cat "$a/$p_name"
		echo
	done
	reply OK
}

# ---- the runner ------------------------------------------------------------------------

# Two anonymous pipes out of two FIFOs: opened for both ways first, since an open for one
# way waits for the other. Only the runner holds 7, so the keeper sees the runner die.
keeper_start() { # the secrets are on fd 3
	mkfifo "$a/t.$$.c" "$a/t.$$.r" || return 1
	# shellcheck disable=SC2094  # they are FIFOs
	exec 5<>"$a/t.$$.c" && exec 4<"$a/t.$$.c" 7>"$a/t.$$.c" 5>&-
	# shellcheck disable=SC2094
	exec 5<>"$a/t.$$.r" && exec 6<"$a/t.$$.r" 8>"$a/t.$$.r" 5>&-
	$SH "$ME" _sec "$nonce" "$att" <&3 4<&4 >&8 3<&- 6<&- 7>&- 8>&- &
	exec 3<&- 4<&- 8>&-
	read -r k_word <&6 && [ "$k_word" = ready ]
}

keeper_tidy() { rm -f "$a/t.$$.c" "$a/t.$$.r" "$@"; } # apart: the start shall be quick

keeper_order() { # WORD: fails when the keeper died
	say "$1" >&7
	read -r k_word <&6 && [ "$k_word" = 'done' ]
}

keeper_stop() { exec 6<&- 7>&-; }

cmd__run() { # fd 0: the secrets; fd 1: launch waits until it is closed
	exec 3<&0 </dev/null
	if ! keeper_start; then # nothing happened
		keeper_tidy
		exit
	fi
	get_boot
	pstat $$
	put_once claim "run $nonce $$ $p_start $p_sid $boot" || { # THE gate
		[ $? = 1 ] || say "EDISK cannot write the claim"
		keeper_tidy
		exit
	}
	durable "$a/claim" "$a" # nothing with an effect before this
	exec >/dev/null
	printf '%8192s' '' >"$a/reserve"
	if ! (unpack) 2>"$a/t.why"; then
		read -r r_why <"$a/t.why" || r_why='cannot be unpacked'
		finish "payload-failed $r_why"
	fi
	keeper_tidy "$a/payload" "$a/t.why"
	load_plan
	download || finish download-failed
	want_upload || keeper_stop
	run_program
	end_leftovers
	upload
}

finish() { # TEXT of end
	[ ! -f "$a/cancel" ] || [ -f "$a/exit" ] || set -- cancelled
	put_over phase end # before, since ack may come after
	settle end "$1"
	exit 0
}

want_upload() { [ -n "$OUTPUT" ] && [ -n "$DEST" ]; }

# In a subshell: a plan that is no sh ends that one only. fd 3 gets the words for `end`,
# plain ones; names that a user chose go to tlog.
unpack() {
	exec 3>&2 2>>"$a/err"
	{
		read -r u_line
		case $u_line in 'jobfs 1 '*[0-9]) ;; *) unpack_failed 'unknown format' ;; esac
		head -c "${u_line##* }" >"$a/plan" || unpack_failed 'cannot write the plan'
	} <"$a/payload"
	load_plan || unpack_failed 'the plan is no sh text'
	inside_only "$OUTPUT"
	input() { inside_only "$4"; }
	plan_inputs
	umask 022 # what is below work is for the user of an image too
	mkdir -p "$a/ctl" "$a/work/files" "$a/work/inputs" "$a/work/$OUTPUT" ||
		unpack_failed 'cannot make directories'
	[ -z "$IMAGE" ] || chmod 777 "$a/ctl" ${OUTPUT:+"$a/work/$OUTPUT"}
	dir() { # PATH MODE
		inside_only "$1" "$2"
		mkdir -p "$a/work/files/$1" || unpack_failed 'cannot make a directory' "$1"
		u_dirs="$2 $1$nl$u_dirs"
	}
	file() { # PATH MODE OFFSET SIZE
		inside_only "$1" "$2"
		{ tail -c "+$(($3 + 1))" "$a/payload" | head -c "$4" >"$a/work/files/$1"; } &&
			chmod "$2" "$a/work/files/$1" || unpack_failed 'cannot write a file' "$1"
	}
	u_dirs=''
	plan_files
	# last and from the inside out: a directory may be made read-only
	while [ -n "$u_dirs" ]; do
		u_line=${u_dirs%%"$nl"*} u_dirs=${u_dirs#*"$nl"}
		chmod "${u_line%% *}" "$a/work/files/${u_line#* }"
	done
}

unpack_failed() { # WORDS [NAME]
	echo "$1" >&3
	printf 'jobfs: payload: %s %s\n' "$1" "$2" >>"$a/tlog"
	exit 1
}

inside_only() { # PATH [MODE]
	case /$1/ in // | /./) ;; *//* | */../*) unpack_failed 'a path leads outside' "$1" ;; esac
	case ${2:-755} in [0-7][0-7][0-7]) ;; *) unpack_failed 'no mode of a file' "$2" ;; esac
}

download() {
	d_n=0
	input() { d_n=$((d_n + 1)); }
	plan_inputs
	[ $d_n -gt 0 ] || return 0
	put_over phase download
	keeper_order download || {
		end_transfers # without their keeper nobody waits for them
		return 1
	}
	while [ $d_n -gt 0 ]; do
		d_n=$((d_n - 1)) d_word=''
		[ ! -f "$a/xfer.$d_n" ] || read -r d_word _ <"$a/xfer.$d_n"
		[ "$d_word" = ok ] || return 1
	done
}

# The inner wrapper is in the foreground: with `&` it would have signals ignored.
run_program() {
	[ ! -f "$a/cancel" ] || finish cancelled
	put_over phase run || {
		rm -f "$a/reserve"
		put_over phase run
	} || finish 'payload-failed no room to start'
	durable "$a/phase" "$a" # a crash from here on means: the program may have run
	exec 9>/dev/null
	if [ "$RUN_LIMIT" -gt 0 ]; then # 9 is held by the runner and the inner wrapper
		mkfifo "$a/t.limit" || finish 'payload-failed no room to start'
		# shellcheck disable=SC2094
		exec 5<>"$a/t.limit" && exec 8<"$a/t.limit" 9>"$a/t.limit" 5>&-
		rm -f "$a/t.limit"
		$SH "$ME" _timer "$nonce" "$att" <&8 6<&- 7>&- 8<&- 9>&- &
		exec 8<&-
	fi
	JOBFS_WRAPPER=$att setsid $SH "$ME" _exec "$nonce" "$att" 6<&- 7>&- 9>&9
	# The inner wrapper died without a word (kill -9, no memory): the program may live on.
	r_nap=0.02
	until [ -f "$a/exit" ]; do
		members
		if [ -z "$m" ] && ! container_runs; then
			settle exit "$(last_result inner-killed)"
		else
			nap $r_nap
			case $r_nap in 0.02) r_nap=0.2 ;; *) r_nap=1 ;; esac
		fi
	done
	exec 9>&-
}

last_result() { # WORD: what is known when the inner wrapper told nothing
	if [ -n "$IMAGE" ] && docker_result; then echo "$result"; else echo "lost $1"; fi
}

# What the program left behind would still write to the outputs and hold its GPUs. One that
# even KILL does not end (a hung driver) must not keep the outputs here.
end_leftovers() {
	members
	k_seen=''
	[ -z "$m" ] || kill_tree "$GRACE" 30
}

cmd__timer() { # fd 0: end-of-file when the program is over
	get_boot
	load_claim
	load_plan
	timeout "$RUN_LIMIT" cat >/dev/null
	case $? in 124 | 143) ;; *) exit 0 ;; esac # busybox says 143
	[ ! -f "$a/exit" ] || exit 0
	exec </dev/null
	put_once timeout 1
	k_seen=''
	kill_tree "$GRACE"
}

# ---- outputs ---------------------------------------------------------------------------

upload() {
	want_upload || finish ok
	put_over phase upload
	if ! list_outputs && ! list_outputs; then # a file may vanish below find's feet once
		echo "jobfs: cannot list the outputs" >>"$a/tlog"
		finish "upload-failed 1"
	fi
	[ -s "$a/manifest" ] || finish ok
	keeper_order upload || put_over xfer.out "fail 137" # killed: it had no chance to say it
	read -r o_word o_rc _ <"$a/xfer.out"
	[ "$o_word" = ok ] || finish "upload-failed $o_rc"
	finish ok
}

# The tool must upload exactly what is in the manifest. When something was left out, it
# gets a tree of links to what was not, instead of patterns that it reads otherwise.
list_outputs() {
	rm -rf "$a/stage"
	: >"$a/t.skipped"
	exclude() { mkdir -p "$a/stage"; }
	plan_excludes
	o_dir=$(cd -P "$a/work/$OUTPUT" 2>/dev/null && pwd -P)
	o_want=$(cd -P "$a/work" && pwd -P)
	case $OUTPUT in . | ./) ;; *) o_want=$o_want/${OUTPUT%/} ;; esac
	if [ -z "$o_dir" ]; then
		: >"$a/t.manifest"
		[ ! -e "$a/work/$OUTPUT" ] || printf 'notdir .\0' >"$a/t.skipped"
	elif [ "$o_dir" != "$o_want" ]; then # the directory, or one on the way, became a link
		: >"$a/t.manifest"
		printf 'symlink .\0' >"$a/t.skipped"
	else
		list_walk || return 1
		if [ -s "$a/t.skipped" ] && [ ! -d "$a/stage" ]; then
			mkdir -p "$a/stage"
			list_walk || return 1
		fi
	fi
	mv -f "$a/t.skipped" "$a/skipped" && mv -f "$a/t.manifest" "$a/manifest"
}

list_walk() {
	: >"$a/t.skipped"
	(cd "$o_dir" && find . ! -name . -exec $SH "$ME" _list "$nonce" "$att" {} +) \
		>"$a/t.manifest" 3>>"$a/t.skipped" 2>>"$a/err"
	o_rc=$?
	# find fails at a directory that it may not enter; that one is in skipped
	[ $o_rc = 0 ] || grep -qz '^unreadable ' "$a/t.skipped"
}

cmd__list() { # PATH…: one batch of find's; manifest to fd 1, skipped to fd 3
	load_plan
	exclude() {
		# shellcheck disable=SC2254  # it is a pattern
		case $l_path in $1) l_skip=excluded ;; esac
	}
	stat -c %s "$@" | {
		for l_path do
			read -r l_size || exit 1 # one vanished: the sizes do not belong to the names
			l_path=${l_path#./} l_skip=''
			if [ -d "$l_path" ] && [ ! -L "$l_path" ]; then
				[ -r "$l_path" ] && [ -x "$l_path" ] || printf 'unreadable %s\0' "$l_path" >&3
				continue
			fi
			plan_excludes
			[ -n "$l_skip" ] || file_kind
			case $l_skip in
			excluded) ;;
			'')
				printf '%s %s\0' "$l_size" "$l_path"
				[ ! -d "$a/stage" ] || stage "$l_path"
				;;
			*) printf '%s %s\0' "$l_skip" "$l_path" >&3 ;;
			esac
		done
	}
}

file_kind() { # l_skip: why $l_path cannot be uploaded
	if [ -L "$l_path" ]; then
		l_skip=symlink
	elif [ -p "$l_path" ]; then
		l_skip=fifo
	elif [ -S "$l_path" ]; then
		l_skip=socket
	elif [ ! -f "$l_path" ]; then
		l_skip=device
	elif [ ! -r "$l_path" ]; then
		l_skip=unreadable
	else
		case $l_path in *[!\ -~]*) # a key is UTF-8
			! command -v iconv >/dev/null ||
				printf '%s' "$l_path" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1 || l_skip=badname
			;;
		esac
	fi
}

stage() {
	case $1 in */*) [ -d "$a/stage/${1%/*}" ] || mkdir -p "$a/stage/${1%/*}" ;; esac
	ln -s "$PWD/$1" "$a/stage/$1" || exit 1
}

cmd__upload() { # as _run, for an attempt whose runner is gone
	exec 3<&0 </dev/null
	keeper_start
	k_rc=$?
	keeper_tidy
	[ $k_rc = 0 ] || exit
	get_boot
	load_claim
	load_plan
	if uploader_lives || ! take_turn up "$nonce"; then exit; fi
	# written by us or by the dead runner; the one end that may be replaced
	case $(cat "$a/end" 2>/dev/null) in upload-failed*) rm -f "$a/end" ;; esac
	say started
	exec >/dev/null
	end_transfers
	r_why=runner-killed
	[ "$c_boot" = "$boot" ] || r_why=rebooted
	read -r r_phase 2>/dev/null <"$a/phase"
	case $r_phase in run | upload | end) ;; *) finish "lost $r_why" ;; esac
	[ -f "$a/exit" ] || settle exit "$(last_result $r_why)"
	end_leftovers
	upload
}

cmd_upload() {
	get_boot
	alive_word
	case $c_kind in none) reply ENOCLAIM "never launched" ;; void) reply VOIDED ;; esac
	[ ! -f "$a/acked" ] || reply EACKED "already acknowledged"
	case $alive in
	'done') case $(cat "$a/end") in upload-failed*) ;; *) reply OK ;; esac ;;
	orphan) [ -f "$a/exit" ] || reply EALIVE "the program still runs" ;;
	1)
		uploader_lives && reply OK
		reply EALIVE "the runner lives"
		;;
	esac
	detach _upload
	case $r_said in started) reply OK ;; esac
	uploader_lives && reply OK
	reply ESTREAM "the stream ended before END"
}

# ---- the secret keeper -----------------------------------------------------------------

# Orders come on fd 4; end-of-file there means that the runner is gone. It waits in read.
cmd__sec() {
	# shellcheck disable=SC3045  # each sh has it
	ulimit -c 0
	s_ok='' s_ak='' s_sk='' s_st=''
	while IFS= read -r s_line; do
		case $s_line in
		"END $nonce") s_ok=1 && break ;;
		'AK '*) s_ak=${s_line#AK } ;;
		'SK '*) s_sk=${s_line#SK } ;;
		'ST '*) s_st=${s_line#ST } ;;
		esac
	done
	exec </dev/null
	[ -n "$s_ok" ] || exit 0
	s_line=''
	echo ready
	while read -r s_order <&4; do
		load_plan
		cd "$a/work" || exit 1
		case $s_order in
		download)
			s_i=0
			input() {
				transfer_in $s_i "$@" &
				s_i=$((s_i + 1))
			}
			plan_inputs
			wait
			;;
		upload) (transfer_out) ;;
		esac
		echo 'done'
	done
}

# Both are subshells, so `exec` lets go of the pipes: whoever waits for the keeper's end
# must not wait for them (a redirection of a function would keep a copy).
transfer_in() { # I NAME KIND URI PATH
	exec 4<&- >>"$a/tlog" 2>&1
	put_over "xfer.$1" run
	umask 022
	printf '== %s: %s -> %s\n' "$2" "$4" "$5"
	x_to=$a/work/$5 x_rc=0
	if [ -f "$a/cancel" ]; then
		x_rc=143
	elif [ "$3" = prefix ]; then
		mkdir -p "$x_to"
		s3 cp --recursive "$4" "$x_to" || x_rc=$?
		[ -n "$(find "$x_to" -type f | head -n 1)" ] || x_rc=${x_rc#0}
	else
		mkdir -p "${x_to%/*}"
		s3 cp "$4" "$x_to" || x_rc=$?
		[ -f "$x_to" ] || x_rc=${x_rc#0}
	fi
	x_word="fail $x_rc"
	case $x_rc in
	0) x_word=ok ;;
	'')
		printf 'jobfs: %s: the S3 tool told no error, but nothing came from %s\n' "$2" "$4"
		x_word='fail 0'
		;;
	*) echo "jobfs: $2: the S3 tool ended with $x_rc" ;;
	esac
	umask 077
	put_over "xfer.$1" "$x_word $(kb "$x_to")"
}

transfer_out() {
	exec 4<&- >>"$a/tlog" 2>&1
	put_over xfer.out run
	printf '== output: %s -> %s\n' "$OUTPUT" "$DEST"
	if [ -d "$a/stage" ]; then
		s3 cp --recursive "$a/stage" "$DEST"
	else
		s3 cp --recursive --no-follow-symlinks "$a/work/$OUTPUT" "$DEST"
	fi
	x_rc=$?
	case $x_rc in
	0) put_over xfer.out "ok 0" ;;
	*)
		echo "jobfs: the S3 tool ended with $x_rc"
		put_over xfer.out "fail $x_rc 0"
		;;
	esac
}

# With credentials of ours nothing else of the host may answer for them. Without, the tool
# runs as the host has set it up. UTF-8 for the names of files, which are keys.
s3() { # ARG…
	(
		export LC_ALL=C.UTF-8 AWS_PAGER='' JOBFS_XFER="$att"
		export AWS_REQUEST_CHECKSUM_CALCULATION=when_required
		export AWS_RESPONSE_CHECKSUM_VALIDATION=when_required
		[ -z "$REGION" ] || export AWS_DEFAULT_REGION="$REGION" AWS_REGION="$REGION"
		if [ -n "$s_ak" ]; then
			unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_SECURITY_TOKEN
			export AWS_EC2_METADATA_DISABLED=true
			export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
			export AWS_ACCESS_KEY_ID="$s_ak" AWS_SECRET_ACCESS_KEY="$s_sk"
			[ -z "$s_st" ] || export AWS_SESSION_TOKEN="$s_st"
		fi
		[ -z "$ENDPOINT" ] || set -- "$@" --endpoint-url "$ENDPOINT"
		exec "${AWS:-aws}" s3 "$@" --no-progress </dev/null
	)
}

# ---- the inner wrapper -----------------------------------------------------------------

cmd__exec() {
	trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2 # `kill 0` in the program is not for us
	pstat $$
	put_over prog "$$ $p_start"
	load_plan
	w=$a/work result=''
	cd "$w" || {
		settle exit 'lost no-directory'
		exit
	}
	plan_setup
	[ -n "$result" ] || plan_program
	settle exit "$result"
}

# The words of plan_setup and plan_program. Texts go to a file beside the job's directory.
setup() { # TEXT
	printf '%s\n' "$1" >"$a/ctl/setup.sh"
	[ -z "$IMAGE" ] || return 0 # the container does it
	inside /bin/sh -e "$a/ctl/setup.sh" || result="setup $?"
}

script() { # FILE ARG…
	e_file=$w/files/$1 e_head=''
	shift
	read -r e_head 2>/dev/null <"$e_file"
	case $e_head in
	'#!'* | ?ELF*)
		chmod a+rx "$e_file"
		argv "$e_file" "$@"
		;;
	*) case $e_file in
		*.py) argv python3 "$e_file" "$@" ;;
		*) argv /bin/sh "$e_file" "$@" ;;
		esac ;;
	esac
}

shell() { # TEXT ARG…
	printf '%s\n' "$1" >"$a/ctl/run.sh"
	shift
	argv /bin/sh -e "$a/ctl/run.sh" "$@"
}

argv() { # PROGRAM ARG…
	if [ -n "$IMAGE" ]; then
		in_container "$@"
	else
		inside "$@"
		result="exit $?"
	fi
}

inside() { # COMMAND…: on the log, in the program's environment
	(become "$@") </dev/null >>"$a/log" 2>&1 9>&-
}

become() { # COMMAND…
	umask "${JOBFS_HOST%% *}"
	case ${JOBFS_HOST#* } in =*) LC_ALL=${JOBFS_HOST#* =} ;; *) unset LC_ALL ;; esac 2>/dev/null
	unset JOBFS_HOST JOBFS_SH JOBFS_WRAPPER
	setenv() {
		# names that some shell does not let go; and the mark
		case $1 in UID | EUID | PPID | SHELLOPTS | BASH* | OPTIND | JOBFS_*) return ;; esac
		export "$1=$2"
	}
	export JOBFS_ATTEMPT="$att"
	job_env
	plan_env 2>/dev/null # may overwrite any variable of ours: only "$@" is used from here
	exec "$@"
}

job_env() { # calls setenv for what every program gets
	setenv JOB_ID "$ID"
	setenv JOB_NAME "$JOB"
	setenv JOB_ATTEMPT "$ATTEMPT"
	setenv JOB_DIR "$w"
	setenv JOB_OUTPUT_DIR "$w/$OUTPUT"
	input() { setenv "JOB_INPUT_$1" "$w/$4"; }
	plan_inputs
	if [ -n "$GPUS" ]; then setenv CUDA_VISIBLE_DEVICES "$(visible_gpus)"; fi
}

visible_gpus() { # a container sees only its own, from 0
	if [ -z "$IMAGE" ]; then
		echo "$GPUS"
		return
	fi
	e_list=$GPUS, e_n=0 e_out=''
	while [ -n "$e_list" ]; do
		e_out=$e_out,$e_n e_n=$((e_n + 1)) e_list=${e_list#*,}
	done
	echo "${e_out#,}"
}

# A container survives its client and a restart of dockerd, so the code comes from inspect,
# never from the client. What fails before the program could start is a failed setup.
in_container() { # COMMAND…
	e_docker=$(command -v docker) || {
		printf 'jobfs: image %s: there is no docker on this host\n' "$IMAGE" >>"$a/log"
		result='setup 127'
		return
	}
	umask 022 # the user of the image reads these
	if [ -f "$a/ctl/setup.sh" ]; then
		chmod 644 "$a/ctl/setup.sh"
		# shellcheck disable=SC2016  # for the shell in the container
		set -- /bin/sh -c '/bin/sh -e "$0/setup.sh" || {
			rc=$?; echo $rc >"$0/setup.failed"; exit $rc; }; exec "$@"' "$a/ctl" "$@"
	fi
	[ ! -f "$a/ctl/run.sh" ] || chmod 644 "$a/ctl/run.sh"
	set -- "$IMAGE" "$@"
	setenv() { e_names="$e_names $1"; }
	e_names=JOBFS_ATTEMPT
	job_env
	plan_env
	for e_name in $e_names; do set -- -e "$e_name" "$@"; done # values: only in the environment
	[ -z "$GPUS" ] || set -- --gpus "\"device=$GPUS\"" "$@"
	set -- --name "jobfs-$att" --label "jobfs.attempt=$att" -w "$w" \
		-v "$w:$w" -v "$a/ctl:$a/ctl" "$@"
	if [ -f "$a/cancel" ]; then
		result='setup 143'
		return
	fi
	if ! docker inspect "jobfs-$att" >/dev/null 2>&1; then
		{
			docker image inspect "$IMAGE" >/dev/null 2>&1 || docker pull "$IMAGE" >/dev/null
		} </dev/null 2>>"$a/log" 9>&-
		(become "$e_docker" create "$@") </dev/null >/dev/null 2>>"$a/log" 9>&- || {
			result="setup $?"
			return
		}
	fi
	docker start -a "jobfs-$att" </dev/null >>"$a/log" 2>&1 9>&-
	e_rc=$?
	if container_runs; then
		echo "jobfs: the connection to docker broke; output may be missing here" >>"$a/log"
		docker attach --no-stdin --sig-proxy=false "jobfs-$att" </dev/null \
			>>"$a/log" 2>&1 9>&-
		e_rc=broken
	fi
	if ! docker_result; then
		case $d_state in
		'created 0'*) result="setup $e_rc" ;;
		'created '*) result="setup ${d_state#* }" ;;
		*) result='lost no-container' ;;
		esac
	elif [ -s "$a/ctl/setup.failed" ]; then
		result="setup ${result#exit }"
	elif [ "$result" = 'exit 255' ] && [ "$e_rc" != 255 ]; then
		result='lost docker-255' # what dockerd says when it does not know
	fi
}

# Waits for the container's end: `result`. Fails when it never started or is gone.
docker_result() {
	while :; do
		d_state=$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "jobfs-$att" 2>&1)
		case $d_state in
		'exited '* | 'dead '*) break ;;
		'created '* | *'No such'*) return 1 ;;
		esac
		docker wait "jobfs-$att" >/dev/null 2>&1 || nap 1
	done
	result="exit ${d_state#* }"
}

# ---- cancel, ack -----------------------------------------------------------------------

cmd_cancel() { # GRACE
	make_room
	load_claim
	if [ "$c_kind" = none ]; then # else nothing is to be written: the disk may be full
		put_once claim "void cancel"
		[ $? != 2 ] || reply EDISK "cannot write in $a"
		durable "$a/claim" "$a"
		load_claim
	fi
	[ "$c_kind" != void ] || reply VOIDED
	[ ! -f "$a/acked" ] || reply OK
	get_boot
	[ -f "$a/exit" ] || put_once cancel "$nonce" # what ended by itself was not cancelled
	[ "$c_boot" = "$boot" ] && [ ! -f "$a/end" ] || reply OK
	detach _kill "$1" </dev/null
	reply OK
}

cmd__kill() { # GRACE
	get_boot
	load_claim
	load_plan
	k_seen=''
	if turn_lives kill; then
		[ "$t_word" -gt "$1" ] || exit 0 # somebody is at it, and not slower
		members # they had their TERM; all that is new is to wait less
		k_seen=$m
	fi
	take_turn kill "$1"
	[ $? != 1 ] || exit 0 # 2, a full disk, must not stop us
	exec >/dev/null
	kill_tree "$1"
}

nothing_comes() { [ -f "$a/exit" ] || [ -f "$a/end" ] || ! runner_lives; }

# TERM to each once, KILL to all after GRACE seconds; until nothing lives and nothing can
# start any more. A container is stopped by its engine, its clients then end by themselves.
kill_tree() { # GRACE [PATIENCE after it]; k_seen: who had the TERM already
	get_uptime
	k_until=$((up + $1 * 100)) k_nap=0.02
	while [ $up -lt $((k_until + ${2:-999999999} * 100)) ]; do
		k_left=$(((k_until - up + 99) / 100))
		if container_runs; then
			if [ $k_left -gt 0 ]; then
				docker stop -t $k_left "jobfs-$att"
			else
				docker kill "jobfs-$att"
			fi >/dev/null 2>&1 </dev/null
			m=''
		else
			members
			k_phase=''
			[ ! -f "$a/phase" ] || read -r k_phase <"$a/phase"
			[ "$k_phase" != download ] || marked "JOBFS_XFER=$att"
			if [ -z "$m" ] && nothing_comes; then return; fi
		fi
		k_new=''
		for k_one in $m; do
			case "$k_seen " in *" $k_one "*) ;; *) k_new="$k_new $k_one" ;; esac
		done
		if [ $k_left -gt 0 ]; then signal TERM $k_new; else signal KILL $m; fi
		k_seen="$k_seen$k_new"
		nap $k_nap
		case $k_nap in 0.02) k_nap=0.05 ;; 0.05) k_nap=0.2 ;; *) k_nap=0.5 ;; esac
		get_uptime
	done
}

end_transfers() { # of a runner that is dead
	for k_s in TERM KILL; do
		for k_n in 1 2 3 4 5 6 7 8 9 10; do
			m=''
			marked "JOBFS_XFER=$att"
			[ -n "$m" ] || return 0
			[ "$k_n" != 1 ] || signal $k_s $m
			nap 0.1
		done
	done
}

cmd_ack() { # [force]
	get_boot
	if [ "$1" = force ]; then
		make_room
		put_once claim 'void ack' && durable "$a/claim" "$a"
	fi
	alive_word
	if [ ! -f "$a/acked" ]; then
		case $c_kind:$alive:$1 in
		none:*) reply ENOCLAIM "never launched" ;;
		void:* | run:done:*) ;;
		run:1:*) reply EALIVE "the runner lives" ;;
		run:*:force) ;;
		*) reply ENOEND "it has no end" ;;
		esac
	fi
	end_transfers
	if load_plan && [ -n "$IMAGE" ]; then
		docker rm -f "jobfs-$att"
		# what a container wrote as root is not ours to remove; but a container's
		rm -rf "$a/work" || docker run --rm --entrypoint /bin/rm -v "$a:$a" "$IMAGE" \
			-rf "$a/work"
	fi >/dev/null 2>&1 </dev/null
	for k_f in "$a"/*; do
		case ${k_f##*/} in claim | exit | end | acked) continue ;; esac
		rm -rf "$k_f" 2>/dev/null || {
			chmod -R u+rwX "$k_f"
			rm -rf "$k_f"
		} 2>/dev/null
	done
	: >"$a/acked"
	durable "$a"
	[ ! -e "$a/work" ] || reply OK "$a/work could not be removed whole"
	reply OK
}

# ---- what the caller wrote -------------------------------------------------------------

number() { case $1 in '' | *[!0-9]* | 0?* | ????????????????*) return 1 ;; esac; }
attempt() { case $1 in '' | *[!0-9a-f-]*) return 1 ;; esac; }
bad_args() { reply EARGS "$verb: arguments are not as PROTOCOL.md says"; }

poll_spec() { # ATT:LOGOFF:TLOGOFF:MAX
	case $1 in *:*:*:*:*) return 1 ;; *:*:*:*) ;; *) return 1 ;; esac
	p_rest=${1#*:}
	p_tail=${p_rest#*:}
	attempt "${1%%:*}" && number "${p_rest%%:*}" && number "${p_tail%%:*}" &&
		number "${p_tail#*:}"
}

verb=$1 nonce=$2
case $verb in
_run | _upload | _sec | _timer | _exec | _list | _kill)
	umask 077
	att=$3 a=$base/jobs/$3
	shift 3
	"cmd_$verb" "$@"
	exit
	;;
launch)
	JOBFS_HOST="$(umask) $lc_host"
	export JOBFS_HOST
	;;
esac
umask 077
case $nonce in '' | *[!0-9a-z]*) exit 64 ;; esac
shift 2
echo "@@$nonce BEGIN"
case $verb in
probe | aws | install)
	[ $# = 0 ] || bad_args
	"cmd_$verb"
	;;
poll)
	for p_spec do poll_spec "$p_spec" || bad_args; done
	cmd_poll "$@"
	;;
put | launch | manifest | cancel | upload | ack)
	att=$1 a=$base/jobs/$1
	attempt "$1" || bad_args
	shift
	case $verb:$# in
	put:1 | cancel:1) number "$1" || bad_args ;;
	launch:1) attempt "$1" || bad_args ;;
	manifest:0 | upload:0 | ack:0) ;;
	ack:1) [ "$1" = force ] || bad_args ;;
	*) bad_args ;;
	esac
	"cmd_$verb" "$@"
	;;
*) reply EVERB "no verb $verb" ;;
esac

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

cmd__run() { # [SIZE]; fd 0: secrets, or URLs; fd 1: launch waits until it is closed
	exec 3<&0 </dev/null
	if [ -n "$1" ]; then
		read -r r_line <&3 && [ "$r_line" = "END $nonce" ] || exit
	elif ! keeper_start; then # nothing happened
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
	[ -n "$1" ] || exec >/dev/null
	make_reserve
	if ! (unpack) 2>"$a/t.why"; then
		read -r r_why <"$a/t.why" || r_why='cannot be unpacked'
		finish "payload-failed $r_why"
	fi
	[ -z "$1" ] || first_urls "$1"
	keeper_tidy "$a/payload" "$a/t.why"
	load_plan
	watch_start
	d_why=''
	cache_room
	download || finish "download-failed$d_why"
	has_ckpt || { want_upload && [ "$ENGINE" != presigned ]; } || keeper_stop
	run_program
	end_leftovers
	metrics_end
	upload
}

finish() { # TEXT of end
	[ ! -f "$a/cancel" ] || [ -f "$a/exit" ] || set -- cancelled
	put_over phase end # before, since ack may come after
	settle end "$1"
	tell
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
	inside_only "$CKPT"
	input() { inside_only "$4"; }
	plan_inputs
	metric() { inside_only "$1"; }
	plan_metrics
	umask 022 # what is below work is for the user of an image too
	mkdir -p "$a/ctl" "$a/work/files" "$a/work/inputs" "$a/work/$OUTPUT" "$a/work/$CKPT" ||
		unpack_failed 'cannot make directories'
	[ -z "$IMAGE" ] || chmod 777 "$a/ctl" ${OUTPUT:+"$a/work/$OUTPUT"} ${CKPT:+"$a/work/$CKPT"}
	dir() { # PATH MODE
		inside_only "$1" "$2"
		mkdir -p "$a/work/files/$1" || unpack_failed 'cannot make a directory' "$1"
		u_dirs="$2 $1$nl$u_dirs"
	}
	file() { # PATH MODE OFFSET SIZE
		inside_only "$1" "$2"
		{
			dd bs=1 skip="$3" count=0 2>/dev/null && # it seeks
				head -c "$4" >"$a/work/files/$1"
		} <"$a/payload" && chmod "$2" "$a/work/files/$1" || unpack_failed 'cannot write a file' "$1"
	}
	u_index=index
	! is_client "$ENGINE" || u_index=listed
	index() { # OFFSET SIZE
		{ dd bs=1 skip="$1" count=0 2>/dev/null && head -c "$2" >"$a/$u_index"; } <"$a/payload" ||
			unpack_failed 'cannot write a file' index
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
	[ $d_n -gt 0 ] || has_ckpt || return 0
	put_over phase download
	timer_start download "$DOWNLOAD_LIMIT" || return 1
	d_ok=1
	if [ $d_n -gt 0 ] && ! move_inputs; then
		d_ok=''
		end_transfers # without their keeper nobody waits for them
	elif ! ckpt_resume; then
		d_ok='' d_why=' checkpoint'
		end_transfers
	fi
	timer_stop
	[ -n "$d_ok" ] && [ ! -f "$a/timeout" ] || return 1
	while [ $d_n -gt 0 ]; do
		d_n=$((d_n - 1)) d_word=''
		[ ! -f "$a/xfer.$d_n" ] || read -r d_word _ <"$a/xfer.$d_n"
		[ "$d_word" = ok ] || return 1
	done
}

move_inputs() {
	cache_begin && transfer_inputs
	r_rc=$?
	cache_end
	return $r_rc
}

transfer_inputs() {
	r_i=0
	while is_there $r_i; do r_i=$((r_i + 1)); done
	# URLs that came with the launch are awaited, and with them over, in any case
	[ $r_i -lt $d_n ] || [ -n "$w_first" ] || return 0
	case $ENGINE in presigned) await download ;; *) keeper_order download ;; esac
}

# The inner wrapper is in the foreground: with `&` it would have signals ignored.
run_program() {
	[ ! -f "$a/cancel" ] || finish cancelled
	put_over phase run || {
		rm -f "$a/reserve"
		put_over phase run
	} || finish 'payload-failed no room to start'
	durable "$a/phase" "$a" # a crash from here on means: the program may have run
	tell
	timer_start run "$RUN_LIMIT" || finish 'payload-failed no room to start'
	metrics_start
	ckpt_start
	JOBFS_WRAPPER=$att setsid $SH "$ME" _exec "$nonce" "$att" 3>&- 6<&- 7>&- 9>&9
	# The inner wrapper died without a word (kill -9, no memory): the program may live on.
	r_nap=0.02
	until [ -f "$a/exit" ]; do
		members
		if [ -z "$m" ] && ! container_runs; then
			settle exit "$(last_result inner-killed 3>&- 6<&- 7>&-)"
		else
			nap $r_nap
			case $r_nap in 0.02) r_nap=0.2 ;; *) r_nap=1 ;; esac
		fi
	done
	exec 9>&-
}

last_result() { # WORD: what is known when the inner wrapper told nothing
	result=''
	[ -z "$IMAGE" ] || docker_result || result=''
	# 255 is what Docker says of a container that went down with it
	case $result in '' | 'exit 255') echo "lost $1" ;; *) echo "$result" ;; esac
}

# What the program left behind would still write to the outputs and hold its GPUs. One that
# even KILL does not end (a hung driver) must not keep the outputs here.
end_leftovers() {
	members
	k_seen=''
	[ -z "$m" ] || kill_tree "$GRACE" 30
}

# A phase goes on for as long as somebody holds fd 9: the runner, and for a program its
# inner wrapper, so that the limit holds for a program that lost its runner.
timer_start() { # PHASE SECONDS
	exec 9>/dev/null
	r_timer=''
	[ "$2" -gt 0 ] || return 0
	mkfifo "$a/t.limit" || return 1
	# shellcheck disable=SC2094
	exec 5<>"$a/t.limit" && exec 8<"$a/t.limit" 9>"$a/t.limit" 5>&-
	rm -f "$a/t.limit"
	$SH "$ME" _timer "$nonce" "$att" "$1" "$2" <&8 3>&- 6<&- 7>&- 8<&- 9>&- &
	r_timer=$!
	exec 8<&-
}

timer_stop() { # of a phase of transfers: afterwards `timeout` is there, or never will be
	exec 9>&-
	[ -z "$r_timer" ] || wait "$r_timer"
}

over_within() { # SECONDS; fd 0: end-of-file when the phase is over
	timeout "$1" cat >/dev/null
	case $? in 124 | 143) return 1 ;; esac # busybox says 143
}

cmd__timer() { # PHASE SECONDS
	get_boot
	load_claim
	load_plan
	! over_within "$2" || exit 0
	[ "$1" != run ] || [ ! -f "$a/exit" ] || exit 0
	put_once timeout "$1" || [ $? = 1 ] || {
		rm -f "$a/reserve"
		put_once timeout "$1"
	}
	poke
	keys_poke
	if [ "$1" = run ]; then
		exec </dev/null
		k_seen=''
		kill_tree "$GRACE"
	else
		until end_transfers && over_within 1; do :; done # one may have been about to start
	fi
}

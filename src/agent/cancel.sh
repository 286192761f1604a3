# ---- cancel, signal, ack -----------------------------------------------------------------------

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
	if [ ! -f "$a/exit" ]; then # what ended by itself was not cancelled
		put_once cancel "$nonce"
		[ $? != 2 ] || ln "$a/claim" "$a/cancel" 2>/dev/null # which takes no room
	fi
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
	keys_poke
	kill_tree "$1"
}

cmd_signal() { # NAME, in lower case
	case $1 in
	hup | int | quit | usr1 | usr2 | term | cont | stop | winch | alrm) ;;
	*) reply EARGS "signal $1 is not for programs" ;;
	esac
	k_name=$(echo "$1" | tr '[:lower:]' '[:upper:]')
	load_claim
	[ "$c_kind" != none ] || reply ENOCLAIM "never launched"
	get_boot
	[ "$c_boot" = "$boot" ] && [ ! -f "$a/exit" ] || reply ENORUN "the program does not run"
	if container_runs; then
		docker kill --signal "$k_name" "jobfs-$att" >/dev/null 2>&1 </dev/null ||
			reply ENORUN "the container does not run any more"
		reply OK
	fi
	members
	# the clients of an engine are not the program
	[ -n "$m" ] && [ -z "$IMAGE" ] || reply ENORUN "the program does not run"
	signal "$k_name" $m
	if [ "$k_name" = STOP ]; then # also what was started meanwhile
		members
		signal STOP $m
	fi
	reply OK
}

nothing_comes() { [ -f "$a/exit" ] || [ -f "$a/end" ] || ! runner_lives; }

# TERM to each once, KILL to all after GRACE seconds; until nothing lives and nothing can
# start any more. A container is stopped by its engine, its clients then end by themselves.
kill_tree() { # GRACE [PATIENCE after it]; k_seen: who had the TERM already
	get_uptime
	k_until=$((up + $1 * 10)) k_nap=0.02 k_hard=0
	while [ $up -lt $((k_until + ${2:-99999999} * 10)) ]; do
		k_left=$(((k_until - up + 9) / 10))
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
			poke
			if [ -z "$m" ] && nothing_comes; then return; fi
		fi
		k_new=''
		for k_one in $m; do
			case "$k_seen " in *" $k_one "*) ;; *) k_new="$k_new $k_one" ;; esac
		done
		if [ $k_left -gt 0 ]; then
			signal TERM $k_new
			signal CONT $k_new # or one that was stopped would not hear it
		else
			signal KILL $m
			k_hard=$((k_hard + 1))
			[ $k_hard -lt 3 ] || kill_group
		fi
		k_seen="$k_seen$k_new"
		nap $k_nap
		case $k_nap in 0.02) k_nap=0.05 ;; 0.05) k_nap=0.2 ;; *) k_nap=0.5 ;; esac
		get_uptime
	done
}

# Who forks faster than we look is gone before its signal comes. But no fork escapes what is
# sent to its group: all of the program's are stopped, and then killed one by one, since the
# inner wrapper is of that group and must live to write the result.
kill_group() {
	is_alive "$g_pid" "$g_start" && [ "$p_sid" = "$g_pid" ] || return 0
	kill -s STOP -- "-$g_pid" 2>/dev/null
	members
	signal KILL $m
	kill -s CONT -- "-$g_pid" 2>/dev/null
}

# Looked for twice: of a process in the midst of execve(2) no environment is to be seen.
transfers() { # MARK…: $m; fails when there are none
	m=''
	for k_look in 1 2; do
		for k_mark do marked "$k_mark=$att"; done
		[ -z "$m" ] || return 0
		[ $k_look = 2 ] || nap 0.02
	done
	return 1
}

end_transfers() { # [MARK]: TERM, and after a second KILL
	for k_s in TERM KILL; do
		for k_n in 1 2 3 4 5 6 7 8 9 10; do
			transfers ${1:-JOBFS_XFER JOBFS_CKPT} || return 0
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
	rm -f "$base/cache/for.$att"
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


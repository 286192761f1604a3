# ---- the secret keeper -----------------------------------------------------------------

# Orders come on fd 4; end-of-file there means that the runner is gone. It waits in read.
cmd__sec() {
	# shellcheck disable=SC3045  # each sh has it
	ulimit -c 0
	s_ok='' s_ak='' s_sk='' s_st='' s_xp='' s_tries=0 s_mark=JOBFS_XFER s_loop='' s_expired=$a/expired
	pstat "$PPID"
	s_parent=$PPID s_since=$p_start
	while IFS= read -r s_line; do
		case $s_line in
		"END $nonce") s_ok=1 && break ;;
		*) keys_line "$s_line" ;;
		esac
	done
	exec </dev/null
	[ -n "$s_ok" ] || exit 0
	s_line=''
	keys_note
	echo ready
	while read -r s_order <&4; do
		load_plan
		cd "$a/work" || exit 1
		s_tries=0
		rm -f "$s_expired"
		case $s_order in
		download)
			keys_ready download
			while transfers_in && keys_again download; do :; done
			;;
		upload)
			keys_ready upload
			while (transfer_out) && keys_again upload; do :; done
			;;
		resume)
			y_phase=download
			keys_ready download
			while keys_mark ckpt_fetch && keys_again download; do :; done
			;;
		checkpoints) loop_start || echo "jobfs: no checkpoints before the end: mkfifo failed" >>"$a/tlog" ;;
		pause) loop_end ;;
		last)
			loop_end
			y_phase=upload
			keys_ready upload
			while keys_mark ckpt_round last && keys_again upload; do :; done
			;;
		esac
		echo 'done'
	done
}

transfers_in() {
	s_i=0
	input() {
		is_there $s_i || transfer_in $s_i "$@" &
		s_i=$((s_i + 1))
	}
	plan_inputs
	wait
}

keys_mark() { # COMMAND…: in a subshell; `expired` says that it is to be done again
	tlog_size
	s_from=$n
	(exec 4<&- >>"$a/tlog" 2>&1 && "$@") || ! keys_failed "$s_from" || : >"$s_expired"
}

# Both are subshells, so `exec` lets go of the pipes: whoever waits for the keeper's end
# must not wait for them (a redirection of a function would keep a copy).
transfer_in() { # I NAME KIND URI PATH
	exec 4<&- >>"$a/tlog" 2>&1
	put_over "xfer.$1" run
	umask 022
	tlog_size
	x_from=$n
	printf '== %s: %s -> %s\n' "$2" "$4" "$5"
	x_to=$a/work/$5 x_rc=0
	[ "$VERIFY" != all ] || list_input "$1" "$4" &
	if [ -f "$a/cancel" ]; then
		x_rc=143
	elif [ "$3" = prefix ]; then
		mkdir -p "$x_to"
		x_there=''
		# from the cache, or from before the credentials expired
		! is_cached "$1" && [ "$s_tries" = 0 ] || x_there=1
		"${ENGINE}_tree" "$4" "$x_to" $x_there || x_rc=$?
		[ -n "$(find "$x_to" -type f | head -n 1)" ] || x_rc=${x_rc#0}
	else
		mkdir -p "${x_to%/*}"
		"${ENGINE}_get" "$4" "$x_to" || x_rc=$?
		[ -f "$x_to" ] || x_rc=${x_rc#0}
	fi
	wait $!
	case $VERIFY:$x_rc in
	all:[01]) ! is_stopped download && verify_input "$1" "$4" "$x_to" && x_rc=0 || x_rc=1 ;;
	esac
	[ "$x_rc" != 0 ] || ! is_cached "$1" || cache_gather "$1" "$4" "$x_to"
	x_word="fail $x_rc"
	case $x_rc in
	0) x_word=ok ;;
	'')
		printf 'jobfs: %s failed: the S3 tool told no error, but nothing came from %s\n' "$2" "$4"
		x_word='fail 0'
		;;
	*) echo "jobfs: $2: the S3 tool ended with $x_rc" ;;
	esac
	umask 077
	case $x_word in fail*) ! keys_failed "$x_from" || x_word='' ;; esac
	case $x_word in
	'') : >"$s_expired" ;;
	*) put_over "xfer.$1" "$x_word $(kb "$x_to")" ;;
	esac
}

transfer_out() {
	exec 4<&- 9>&- >>"$a/tlog" 2>&1
	put_over xfer.out run || rm -f "$a/xfer.out" # of an upload before this one
	tlog_size
	x_from=$n
	printf '== output: %s -> %s\n' "$OUTPUT" "$DEST"
	if [ -d "$a/stage" ]; then
		"${ENGINE}_put" "$a/stage" "$DEST" links
	else
		"${ENGINE}_put" "$a/work/$OUTPUT" "$DEST"
	fi
	x_rc=$?
	case $x_rc in
	0) put_over xfer.out "ok 0" ;;
	*)
		echo "jobfs: the S3 tool ended with $x_rc"
		! keys_failed "$x_from" || : >"$s_expired"
		[ -f "$s_expired" ] || put_over xfer.out "fail $x_rc 0"
		;;
	esac
}

# With credentials of ours nothing else of the host may answer for them. Without, the tool
# runs as the host has set it up. UTF-8 for the names of files, which are keys.
with_job() { # PROGRAM ARG…
	(
		export LC_ALL=C.UTF-8 AWS_PAGER='' "$s_mark=$att"
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
		exec "$@" </dev/null
	) && return
	j_rc=$?
	rm -f "$base"/known.* # see is_known
	return $j_rc
}


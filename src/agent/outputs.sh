# ---- outputs ---------------------------------------------------------------------------

upload() {
	o_end=ok
	ckpt_pause
	! want_upload || send_outputs
	ckpt_last
	finish "$o_end"
}

send_outputs() { # o_end
	put_over phase upload
	tell
	o_end='upload-failed 1'
	if ! list_outputs && ! list_outputs; then # a file may vanish below find's feet once
		echo "jobfs: cannot list the outputs" >>"$a/tlog"
		return
	fi
	if [ ! -s "$a/manifest" ]; then
		o_end=ok
		return
	fi
	timer_start upload "$UPLOAD_LIMIT" || return
	case $ENGINE in
	presigned) await upload || [ -f "$a/xfer.out" ] || put_over xfer.out "fail 143" ;;
	*) keeper_order upload || put_over xfer.out "fail 137" ;; # killed: it had no chance to say it
	esac
	timer_stop
	o_word='' o_rc=''
	[ ! -f "$a/xfer.out" ] || read -r o_word o_rc _ <"$a/xfer.out"
	o_end="upload-failed ${o_rc:-1}"
	[ "$o_word" != ok ] || o_end=ok
}

# The tool must upload exactly what is in the manifest. When something was left out, it
# gets a tree of links to what was not, instead of patterns that it reads otherwise.
list_outputs() {
	rm -rf "$a/stage" "$a/t.left"
	: >"$a/t.skipped"
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
		if [ "$ENGINE" != presigned ] && { [ -s "$a/t.skipped" ] || [ -f "$a/t.left" ]; }; then
			mkdir -p "$a/stage"
			list_walk || return 1
		fi
	fi
	mv -f "$a/t.skipped" "$a/skipped" && mv -f "$a/t.manifest" "$a/manifest"
}

list_walk() {
	: >"$a/t.skipped" && : >"$a/t.whole" || return 1
	(cd "$o_dir" && find . ! -name . -exec $SH "$ME" _list "$nonce" "$att" {} +) \
		>"$a/t.manifest" 3>>"$a/t.skipped" 2>>"$a/err"
	o_rc=$?
	rm "$a/t.whole" 2>/dev/null || return 1
	# find fails at a directory that it may not enter; that one is in skipped
	[ $o_rc = 0 ] || grep -qz '^unreadable ' "$a/t.skipped"
}

cmd__list() { # PATH…: one batch of find's; manifest to fd 1, skipped to fd 3
	load_plan
	exclude() {
		# shellcheck disable=SC2254  # it is a pattern
		case $l_path in $1) l_skip=excluded ;; esac
	}
	stat -c %s "$@" | (
		for l_path do
			read -r l_size || exit 1 # one vanished: the sizes do not belong to the names
			l_path=${l_path#./} l_skip=''
			if [ -d "$l_path" ] && [ ! -L "$l_path" ]; then
				[ -r "$l_path" ] && [ -x "$l_path" ] || printf 'unreadable %s\0' "$l_path" >&3 || exit 1
				continue
			fi
			plan_excludes
			[ -n "$l_skip" ] || file_kind
			case $l_skip in
			excluded) [ -f "$a/t.left" ] || : >"$a/t.left" || exit 1 ;;
			'')
				printf '%s %s\0' "$l_size" "$l_path" || exit 1
				[ ! -d "$a/stage" ] || stage "$l_path"
				;;
			*) printf '%s %s\0' "$l_skip" "$l_path" >&3 || exit 1 ;;
			esac
		done
	) || {
		rm -f "$a/t.whole" # what the disk is too full to say
		exit 1
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

cmd__upload() { # [again]: as _run, for an attempt whose runner is gone
	exec 3<&0 </dev/null
	keeper_start
	k_rc=$?
	keeper_tidy
	[ $k_rc = 0 ] || exit
	get_boot
	load_claim
	load_plan
	if uploader_lives || ! take_turn up "$nonce"; then exit; fi
	# written by us or by the dead runner; the ends that may be replaced
	case $1$(cat "$a/end" 2>/dev/null) in upload-failed* | again*) rm -f "$a/end" ;; esac
	case $(cat "$a/timeout" 2>/dev/null) in upload) rm -f "$a/timeout" ;; esac
	say started
	exec >/dev/null
	end_transfers
	r_why=runner-killed
	[ "$c_boot" = "$boot" ] || r_why=rebooted
	read -r r_phase 2>/dev/null <"$a/phase"
	case $r_phase in run | upload | end) ;; *) finish "lost $r_why" ;; esac
	[ -f "$a/exit" ] || settle exit "$(last_result $r_why)"
	end_leftovers
	r_metrics=''
	metrics_end
	upload
}

cmd_upload() { # [again]
	get_boot
	alive_word
	case $c_kind in none) reply ENOCLAIM "never launched" ;; void) reply VOIDED ;; esac
	[ ! -f "$a/acked" ] || reply EACKED "already acknowledged"
	case $alive in
	'done') case $1$(cat "$a/end") in upload-failed* | again*) ;; *) reply OK ;; esac ;;
	orphan) [ -f "$a/exit" ] || reply EALIVE "the program still runs" ;;
	1)
		uploader_lives && reply OK
		reply EALIVE "the runner lives"
		;;
	esac
	detach _upload "$1"
	case $r_said in started) reply OK ;; esac
	uploader_lives && reply OK
	reply ESTREAM "the stream ended before END"
}


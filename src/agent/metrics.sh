# ---- metrics ---------------------------------------------------------------------------

# The lines of the files that the plan names are copied to `metrics` as they appear, and are
# read there as the logs are. `mpos` says how far it is:
#
#   AT                      a size of `metrics`
#   INODE OFFSET //PATH//   of each file what was copied when `metrics` was of that size
#
# What `metrics` has beyond AT is of the last file of the list. So whoever goes on after a
# kill, at whatever place it came, copies nothing twice and leaves nothing out. What a killed
# one had started may still write: it holds the lock `mlock`, which mksh passes on by 8>&8.

has_metrics() {
	m_any=''
	metric() { m_any=1; }
	plan_metrics
	[ -n "$m_any" ]
}

metrics_start() {
	r_metrics=''
	has_metrics && : >>"$a/metrics" || return 0
	# its mark and that of the programs it runs: end_transfers ends them all
	JOBFS_XFER="$att" $SH "$ME" _metrics "$nonce" "$att" </dev/null 3>&- 6<&- 7>&- 9>&- &
	r_metrics=$!
}

cmd__metrics() {
	get_boot
	load_claim
	load_plan
	while
		(metrics_copy)
		[ ! -f "$a/exit" ] && { runner_lives || wrapper_lives; }
	do
		nap 1
	done
}

wrapper_lives() { load_prog && is_alive "$g_pid" "$g_start"; }

metrics_end() { # the program is over: what is left of the files
	has_metrics || return 0
	end_transfers JOBFS_XFER # not the checkpoints
	[ -z "$r_metrics" ] || wait "$r_metrics"
	(metrics_copy last) || {
		rm -f "$a/reserve"
		(metrics_copy last)
	} || echo "jobfs: the metrics are not whole: their copy could not be written" >>"$a/tlog"
}

metrics_copy() { # [last]: in a subshell
	m_last=$1
	exec 2>>"$a/err" 8>>"$a/mlock" || exit 1
	! command -v flock >/dev/null || timeout 20 flock 8 8>&8
	metrics_load && cd "$a/work" || exit 1
	metric() { # PATTERN
		IFS=
		# shellcheck disable=SC2086  # it shall be expanded
		set -- ./$1
		unset IFS
		for m_path do
			case $m_path in *"$nl"*) continue ;; esac
			[ ! -f "$m_path" ] || [ ! -r "$m_path" ] || copy_lines || exit 1
		done
	}
	plan_metrics
	[ -z "$m_last" ] || end_line
}

metrics_size() { m_size=$(stat -c %s "$a/metrics"); }

metrics_load() { # m_list
	m_list=$nl
	metrics_size || return 1
	[ -f "$a/mpos" ] || return 0
	m_list=$(cat "$a/mpos")$nl
	minus "$m_size" "${m_list%%"$nl"*}"
	m_list=$nl${m_list#*"$nl"}
	m_line=${m_list%"$nl"}
	m_line=${m_line##*"$nl"}
	moved_on "$n"
}

moved_on() { # BYTES: of the file in m_line, the last of m_list
	m_path=${m_line#* }
	minus "${m_path%% *}" "-$1"
	m_list="${m_list%"$m_line$nl"}${m_line%% *} $n ${m_path#* }$nl"
}

copy_lines() { # of $m_path
	m_stat=$(stat -L -c '%i %s' "$m_path") || return 0
	m_from=0 m_mark="//$m_path//$nl"
	case $m_list in
	*" $m_mark"*)
		m_line=${m_list%%"$m_mark"*}
		m_line=${m_line##*"$nl"}
		[ "${m_line%% *}" != "${m_stat% *}" ] || {
			m_from=${m_line#* }
			m_from=${m_from% }
		}
		;;
	*) m_line='' ;;
	esac
	minus "${m_stat#* }" "$m_from"
	case $n in
	0 | -1) return 0 ;; # -1: the newline that its last line lacked, in a copy before
	-*) m_from=0 n=${m_stat#* } ;; # it was written anew
	esac
	m_n=$n
	m_lines=$(bytes_of "$m_path" "$m_from" "$m_n" | wc -l)
	[ "$m_lines" -gt 0 ] || [ -n "$m_last" ] || return 0
	[ -z "$m_last" ] || end_line
	[ -z "$m_line" ] || m_list=${m_list%%"$m_line$m_mark"*}${m_list#*"$m_mark"}
	m_line="${m_stat% *} $m_from //$m_path//"
	m_list=$m_list$m_line$nl
	metrics_size
	m_at=$m_size
	printf '%s%s' "$m_at" "$m_list" >"$a/mpos.new" && mv -f "$a/mpos.new" "$a/mpos" 8>&8 || return 1
	if [ -n "$m_last" ]; then
		bytes_of "$m_path" "$m_from" "$m_n" 8>&8
	else
		bytes_of "$m_path" "$m_from" "$m_n" | head -n "$m_lines" 8>&8
	fi >>"$a/metrics"
	m_rc=$?
	metrics_size
	minus "$m_size" "$m_at"
	moved_on "$n"
	return $m_rc
}

end_line() { # of a file that does not end with one
	[ "$m_size" = 0 ] || [ "$(tail -c 1 "$a/metrics" | wc -l)" = 1 ] || echo >>"$a/metrics"
	metrics_size
}

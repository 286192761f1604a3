# ---- processes -------------------------------------------------------------------------

nap() { sleep "$1" 2>/dev/null || sleep 1; }

# mksh counts in 32 bits; a log may be larger.
if [ $((2147483647 + 1)) -gt 0 ]; then
	minus() { n=$(($1 - $2)); } # A B
	is_less() { [ "$1" -lt "$2" ]; }
else
	# shellcheck disable=SC2003
	minus() { n=$(expr "$1" - "$2"); }
	is_less() { [ "$(expr "$1" \< "$2")" = 1 ]; }
fi

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

get_uptime() { read -r up _ </proc/uptime && up=${up%?} && up=${up%.*}${up#*.}; } # 1/10 s

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


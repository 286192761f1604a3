# ---- processes -------------------------------------------------------------------------

nap() { sleep "$1" 2>/dev/null || sleep 1; }

# mksh counts in 32 bits; a log may be larger.
if [ $((2147483647 + 1)) -gt 0 ]; then
	minus() { n=$(($1 - $2)); } # A B
	kb_of() { n=$((($1 + 1023) / 1024)); } # BYTES
	is_less() { [ "$1" -lt "$2" ]; }
else
	# shellcheck disable=SC2003
	minus() { n=$(expr "$1" - "$2"); }
	# shellcheck disable=SC2003
	kb_of() { n=$(expr \( "$1" + 1023 \) / 1024); }
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

add_member() { # PID, to $m as PID:START
	case "$m " in *" $1:"*) return ;; esac
	! pstat "$1" || [ "$p_state" = Z ] || m="$m $1:$p_start"
}

# Whose environment holds exactly this entry: -z makes each entry a line.
marked() { # NAME=VALUE: adds to $m
	for k_f in $(grep -lszxF "$1" /proc/[0-9]*/environ); do
		k_f=${k_f#/proc/}
		add_member "${k_f%/environ}"
	done
}

load_prog() {
	g_pid=0 g_start=''
	[ ! -f "$a/prog" ] || read -r g_pid g_start <"$a/prog"
}

# Processes of the program: with its mark, in its session, or with its log as their output;
# not the inner wrapper. A program may overwrite its environment (setproctitle does), and
# leave its session, but rarely closes its output too.
members() { # m=" PID:START …"
	m=''
	load_prog
	marked "JOBFS_ATTEMPT=$att"
	[ "$g_pid" != 0 ] || return 0
	writers
	# the session's number was given to somebody else: all of ours are gone
	if ! pstat "$g_pid" || [ "$p_start" = "$g_start" ]; then
		for k_f in $(grep -ls ") . [0-9-]* [0-9-]* $g_pid " /proc/[0-9]*/stat); do
			k_f=${k_f#/proc/}
			! pstat "${k_f%/stat}" || [ "$p_sid" != "$g_pid" ] || add_member "${k_f%/stat}"
		done
	fi
	case "$m " in *" $g_pid:$g_start "*) m="${m%% "$g_pid:$g_start"*}${m#* "$g_pid:$g_start"}" ;; esac
}

writers() { # who has 1 or 2 open for writing on the log: adds to $m
	k_log=$(cd -P "$a" && pwd -P)/log
	# shellcheck disable=SC2010  # names of /proc hold nothing odd
	k_found=$(ls -l /proc/[0-9]*/fd/[12] 2>/dev/null | grep '^l.w' | grep -F -- " -> $k_log" |
		grep -o ' /proc/[0-9]*/')
	for k_f in $k_found; do
		k_f=${k_f#/proc/}
		add_member "${k_f%/}"
	done
}

signal() { # SIG PID:START…
	k_sig=$1
	shift
	for k_m do
		is_alive "${k_m%:*}" "${k_m#*:}" && kill -s "$k_sig" "${k_m%:*}" 2>/dev/null
	done
}


# ---- temporary credentials -------------------------------------------------------------

# Credentials that came with XP are good for so many seconds. A process of the keeper that
# needs others makes a FIFO, fifo.PID.START, has it open, and says so by a file of the name
# keys.PID.START; a poll shows that, and the daemon sends new ones by `renew`, which writes
# them into the FIFO of everybody who waits. So they are never in a file. The FIFO stays
# there until `ack`, or who writes could make a file of that name.
#
# New ones are wanted when a phase begins and less than half of their time is left, and when
# a transfer failed because they had expired: it is done again then, as if it had not failed.

keys_note() { # when they came
	get_uptime
	s_born=$up
}
keys_are_old() { [ -n "$s_xp" ] && get_uptime && [ $(((up - s_born) / 5)) -ge "$s_xp" ]; }
keys_are_over() { [ -n "$s_xp" ] && get_uptime && [ $(((up - s_born) / 10 + 2)) -ge "$s_xp" ]; }

keys_ready() { ! keys_are_old || keys_renew "$1" soft; } # PHASE

tlog_size() { # n
	n=0
	[ ! -f "$a/tlog" ] || n=$(wc -c <"$a/tlog" | tr -d ' ')
}

# Was it for them that a transfer failed? By their age, since a HEAD gets no reason, nor
# does anybody from Ceph; or by what the tool said.
keys_failed() { # SIZE of tlog before it
	[ -n "$s_xp" ] && [ "$s_tries" -lt 3 ] || return 1
	keys_are_over && return
	minus "$1" -1
	tail -c "+$n" "$a/tlog" | grep -qE 'ExpiredToken|RequestExpired|TokenRefreshRequired'
}

keys_again() { # PHASE: are transfers that said so to be done again?
	[ -f "$s_expired" ] || return 1
	rm -f "$s_expired"
	keys_renew "$1" && return
	[ "$1" != checkpoints ] || return 1
	for s_x in "$a"/xfer.*; do
		s_word=''
		[ ! -f "$s_x" ] || read -r s_word _ <"$s_x"
		[ "$s_word" != run ] || put_over "${s_x##*/}" 'fail 143 0'
	done
	return 1
}

keys_stopped() { # PHASE
	y_may || return 0
	case $1 in checkpoints) [ -f "$a/exit" ] ;; *) is_stopped "$1" ;; esac
}

# With `soft` the old ones do if none come within half a minute: the daemon may be away.
keys_renew() { # PHASE [soft]; fails when the phase was stopped
	s_tries=$((s_tries + 1)) s_n=0 s_text=''
	# builtins only: it is this very process
	read -r s_pid _ </proc/self/stat && pstat self || return 1
	s_pid=$s_pid.$p_start
	[ -p "$a/fifo.$s_pid" ] || mkfifo "$a/fifo.$s_pid" || return 1
	exec 5<>"$a/fifo.$s_pid"
	put_over "keys.$s_pid" "$1"
	until case $s_text in *"${nl}END$nl") ;; *) false ;; esac do
		! keys_stopped "$1" || break
		[ -z "$2" ] || [ $s_n -lt 6 ] || keys_are_over || break
		s_text=$s_text$(
			timeout 5 dd bs=65536 count=1 2>/dev/null <&5 4<&- 9>&-
			echo .
		)
		s_text=${s_text%.} s_n=$((s_n + 1))
	done
	rm -f "$a/keys.$s_pid"
	exec 5<&-
	case $s_text in *"${nl}END$nl") ;; *) [ -n "$2" ] && return || return 1 ;; esac
	while [ -n "$s_text" ]; do
		keys_line "${s_text%%"$nl"*}"
		s_text=${s_text#*"$nl"}
	done
	keys_note
}

keys_poke() { # wakes who waits: the phase was stopped
	for r_f in "$a"/fifo.*; do
		[ ! -p "$r_f" ] || (exec 5<>"$r_f" && echo x >&5) 2>/dev/null
	done
}

keys_line() { # LINE
	case $1 in
	'AK '*) s_ak=${1#AK } s_sk='' s_st='' s_xp='' ;;
	'SK '*) s_sk=${1#SK } ;;
	'ST '*) s_st=${1#ST } ;;
	'XP '*) s_xp=${1#XP } ;;
	esac
}

print_keys() { # of an attempt that lives: does anybody want some?
	for p_x in "$a"/keys.*; do
		p_who=${p_x##*/keys.}
		[ -f "$p_x" ] && is_alive "${p_who%.*}" "${p_who#*.}" || continue
		echo 'keys 1'
		return
	done
}

cmd_renew() { # fd 0: the secrets
	# shellcheck disable=SC3045  # each sh has it
	ulimit -c 0
	r_text='' r_ok=''
	while IFS= read -r r_line; do
		case $r_line in
		"END $nonce") r_ok=1 && break ;;
		*) r_text=$r_text$r_line$nl ;;
		esac
	done
	[ -n "$r_ok" ] || reply ESTREAM "the stream ended before END"
	for r_f in "$a"/keys.*; do
		r_who=${r_f##*/keys.}
		[ -p "$a/fifo.$r_who" ] && is_alive "${r_who%.*}" "${r_who#*.}" || continue
		(exec 5<>"$a/fifo.$r_who" && echo "${r_text}END" >&5) 2>/dev/null
	done
	reply OK
}

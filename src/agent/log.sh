# ---- logs ------------------------------------------------------------------------------

# `bound` says "HEAD TAIL", the bytes to keep of each log at least. Of a log that is larger
# the middle is given back to the disk: a hole is punched, so that offsets stay what they
# are and whoever appends notices nothing. `hole.NAME` says "FROM TO" and is on disk before
# the hole is, so bytes that are in no note are the log's own.

load_hole() { # NAME: h_from h_to, equal when there is none; after h_head was read
	h_from=$h_head h_to=''
	[ ! -f "$a/hole.$1" ] || read -r h_from h_to <"$a/hole.$1"
	case $h_to in '' | *[!0-9]*) h_from=$h_head h_to=$h_head ;; esac
}

may_punch() { # NAME SIZE: is it worth it? h_end, where the tail begins
	load_hole "$1"
	minus "$2" "$h_tail"
	h_end=$n
	minus "$h_end" "$h_to"
	! is_less "$n" 4194304
}

punch() { # NAME: after may_punch; one at a time, or a note might go back
	(punch_alone "$1") 2>/dev/null 5<"$a/plan"
}

punch_alone() {
	flock -n 5 5<&5 || exit
	load_hole "$1"
	is_less "$h_to" "$h_end" || exit
	minus "$h_end" "$h_head"
	h_note=$a/t.hole
	# what was reserved has room for it in any case
	echo "$h_head $h_end" >"$h_note" || {
		[ -s "$a/reserve" ] && echo "$h_head $h_end" 1<>"$a/reserve" &&
			mv -f "$a/reserve" "$h_note"
	} || exit
	punch_hole 1048576 1 "$h_note" || exit # not every system can
	durable "$h_note" && mv -f "$h_note" "$a/hole.$1" && durable "$a" || exit
	punch_hole "$h_head" "$n" "$a/$1"
	[ -s "$a/reserve" ] || make_reserve
}

# By flock: a shell that is a busybox would take its own fallocate, which knows no holes.
punch_hole() { flock "$a/bound" fallocate -p -o "$1" -l "$2" "$3"; } # FROM LEN FILE

# One log of an attempt: its size, its hole, its next bytes. Somebody may punch while they
# are on their way, so what is past the head is read before the note is, and kept as text:
# no shell holds other bytes.
log_news() { # NAME OFFSET SIZE; $p_max
	echo "$1 $3"
	p_len=$p_max p_text=''
	minus "$3" "$2"
	! is_less "$n" "$p_len" || p_len=$n
	if [ -f "$a/bound" ]; then
		read -r h_head h_tail <"$a/bound"
		if is_less "$2" "$h_head"; then
			minus "$h_head" "$2"
			! is_less "$n" "$p_len" || p_len=$n
		elif is_less 0 "$p_len"; then
			p_text=$(bytes_of "$a/$1" "$2" "$p_len" | base64)
		fi
		if may_punch "$1" "$3"; then # a slow disk is not to hold up the reply
			punch "$1" </dev/null >/dev/null 2>&1 &
		fi
		load_hole "$1"
		[ "$h_from" = "$h_to" ] || echo "hole $1 $h_from $h_to"
		is_less "$2" "$h_from" || ! is_less "$2" "$h_to" || return 0
	fi
	is_less 0 "$p_len" || return 0
	echo "data $1 $p_len"
	if [ -n "$p_text" ]; then echo "$p_text" | base64 -d; else bytes_of "$a/$1" "$2" "$p_len"; fi
	echo
}

bytes_of() { # FILE OFFSET LEN: dd seeks, and reads nothing
	{
		dd bs=1 skip="$2" count=0 2>/dev/null && head -c "$3"
	} <"$1"
}

# The watcher: for a log that grows while nobody polls.
watch_start() { # the runner alone holds fd 3
	[ "$LOG_TAIL" != 0 ] || return 0
	put_over bound "$LOG_HEAD $LOG_TAIL" && mkfifo "$a/t.watch" || return 0
	: >>"$a/log"
	: >>"$a/tlog"
	: >>"$a/metrics"
	# shellcheck disable=SC2094  # it is a FIFO
	exec 5<>"$a/t.watch" && exec 8<"$a/t.watch" 3>"$a/t.watch" 5>&-
	rm -f "$a/t.watch"
	$SH "$ME" _watch "$nonce" "$att" <&8 3>&- 6<&- 7>&- 8<&- &
	exec 8<&-
}

cmd__watch() { # fd 0: end-of-file when the runner is gone
	read -r h_head h_tail <"$a/bound"
	h_nap=1
	until over_within $h_nap; do
		h_nap=$((h_nap < 8 ? h_nap * 2 : 8))
		for h_log in log tlog metrics; do
			! may_punch $h_log "$(stat -c %s "$a/$h_log")" || {
				punch $h_log
				h_nap=1
			}
		done
	done
}

# ---- watch -----------------------------------------------------------------------------
#
# A daemon that wants to hear at once leaves a `watch` here, asleep at a FIFO of its own,
# until something happens to a job, whosever it is. What it was is asked by `poll`.

cmd_watch() { # SECONDS
	n_fifo=$base/watch.$nonce
	mkfifo "$n_fifo" || reply EDISK "cannot make $n_fifo"
	n_news=$(timeout "$1" head -n 1 0<>"$n_fifo")
	rm -f "$n_fifo"
	[ -z "$n_news" ] || echo 'news 1'
	reply OK
}

tell() { # all that watch
	for n_fifo in "$base"/watch.*; do wake "$n_fifo"; done
}

wake() { # FIFO: opened both ways it lets nobody wait
	[ ! -p "$1" ] || (exec 5<>"$1" && echo x >&5) 2>/dev/null
}

drop_watches() { # those that were killed
	find "$base"/watch.* -prune -mmin +5 -exec rm -f {} + 2>/dev/null
}

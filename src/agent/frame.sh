# ---- frames ----------------------------------------------------------------------------

reply() { # CODE [MESSAGE]
	[ -z "$2" ] || printf 'message %s\n' "$2"
	echo "@@$nonce END $1"
	exit 0
}

# Starts an internal verb in a session of its own; r_said is what it wrote to fd 1 until
# it closed it or died. `setsid -f` first: a shell starts `… &` with SIGINT and SIGQUIT
# ignored, dash cannot undo that, and the user's program would inherit it.
detach() { # VERB [ARG…]; fd 0 goes to it
	exec 3<&0
	r_out='' # how to leave the session, where that is needed
	[ ! -f "$base/detach" ] || read -r r_out <"$base/detach"
	r_said=$(
		apart "$1" $2
	)
	exec 3<&- </dev/null
}

apart() { # VERB [ARG…]; fd 3 is its fd 0
	a_verb=$1
	shift
	$r_out setsid -f $SH "$ME" $a_verb "$nonce" "$att" "$@" <&3 3<&- 2>>"$a/err" || {
		$r_out setsid $SH "$ME" $a_verb "$nonce" "$att" "$@" <&3 3<&- 2>>"$a/err" &
	}
}

say() { (echo "$1") 2>/dev/null; } # a reader that died must not cost us SIGPIPE


# Who watches a host is woken when something happens to a job.
# shellcheck shell=bash

watch_begins() { # SECONDS: $T/watch gets its reply
	$SH "$AGENT" watch w1 "$1" >"$T/watch" 2>&1 &
	watcher=$!
	must_soon test -p "$HOME/.jobfs/watch.w1"
}

case_watch_ends_when_a_program_begins_and_when_it_is_over() {
	PROGRAM=(shell 'touch "$HOME/runs"; until [ -e "$HOME/go" ]; do sleep 0.05; done')
	ag probe
	watch_begins 50
	launch ${X}01
	must_soon grep -q 'END OK' "$T/watch"
	grep -qx 'news 1' "$T/watch" || fail "$(<"$T/watch")"
	[ ! -e "$HOME/.jobfs/watch.w1" ] || fail "its FIFO is left"
	must_soon test -e "$HOME/runs"
	watch_begins 50
	poll ${X}01
	! grep -q END "$T/watch" || fail "nothing happened, but: $(<"$T/watch")"
	touch "$HOME/go"
	must_soon grep -qx 'news 1' "$T/watch"
	must_soon poll_says ${X}01 end ok
}

case_watch_ends_by_itself_without_news() {
	ag probe
	ag watch 1
	expect OK
	[ -z "$(field news)" ] || fail "$TEXT"
	ag watch 1x
	expect EARGS
}

case_watch_that_was_killed_holds_nobody_up_and_is_dropped() {
	ag probe
	watch_begins 50
	agents watch w1 | xargs kill -9
	run_job ${X}01
	is end ok
	touch -d '10 minutes ago' "$HOME/.jobfs/watch.w1"
	ag probe
	[ ! -e "$HOME/.jobfs/watch.w1" ] || fail "its FIFO is left"
}

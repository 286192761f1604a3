# Cancel at random moments, over trees of processes as programs make them.
# shellcheck shell=bash disable=SC2153
#
# Each program writes to its ledger when it starts, and "over" right before it ends by
# itself with 7, after LIFE seconds. Each process of it has the attempt's name in its arguments, by which it is
# looked for apart from what the agent itself looks for.

SHAPES=(double_fork setsid nohup deaf interactive chain multiprocessing reforker
	fast_reforker disguised zombies plain)

shape_begin() { # the lines that all begin with: ./$w is a sleep of that name
	cat <<-'EOT'
		echo start >>"$LEDGER"
		w=tree-$JOBFS_ATTEMPT
		ln -s "$(command -v sleep)" "$w" 2>/dev/null
		over() { echo over >>"$LEDGER"; exit 7; }
		live() { ./"$w" "$LIFE"; over; }
	EOT
}

shape() { # NAME: a program for bash
	shape_begin
	case $1 in
	plain) echo 'live' ;;
	double_fork) echo '( ( ./"$w" 900 & ) & ); ( (trap "" HUP; ./"$w" 901) & ); live' ;;
	setsid) echo 'setsid ./"$w" 900 & setsid bash -c "./\$0 901; :" "$w" & live' ;;
	nohup) echo 'nohup ./"$w" 900 >/dev/null 2>&1 & nohup bash -c "./\$0 901; :" "$w" & live' ;;
	deaf) echo 'trap "" TERM INT HUP; setsid ./"$w" 900 & end=$((SECONDS + 2)); while [ $SECONDS -lt $end ]; do ./"$w" 0.1; done; over' ;;
	interactive) echo 'bash -ic "./$w 900 & ./$w 901" 2>/dev/null & live' ;;
	chain) printf '%s\n' 'sh -c "sh -c \"sh -c \\\"./$w 900; :\\\" $w; :\" $w; :" "$w" & live' ;;
	multiprocessing)
		cat <<-'EOT'
			cat >m.py <<-'PY'
				import multiprocessing, os, sys, time
				def work(n):
				    if n % 2:
				        os.setsid()
				    time.sleep(900)
				if __name__ == "__main__":
				    multiprocessing.set_start_method("spawn" if sys.argv[2] == "spawn" else "fork")
				    for n in range(3):
				        multiprocessing.Process(target=work, args=(n,), daemon=n == 2).start()
				    time.sleep(900)
			PY
			/usr/bin/python3 m.py "$w" fork & live
		EOT
		;;
	reforker) # each generation in a session of its own, and deaf
		cat <<-'EOT'
			cat >r.py <<-'PY'
				import os, signal, time
				signal.signal(signal.SIGTERM, signal.SIG_IGN)
				end = time.time() + 60 # should a test die before it
				while time.time() < end:
				    if os.fork():
				        os._exit(0)
				    os.setsid()
				    time.sleep(0.2)
			PY
			/usr/bin/python3 r.py "$w"; live
		EOT
		;;
	fast_reforker) # faster than anybody looks
		cat <<-'EOT'
			cat >r.py <<-'PY'
				import os, signal, time
				signal.signal(signal.SIGTERM, signal.SIG_IGN)
				end = time.time() + 60 # should a test die before it
				while time.time() < end:
				    if os.fork():
				        os._exit(0)
				    time.sleep(0.003)
			PY
			/usr/bin/python3 r.py "$w"; live
		EOT
		;;
	disguised) # no mark, another session; another name
		echo 'setsid env -i ./"$w" 900 & setsid env -i bash -c "exec -a \$0 ./\$0 901" "$w" & live'
		;;
	zombies)
		cat <<-'EOT'
			cat >z.py <<-'PY'
				import os, time
				for _ in range(20):
				    if os.fork() == 0:
				        os._exit(0)
				time.sleep(900)
			PY
			/usr/bin/python3 z.py "$w" & live
		EOT
		;;
	esac
}

random() { echo $((RANDOM * 32768 + RANDOM)); } # up to 2^30

# What is left, by each of the three criteria.
survivors() { # ATT
	local pid
	for pid in $(pgrep -f "tree-$1") $([ ! -f "$J/$1/prog" ] || pgrep -s "$(prog_pid "$1")") \
		$(member_pids "$1"); do
		gone "$pid" || echo "$pid"
	done
}
no_survivors() { [ -z "$(survivors "$1")" ]; }

# The result and the ledger must tell the same story.
check_story() { # ATT
	local starts overs exit_line end_line
	starts=$(grep -c '^start$' "$T/ledger.$1")
	overs=$(grep -c '^over$' "$T/ledger.$1")
	exit_line=$(field exit) end_line=$(field end)
	[ "$starts" -le 1 ] || fail "started $starts times"
	case $(field claim):$exit_line:$end_line in
	'void cancel'::) [ "$starts" = 0 ] || fail "void, but it ran" ;;
	run*::cancelled) [ "$starts" = 0 ] || fail "cancelled before it began, but it ran" ;;
	run*:'exit 7':ok) [ "$overs" = 1 ] || fail "exit 7, but it was not over" ;;
	run*:'exit 143':ok | run*:'exit 137':ok)
		is cancel 1
		;;
	*) fail "exit '$exit_line', end '$end_line' after $starts starts: $TEXT" ;;
	esac
}

cancel_once() { # N SHAPE
	local att grace=$((($1 / ${#SHAPES[@]} + $1) % 2)) delay
	att=$X$(printf %03d "$1")
	delay=$(($(random) % 1500))
	: >"$T/ledger.$att"
	ENVS=(LEDGER "$T/ledger.$att" LIFE "$(($(random) % 3)).$(($(random) % 10))")
	PROGRAM=(argv bash -c "$(shape "$2")" "tree-$att")
	V[GRACE]=$grace
	make_payload
	ag put "$att" "$PAYLOAD_SIZE" <"$T/payload"
	(
		NONCE=l$1
		printf 'END l%s\n' "$1" | $SH "$AGENT" launch "l$1" "$att" "$SUM" >"$T/launch" 2>&1
	) &
	sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
	ag cancel "$att" $grace
	wait
	poll "$att"
	if [ "$(field claim)" != 'void cancel' ]; then
		wait_until 30 test -f "$J/$att/end" || fail "$2, grace $grace, after $delay ms: no end"
	fi
	wait_until 10 no_survivors "$att" ||
		fail "$2, grace $grace, after $delay ms: left $(survivors "$att" | xargs -r ps -o pid,sid,stat,args -p)"
	poll "$att"
	check_story "$att"
	wait_until 10 no_killer "$att" || fail "$2: the killer does not end"
	echo "$2: grace $grace: $(field claim | cut -d' ' -f 1) $(field exit) $(field end)" \
		>>"${CANCEL_LOG:-/dev/null}"
}

case_cancels_at_random_moments_leave_nobody_behind() {
	local n first=$((RANDOM % ${#SHAPES[@]}))
	for ((n = 0; n < ${CANCELS:-5}; n++)); do
		cancel_once $n "${SHAPES[(first + n) % ${#SHAPES[@]}]}"
	done
}

# Metrics: lines of files that the program writes.
# shellcheck shell=bash

metrics_are() { # ATT TEXT
	ag poll "$1:0:0:65536:0"
	[ "$(sed -n '/^data metrics /,/^@@/p' <<<"$TEXT" | sed '1d;$d')" = "$2" ]
}

case_metrics_come_while_the_program_runs() {
	METRICS=('output/m.jsonl' 'logs/*/g [1].json')
	PROGRAM=(shell 'mkdir -p "logs/a b"; echo 1 >output/m.jsonl; printf "half" >>output/m.jsonl
		until [ -f go ]; do sleep 0.02; done
		echo " and half" >>output/m.jsonl; printf "\\\\n %%s" >"logs/a b/g 1.json"; echo no >logs/other')
	launch ${X}01
	must_soon metrics_are ${X}01 1
	touch "$J/${X}01/work/go"
	must_soon test -f "$J/${X}01/end"
	metrics_are ${X}01 $'1\nhalf and half\n\\n %s' || fail "$TEXT"
	[ "$(tail -c 1 "$J/${X}01/metrics" | wc -l)" = 1 ] || fail "the last line has no end"
}

case_a_file_of_metrics_that_is_written_anew_is_read_anew() {
	METRICS=('m' 'none' 'dir')
	PROGRAM=(shell 'mkdir dir; mkfifo none; echo a1 >m; echo a2 >>m; until [ -f go1 ]; do sleep 0.02; done
		echo b >m.new; mv m.new m; until [ -f go2 ]; do sleep 0.02; done; echo c >c; cat c c c >m
		until [ -f go3 ]; do sleep 0.02; done; : >m; echo d >>m')
	launch ${X}01
	must_soon metrics_are ${X}01 $'a1\na2'
	touch "$J/${X}01/work/go1"
	must_soon metrics_are ${X}01 $'a1\na2\nb'
	touch "$J/${X}01/work/go2"
	must_soon metrics_are ${X}01 $'a1\na2\nb\nc\nc' # as if it had grown: nothing tells these apart
	touch "$J/${X}01/work/go3"
	must_soon test -f "$J/${X}01/end"
	metrics_are ${X}01 $'a1\na2\nb\nc\nc\nd' || fail "$TEXT"
}

# Whoever copies is killed again and again, at any place; no line is lost or comes twice.
case_metrics_survive_kills() {
	local pid files
	METRICS=('a' 'b' 'c')
	PROGRAM=(shell 'i=0; while [ $i -lt 400 ]; do i=$((i + 1))
		for f in a b c; do echo "$f $i" >>$f; done; sleep 0.01; done; printf "a end" >>a; printf "b end" >>b')
	launch ${X}01
	wait_until 10 test -f "$J/${X}01/mpos"
	for _ in 1 2 3 4; do
		sleep "0.$((RANDOM % 9))"
		for files in $(grep -lszxF "JOBFS_XFER=${X}01" /proc/[0-9]*/environ); do
			pid=${files#/proc/}
			kill -9 "${pid%/environ}" 2>/dev/null
		done
		# the next one is alone; who is in the midst of execve(2) is not seen
		must_soon no_process_with "JOBFS_XFER=${X}01"
		sleep 0.1
		must_soon no_process_with "JOBFS_XFER=${X}01"
		# as the runner does
		JOBFS_XFER=${X}01 $SH "$AGENT" _metrics n0 ${X}01 </dev/null >/dev/null 2>&1 &
	done
	must_soon test -f "$J/${X}01/end"
	for f in a b c; do
		{
			for ((i = 1; i <= 400; i++)); do echo "$f $i"; done
			[ $f = c ] || echo "$f end"
		} >"$T/want"
		grep "^$f " "$J/${X}01/metrics" | cmp -s - "$T/want" || fail "$f: $(diff <(grep "^$f " "$J/${X}01/metrics") "$T/want")"
	done
}

case_metrics_of_a_job_whose_runner_was_killed() {
	METRICS=('m')
	PROGRAM=(shell 'echo 1 >>m; until [ -f go ]; do sleep 0.02; done; echo 2 >>m; printf 3 >>m')
	launch ${X}01
	must_soon metrics_are ${X}01 1
	read -r _ _ pid _ <"$J/${X}01/claim"
	kill -9 "$pid"
	touch "$J/${X}01/work/go"
	must_soon poll_says ${X}01 alive 0
	SECRETS='' ag_secrets upload ${X}01
	expect OK
	must_soon test -f "$J/${X}01/end"
	metrics_are ${X}01 $'1\n2\n3' || fail "$TEXT"
}

case_a_job_without_metrics_has_none() {
	launch ${X}01
	must_soon test -f "$J/${X}01/end"
	ag poll "${X}01:0:0:10:0"
	is metrics 0
	ag poll "${X}01:0:0:10"
	is metrics ''
}

# Helpers of the agent's cases. A case is a function case_NAME in cases/*.bash; it runs in
# a bash of its own with $T, a directory that is $HOME too, and fails by `fail REASON`.
# shellcheck shell=bash

AGENT=${AGENT:?the agent, joined by the runner}
J=$HOME/.jobfs/jobs
nonce_n=0
# Attempts of this case begin with it: marks are looked for on the whole machine.
X=$(od -An -tx1 -N4 /dev/urandom | tr -d ' \n')
CODE=''

fail() {
	printf '%s\n' "$*" >"$T/reason"
	exit 1
}

# ---- waiting: for a condition, never for a time

mkfifo "$T/idle" # nothing ever comes from it, so a read is a sleep without a process

wait_until() { # SECONDS COMMAND…, which gets half of the time: others work meanwhile
	local until=$((${EPOCHREALTIME/./} + $1 * 1000000)) begun now nap
	shift
	while begun=${EPOCHREALTIME/./} && ! "$@"; do
		now=${EPOCHREALTIME/./}
		[ "$now" -lt $until ] || return 1
		nap=$((now - begun))
		[ $nap -ge 20000 ] || nap=20000
		printf -v nap %d.%06d $((nap / 1000000)) $((nap % 1000000))
		read -rt "$nap" <>"$T/idle" || :
	done
}

must_soon() { # COMMAND…
	wait_until 10 "$@" || fail "waited 10 s in vain for: $*"
}

gone() { ! kill -0 "$1" 2>/dev/null || [ "$(stat_of "$1" 1)" = Z ]; }

stat_of() { # PID FIELD: fields after the name, from 1 = state
	local line
	{ line=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
	read -ra line <<<"${line##*) }"
	echo "${line[$2 - 1]}"
}

has_line() { grep -qxF -- "$2" "$1" 2>/dev/null; }

# What is being killed may still be seen for a moment.
kill_now() { # PID...
	local pid
	kill -9 "$@"
	for pid; do must_soon gone "$pid"; done
}
no_process_with() { # NAME=VALUE in its environment
	! grep -lsF -- "$1" /proc/[0-9]*/environ >"$T/with"
}

# ---- calling the agent

ag() { # VERB ARGS…: the reply is in $T/reply, its code in CODE, text without NUL in TEXT
	nonce_n=$((nonce_n + 1))
	NONCE=n$BASHPID$nonce_n
	$SH "$AGENT" "$1" "$NONCE" "${@:2}" >"$T/reply" 2>"$T/reply.err"
	read_reply
}

BEHIND=/dev/null # a file that comes behind the secrets

ag_secrets() { # VERB ARGS…: SECRETS, END, and what is in BEHIND
	nonce_n=$((nonce_n + 1))
	NONCE=n$BASHPID$nonce_n
	{ printf '%sEND %s\n' "$SECRETS" "$NONCE" && cat "$BEHIND"; } |
		$SH "$AGENT" "$1" "$NONCE" "${@:2}" >"$T/reply" 2>"$T/reply.err"
	read_reply
}

read_reply() {
	TEXT=$(tr -d '\000' <"$T/reply")
	CODE=${TEXT##*@@"$NONCE" END }
	[ "${TEXT%%$'\n'*}" = "@@$NONCE BEGIN" ] || fail "no BEGIN in: $TEXT"
	[ "$CODE" != "$TEXT" ] || fail "no END in: $TEXT"
}

expect() { # CODE
	[ "$CODE" = "$1" ] || fail "expected $1, got $CODE in: $TEXT"
}

field() { sed -n "s/^$1 //p" <<<"$TEXT" | head -n 1; }

poll() { # ATT…
	local specs=() att
	for att; do specs+=("$att:0:0:65536"); done
	ag poll "${specs[@]}"
	expect OK
}

is() { # KEY VALUE: of the last poll
	[ "$(field "$1")" = "$2" ] || fail "expected $1 '$2', got '$(field "$1")' in: $TEXT"
}

poll_says() { # ATT KEY VALUE
	poll "$1"
	[ "$(field "$2")" = "$3" ]
}

# ---- the payload: a case fills these, then calls launch

declare -A V
reset_plan() {
	V=([JOB]=exp1 [ID]=9f3a [ATTEMPT]=1 [AWS]='' [ENDPOINT]='' [REGION]='' [RUN_LIMIT]=0
		[GRACE]=5 [GPUS]='' [IMAGE]='' [OUTPUT]=output [DEST]='' [CKPT]='' [CKPT_DEST]='')
	INDEX=() METRICS=() DIRS=() FILES=() INPUTS=() EXCLUDES=() ENVS=() SUMS=: SETUP='' PROGRAM=(shell 'exit 0')
	SECRETS=''
}

quote() { # words in single quotes
	local word
	for word; do printf " '%s'" "${word//\'/\'\\\'\'}"; done
}

plan_text() { # BASE: offset of the first byte after the plan
	local key i at=$1 size
	printf 'plan_vars() {'
	for key in "${!V[@]}"; do printf " %s='%s';" "$key" "${V[$key]//\'/\'\\\'\'}"; done
	printf ' }\nplan_sums() { %s; }\nplan_files() { :' "$SUMS"
	if [ ${#INDEX[@]} -gt 0 ]; then
		size=$(stat -c %s "$T/index")
		printf '; index %d %d' "$at" "$size"
		at=$((at + size))
	fi
	for ((i = 0; i < ${#DIRS[@]}; i += 2)); do
		printf '; dir%s %s' "$(quote "${DIRS[i]}")" "${DIRS[i + 1]}"
	done
	for ((i = 0; i < ${#FILES[@]}; i += 3)); do
		size=$(stat -c %s "${FILES[i + 2]}")
		printf '; file%s %s %d %d' "$(quote "${FILES[i]}")" "${FILES[i + 1]}" "$at" "$size"
		at=$((at + size))
	done
	printf '; }\nplan_inputs() { :'
	for ((i = 0; i < ${#INPUTS[@]}; i += 4)); do
		printf '; input%s' "$(quote "${INPUTS[@]:i:4}")"
	done
	printf '; }\nplan_excludes() { :'
	for ((i = 0; i < ${#EXCLUDES[@]}; i++)); do printf '; exclude%s' "$(quote "${EXCLUDES[i]}")"; done
	printf '; }\nplan_metrics() { :'
	for ((i = 0; i < ${#METRICS[@]}; i++)); do printf '; metric%s' "$(quote "${METRICS[i]}")"; done
	printf '; }\nplan_env() { :'
	for ((i = 0; i < ${#ENVS[@]}; i += 2)); do
		printf '; setenv%s' "$(quote "${ENVS[@]:i:2}")"
	done
	printf '; }\nplan_setup() { '
	if [ -n "$SETUP" ]; then printf 'setup%s' "$(quote "$SETUP")"; else printf ':'; fi
	printf '; }\nplan_program() { %s%s; }\n' "${PROGRAM[0]}" "$(quote "${PROGRAM[@]:1}")"
}

make_payload() { # $T/payload, PAYLOAD_SIZE, SUM
	local text='' base=0 old=-1 i head
	: >"$T/index"
	for ((i = 0; i < ${#INDEX[@]}; i += 5)); do
		printf '%s\t%s\t%s\t%s\t%s\n' "${INDEX[@]:i:5}" >>"$T/index"
	done
	while [ $base != $old ]; do # the length of the plan depends on its numbers
		old=$base
		plan_text $base >"$T/plan"
		head="jobfs 1 $(stat -c %s "$T/plan")"
		base=$((${#head} + 1 + $(stat -c %s "$T/plan")))
	done
	{
		echo "$head"
		cat "$T/plan" "$T/index"
		for ((i = 0; i < ${#FILES[@]}; i += 3)); do cat "${FILES[i + 2]}"; done
	} >"$T/payload"
	PAYLOAD_SIZE=$(stat -c %s "$T/payload")
	SUM=$(sha256sum <"$T/payload")
	SUM=${SUM%% *}
}

put() { # ATT
	make_payload
	ag put "$1" "$PAYLOAD_SIZE" <"$T/payload"
	expect OK
}

launch() { # ATT: puts and launches
	put "$1"
	ag_secrets launch "$1" "$SUM"
	expect OK
}

run_job() { # ATT: launches and waits for its end
	launch "$1"
	must_soon test -f "$J/$1/end"
	poll "$1"
}

started() { # ATT: launches and waits until the program says so with `started` on its log
	launch "$1"
	must_soon grep -qs started "$J/$1/log"
}

aws_waits() { # the stand-in for aws waits for $HOME/go
	set -- "$HOME"/aws/waiting.*
	[ -e "$1" ]
}

claim_pid() { cut -d' ' -f3 "$J/$1/claim"; }
prog_pid() { cut -d' ' -f1 "$J/$1/prog"; }

member_pids() { # ATT: processes with the program's mark
	local file
	for file in $(grep -lsF "JOBFS_ATTEMPT=$1" /proc/[0-9]*/environ); do
		file=${file#/proc/}
		gone "${file%/environ}" || echo "${file%/environ}"
	done
}

no_members() { [ -z "$(member_pids "$1")" ]; }

agents() { # VERB ATT: pids of the agent's processes that do VERB
	local file pid
	for file in $(grep -lszxF -- "$2" /proc/[0-9]*/cmdline); do
		pid=${file#/proc/} pid=${pid%/cmdline}
		grep -qszxF -- "$1" "$file" && ! gone "$pid" && echo "$pid"
	done
}

keeper_pids() { agents _sec "$1"; }
no_keeper() { [ -z "$(keeper_pids "$1")" ]; }
no_killer() { [ -z "$(agents _kill "$1")" ]; }
no_timer() { [ -z "$(agents _timer "$1")" ]; }
no_watcher() { [ -z "$(agents _watch "$1")" ]; }

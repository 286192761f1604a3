# ---- the inner wrapper -----------------------------------------------------------------

cmd__exec() {
	trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2 # `kill 0` in the program is not for us
	pstat $$
	put_over prog "$$ $p_start"
	load_plan
	w=$a/work result=''
	cd "$w" || {
		settle exit 'lost no-directory'
		exit
	}
	plan_setup
	[ -n "$result" ] || plan_program
	settle exit "$result"
}

# The words of plan_setup and plan_program. Texts go to a file beside the job's directory.
setup() { # TEXT
	write_text setup.sh "$1" || return
	[ -z "$IMAGE" ] || return 0 # the container does it
	inside /bin/sh -e "$a/ctl/setup.sh" || result="setup $?"
}

# A part of a program is another program: what a full disk has cut must not run.
write_text() { # FILE TEXT
	{ printf '%s\n' "$2" >"$a/ctl/$1"; } 2>/dev/null &&
		[ "$(cat "$a/ctl/$1" && echo .)" = "$2$nl." ] && return
	result='setup 1'
	{ echo "jobfs: there is no room for $1" >>"$a/log"; } 2>/dev/null
	return 1
}

script() { # FILE ARG…
	e_file=$w/files/$1 e_head=''
	shift
	read -r e_head 2>/dev/null <"$e_file"
	case $e_head in
	'#!'* | ?ELF*)
		chmod a+rx "$e_file"
		argv "$e_file" "$@"
		;;
	*) case $e_file in
		*.py) argv python3 "$e_file" "$@" ;;
		*) argv /bin/sh "$e_file" "$@" ;;
		esac ;;
	esac
}

shell() { # TEXT ARG…
	write_text run.sh "$1" || return
	shift
	argv /bin/sh -e "$a/ctl/run.sh" "$@"
}

argv() { # PROGRAM ARG…
	if [ -n "$IMAGE" ]; then
		in_container "$@"
	else
		inside "$@"
		result="exit $?"
	fi
}

inside() { # COMMAND…: on the log, in the program's environment
	(become "$@") </dev/null >>"$a/log" 2>&1 9>&-
}

become() { # COMMAND…
	umask "${JOBFS_HOST%% *}"
	case ${JOBFS_HOST#* } in =*) LC_ALL=${JOBFS_HOST#* =} ;; *) unset LC_ALL ;; esac 2>/dev/null
	unset JOBFS_HOST JOBFS_SH JOBFS_WRAPPER
	setenv() {
		# names that some shell does not let go; and the mark
		case $1 in UID | EUID | PPID | SHELLOPTS | BASH* | OPTIND | JOBFS_*) return ;; esac
		export "$1=$2"
	}
	export JOBFS_ATTEMPT="$att"
	job_env
	plan_env 2>/dev/null # may overwrite any variable of ours: only "$@" is used from here
	exec "$@"
}

job_env() { # calls setenv for what every program gets
	setenv JOB_ID "$ID"
	setenv JOB_NAME "$JOB"
	setenv JOB_ATTEMPT "$ATTEMPT"
	setenv JOB_DIR "$w"
	setenv JOB_OUTPUT_DIR "$w/$OUTPUT"
	if [ -n "$CKPT_DEST" ]; then setenv JOB_CHECKPOINT_DIR "$w/$CKPT"; fi
	if [ -f "$a/resumed" ]; then setenv JOB_RESUME_FROM "$w/$CKPT"; fi
	input() { setenv "JOB_INPUT_$1" "$w/$4"; }
	plan_inputs
	if [ -n "$GPUS" ]; then setenv CUDA_VISIBLE_DEVICES "$(visible_gpus)"; fi
}

visible_gpus() { # a container sees only its own, from 0
	if [ -z "$IMAGE" ]; then
		echo "$GPUS"
		return
	fi
	e_list=$GPUS, e_n=0 e_out=''
	while [ -n "$e_list" ]; do
		e_out=$e_out,$e_n e_n=$((e_n + 1)) e_list=${e_list#*,}
	done
	echo "${e_out#,}"
}

# A container survives its client and a restart of dockerd, so the code comes from inspect,
# never from the client. What fails before the program could start is a failed setup.
in_container() { # COMMAND…
	e_docker=$(command -v docker) || {
		printf 'jobfs: image %s: there is no docker on this host\n' "$IMAGE" >>"$a/log"
		result='setup 127'
		return
	}
	umask 022 # the user of the image reads these
	if [ -f "$a/ctl/setup.sh" ]; then
		chmod 644 "$a/ctl/setup.sh"
		# shellcheck disable=SC2016  # for the shell in the container
		set -- /bin/sh -c '/bin/sh -e "$0/setup.sh" || {
			rc=$?; echo $rc >"$0/setup.failed"; exit $rc; }; exec "$@"' "$a/ctl" "$@"
	fi
	[ ! -f "$a/ctl/run.sh" ] || chmod 644 "$a/ctl/run.sh"
	set -- "$IMAGE" "$@"
	setenv() { e_names="$e_names $1"; }
	e_names=JOBFS_ATTEMPT
	job_env
	plan_env
	for e_name in $e_names; do set -- -e "$e_name" "$@"; done # values: only in the environment
	[ -z "$GPUS" ] || set -- --gpus "\"device=$GPUS\"" "$@"
	set -- --name "jobfs-$att" --label "jobfs.attempt=$att" -w "$w" \
		-v "$w:$w" -v "$a/ctl:$a/ctl" "$@"
	if [ -f "$a/cancel" ]; then
		result='setup 143'
		return
	fi
	if ! docker inspect "jobfs-$att" >/dev/null 2>&1; then
		{
			docker image inspect "$IMAGE" >/dev/null 2>&1 || docker pull "$IMAGE" >/dev/null
		} </dev/null 2>>"$a/log" 9>&-
		(become "$e_docker" create "$@") </dev/null >/dev/null 2>>"$a/log" 9>&- || {
			result="setup $?"
			return
		}
	fi
	docker start -a "jobfs-$att" </dev/null >>"$a/log" 2>&1 9>&-
	e_rc=$?
	if container_runs; then
		echo "jobfs: the connection to docker broke; output may be missing here" >>"$a/log"
		docker attach --no-stdin --sig-proxy=false "jobfs-$att" </dev/null \
			>>"$a/log" 2>&1 9>&-
		e_rc=broken
	fi
	if ! docker_result; then
		case $d_state in
		'created 0'*) result="setup $e_rc" ;;
		'created '*) result="setup ${d_state#* }" ;;
		*) result='lost no-container' ;;
		esac
	elif [ -s "$a/ctl/setup.failed" ]; then
		result="setup ${result#exit }"
	elif [ "$result" = 'exit 255' ] && [ "$e_rc" != 255 ]; then
		result='lost docker-255' # what dockerd says when it does not know
	fi
}

# Waits for the container's end: `result`. Fails when it never started or is gone.
docker_result() {
	while :; do
		d_state=$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "jobfs-$att" 2>&1)
		case $d_state in
		'exited '* | 'dead '*) break ;;
		'created '* | *'No such'*) return 1 ;;
		esac
		docker wait "jobfs-$att" >/dev/null 2>&1 || nap 1
	done
	result="exit ${d_state#* }"
}


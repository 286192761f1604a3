# ---- rclone ----------------------------------------------------------------------------

# A remote `jobfs:` that is in the environment only: nobody's configuration is read. Of what
# an old rclone does not know it takes no notice there. Without a CA of its own it would
# refuse AWS_CA_BUNDLE.
rclone_run() { # VERB ARG…
	(
		# shellcheck disable=SC2046
		unset $(env | sed -n 's/^\(RCLONE_[A-Z0-9_]*\)=.*/\1/p')
		export RCLONE_CONFIG=/dev/null RCLONE_USE_SERVER_MODTIME=true
		[ -z "$AWS_CA_BUNDLE" ] || export RCLONE_CA_CERT="$AWS_CA_BUNDLE"
		unset AWS_CA_BUNDLE
		# what is on its way is seen by the size of its file
		export RCLONE_LOCAL_NO_PREALLOCATE=true
		export RCLONE_CONTIMEOUT=20s RCLONE_TIMEOUT=60s RCLONE_TRANSFERS=8
		r_set=RCLONE_CONFIG_JOBFS
		export ${r_set}_TYPE=s3 ${r_set}_ENV_AUTH=true ${r_set}_REGION="$REGION"
		export ${r_set}_ENCODING=Slash,InvalidUtf8,Dot ${r_set}_LIST_URL_ENCODE=true
		export ${r_set}_NO_CHECK_BUCKET=true ${r_set}_NO_HEAD=true ${r_set}_CHUNK_SIZE=8M
		if [ -n "$ENDPOINT" ]; then
			export ${r_set}_PROVIDER=Other ${r_set}_ENDPOINT="$ENDPOINT"
			export ${r_set}_FORCE_PATH_STYLE=true ${r_set}_LIST_VERSION=2
		else
			export ${r_set}_PROVIDER=AWS
		fi
		with_job "${TOOL:-rclone}" "$@"
	)
}

rclone_version() { # PROGRAM
	v_version=$(RCLONE_CONFIG=/dev/null "$1" version 2>/dev/null </dev/null | head -n 1)
	case $v_version in 'rclone v1.'*) ;; *) return 1 ;; esac
	v_version=${v_version#rclone v}
}

rclone_get() {
	rm -f "$2" # or what differs is written into it
	rclone_run copyto -v --stats 0 "jobfs:${1#s3://}" "$2"
}

rclone_tree() { rclone_run copy -v --stats 0 "jobfs:${1#s3://}" "$2"; }

# All of them, as the AWS CLI does: what is older than the attempt is not taken for its output.
rclone_put() { rclone_run copy -v --stats 0 --ignore-times ${3:+--copy-links} "$1" "jobfs:${2#s3://}"; }

# It knows the MD5 of what came in one piece. Control characters in names, which it shows as
# pictures, and its sign for quoting, are nothing to compare with.
rclone_list() {
	c_rest=${1#s3://}
	c_key=${c_rest#*/}
	case $c_key in */*) c_key=${c_key%/*}/ ;; *) c_key='' ;; esac
	rclone_run lsf -R --files-only --hash MD5 --format hsp --separator "$tab" "jobfs:$c_rest" |
		grep -v -e "$(printf '\342\220')" -e "$(printf '\342\200\233')" |
		while IFS= read -r c_line; do
			# empty words do not survive a `read` between tabs
			c_sum=${c_line%%"$tab"*} c_line=${c_line#*"$tab"}
			printf '%s\t%s\t%s%s\n' "${c_sum:--}" "${c_line%%"$tab"*}" "$c_key" "${c_line#*"$tab"}"
		done
}

rclone_is_kms() { return 1; } # it takes their ETags for MD5s itself, and does not bring them

# ---- s3cmd, of version 2 ---------------------------------------------------------------

# It takes keys and addresses from the environment only if its file has none; the file has
# nothing secret. `fixbucket`: in the other way it changes names that have control characters.
s3cmd_run() { # VERB ARG…
	c_conf=$(mktemp "$a/t.s3cmd.XXXXXX") && s3cmd_conf >"$c_conf" || return 1
	# these two it would rather take
	(unset AWS_ACCESS_KEY AWS_SECRET_KEY && with_job "${TOOL:-s3cmd}" -c "$c_conf" "$@")
	c_rc=$?
	rm -f "$c_conf"
	return $c_rc
}

s3cmd_conf() {
	c_host=${ENDPOINT#*://}
	c_host=${c_host%/}
	echo '[default]'
	if [ -n "$ENDPOINT" ]; then
		echo "host_base = $c_host${nl}host_bucket = $c_host"
	else
		echo "host_base = s3.${REGION:-us-east-1}.amazonaws.com"
		echo "host_bucket = %(bucket)s.s3.${REGION:-us-east-1}.amazonaws.com"
	fi
	case $ENDPOINT in http:*) echo 'use_https = False' ;; *) echo 'use_https = True' ;; esac
	echo "bucket_location = ${REGION:-us-east-1}"
	[ -z "$AWS_CA_BUNDLE" ] || printf 'ca_certs_file = %s\n' "$AWS_CA_BUNDLE"
	echo "progress_meter = False${nl}preserve_attrs = False${nl}guess_mime_type = False"
	echo "urlencoding_mode = fixbucket${nl}socket_timeout = 60"
}

s3cmd_version() { # PROGRAM
	v_version=$("$1" --version 2>/dev/null </dev/null) || return 1
	case $v_version in 's3cmd version '[2-9].*) ;; *) return 1 ;; esac
	v_version=${v_version#s3cmd version }
}

# It gives up at an error of the server.
s3cmd_fetch() { # ARG… of get
	for c_nap in 1 3 9; do
		s3cmd_run get "$@" && return
		# killed, refused, or not there
		case $c_rc in 12 | 64 | 77 | 127 | 137 | 143) return $c_rc ;; esac
		! is_stopped download || return $c_rc
		nap $c_nap
	done
	s3cmd_run get "$@"
}

s3cmd_get() {
	rm -f "$2"
	s3cmd_fetch "$1" "$2"
}

# A key that leads outside was refused by the daemon; one that came meanwhile is left out.
s3cmd_tree() { s3cmd_fetch --recursive --skip-existing --rexclude='(^|/)\.\.?(/|$)' "$1" "$2/"; }

s3cmd_put() {
	c_odd=$(find "$1" -name "*$nl*" | head -n 1)
	if [ -n "$c_odd" ]; then
		printf 's3cmd failed: it cannot upload a file with a newline in its name: %s\n' "${c_odd#"$1/"}"
		return 1
	fi
	s3cmd_run put --recursive ${3:+--follow-symlinks} "$1/" "$2"
}

s3cmd_list() {
	s3cmd_run ls --recursive --list-md5 "$1" |
		sed -n "s|^[^ ]* [^ ]*  *\([0-9]*\)  *\([0-9a-f-]*\)  *s3://[^/]*/\(.*\)\$|\2$tab\1$tab\3|p"
}

s3cmd_is_kms() { s3cmd_run info "$1" | grep -q '^ *SSE: *aws:kms'; }

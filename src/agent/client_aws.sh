# ---- the AWS CLI -----------------------------------------------------------------------

cli() { # ARG…
	[ -z "$ENDPOINT" ] || set -- "$@" --endpoint-url "$ENDPOINT"
	with_job "${AWS:-aws}" "$@"
}

s3() { cli s3 "$@" --no-progress; }

aws_version() { # PROGRAM
	v_version=$("$1" --version 2>&1 </dev/null) || return 1
	case $v_version in aws-cli/[12].*) ;; *) return 1 ;; esac
	v_version=${v_version#aws-cli/}
	v_version=${v_version%%[!0-9.]*}
}

aws_get() { s3 cp "$1" "$2"; }

aws_tree() {
	if [ -n "$3" ]; then s3 sync --size-only "$1" "$2"; else s3 cp --recursive "$1" "$2"; fi
}

aws_put() {
	if [ -n "$3" ]; then s3 cp --recursive "$1" "$2"; else s3 cp --recursive --no-follow-symlinks "$1" "$2"; fi
}

aws_list() {
	c_rest=${1#s3://}
	cli s3api list-objects-v2 --bucket "${c_rest%%/*}" --prefix "${c_rest#*/}" --query \
		"Contents[?!contains(Key,'$tab') && !contains(Key,'$nl')].[ETag,Size,Key]" --output text
}

aws_is_kms() {
	c_rest=${1#s3://}
	case $(cli s3api head-object --bucket "${c_rest%%/*}" --key "${c_rest#*/}" \
		--query ServerSideEncryption --output text) in aws:kms*) ;; *) return 1 ;; esac
}

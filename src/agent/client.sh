# ---- the S3 clients: one table ---------------------------------------------------------
#
# ENGINE of the plan names a row, TOOL the program (of the row `aws` it is AWS). A row is a
# file client_NAME.sh with these functions, all of which run in the keeper:
#
#   NAME_get URI FILE           one object
#   NAME_tree URI DIR [there]   what is below a prefix, by the rest of its keys; DIR is there.
#                               there: what is in DIR already need not come again
#   NAME_put DIR URI [links]    the files below a directory. links: they are links to files;
#                               else there are none
#   NAME_list URI               "ETAG SIZE KEY" of the objects whose keys begin so, apart by
#                               tabs, for verify.sh; ones that it cannot tell are left out
#   NAME_is_kms URI             has S3 encrypted it with a key of KMS?
#   NAME_version PROGRAM        v_version, or fails when that is no such program
#
# A row calls its program by `with_job`, which gives it the job's credentials by environment:
# never by an argument or a file. What it prints is for transfer.log; the daemon quotes the
# line with the words that fault_words[] in explain.c has for the engine.

CLIENTS='rclone s3cmd' # that a user may name; `aws` is looked for by a verb of its own

find_client() { # NAME PATH…: replies with the first that is one; returns if there is none
	v_name=$1
	shift
	for v_path do
		[ -f "$v_path" ] && [ -x "$v_path" ] && is_known "$v_path" || continue
		printf 'path %s\nversion %s\n' "$v_path" "$v_version"
		reply OK
	done
}

# v_version of the program of the row v_name; fails when it is none. To start the AWS CLI takes
# most of a second, so what was found is kept for as long as the file stays as it is, and the
# client does not fail (with_job).
is_known() { # PROGRAM
	v_is=$(stat -L -c '%n %d %i %s %z' "$1") v_was=''
	[ ! -f "$base/known.$v_name" ] || {
		IFS= read -r v_version
		IFS= read -r v_was
	} <"$base/known.$v_name"
	[ -n "$v_is" ] && [ "$v_was" = "$v_is" ] && return
	"${v_name}_version" "$1" || return
	{ printf '%s\n%s\n' "$v_version" "$v_is" >"$base/known.t$$" &&
		mv -f "$base/known.t$$" "$base/known.$v_name"; } 2>/dev/null
	return 0
}

cmd_tool() { # NAME of a row
	find_client "$1" "$(command -v "$1")" "$HOME/.local/bin/$1" "$HOME/bin/$1" "/usr/local/bin/$1"
	reply ENOTOOL "no $1 that works in PATH, ~/.local/bin, ~/bin or /usr/local/bin"
}

is_client() { case " $CLIENTS " in *" $1 "*) ;; *) return 1 ;; esac; }

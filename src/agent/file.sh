# ---- files -----------------------------------------------------------------------------

durable() { sync "$@" 2>/dev/null || sync; } # an old sync(1) takes no files: all is synced

# The content is there before the name is: the first writer wins, the others see a whole
# file. 0: ours; 1: another was first; 2: could not be written (a full disk, a dead ln).
put_once() { # FILE TEXT
	f_t=$a/t.$$.$1 f_got='' f_rc=0
	{ echo "$2" >"$f_t"; } 2>/dev/null && IFS= read -r f_got <"$f_t"
	if [ "$f_got" != "$2" ]; then
		rm -f "$f_t"
		return 2
	fi
	# shellcheck disable=SC3013  # every sh has -ef; over NFS a link that worked may say no
	ln "$f_t" "$a/$1" 2>/dev/null || [ "$f_t" -ef "$a/$1" ] || f_rc=1
	[ -f "$a/$1" ] || f_rc=2
	rm -f "$f_t"
	return $f_rc
}

put_over() { # FILE TEXT
	{ echo "$2" >"$a/t.$$.$1" && mv -f "$a/t.$$.$1" "$a/$1"; } 2>/dev/null || {
		rm -f "$a/t.$$.$1"
		return 1
	}
}

# Room for the results of a job that filled the disk.
make_reserve() { printf '%16384s' '' >"$a/reserve"; } 2>/dev/null

# A result is held in memory until the disk takes it.
settle() { # FILE TEXT
	f_wait=0
	while
		put_once "$1" "$2"
		[ $? = 2 ]
	do
		[ -d "$a" ] || exit 0 # acked by force
		rm -f "$a/reserve"
		nap "$f_wait"
		case $f_wait in 0) f_wait=0.2 ;; 0.2) f_wait=1 ;; *) f_wait=10 ;; esac
	done
	durable "$a/$1" "$a"
}

# NAME.1, NAME.2 … say whose turn it was. Does the owner of the last one live?
turn_lives() { # NAME: t_n is the last one, t_word its word
	t_n=0 t_word=''
	while [ -f "$a/$1.$((t_n + 1))" ]; do t_n=$((t_n + 1)); done
	[ $t_n -gt 0 ] || return 1
	read -r t_pid t_start t_boot t_word <"$a/$1.$t_n"
	[ "$t_boot" = "$boot" ] && is_alive "$t_pid" "$t_start"
}

take_turn() { # NAME WORD: after turn_lives; fails when somebody else was quicker
	pstat $$ && put_once "$1.$((t_n + 1))" "$$ $p_start $boot $2"
}

load_claim() { # c_line and its words; c_kind is none, void or run
	c_line=none c_kind=none c_pid=0 c_start='' c_boot=''
	[ -f "$a/claim" ] || return 0
	read -r c_line <"$a/claim"
	# a crash between link and fsync may leave it empty: claimed, and nothing ran
	case $c_line in 'void '* | 'run '*) ;; *) c_line='run 0 0 0 0 0' ;; esac
	read -r c_kind _ c_pid c_start _ c_boot <"$a/claim"
	: "${c_kind:=run}"
}

load_plan() { # the plan's functions and variables
	ENGINE=aws IMAGE='' GRACE=0 DOWNLOAD_LIMIT=0 RUN_LIMIT=0 UPLOAD_LIMIT=0
	LOG_HEAD=0 LOG_TAIL=0 VERIFY=small CKPT='' CKPT_DEST='' CKPT_INTERVAL=600 CKPT_SETTLE=30 CKPT_RESUME=''
	CACHE_KB=0 ROOM_KB=0
	plan_sums() { :; }
	plan_metrics() { :; }
	[ -f "$a/plan" ] || return 1
	. "$a/plan" && plan_vars
}

runner_lives() { [ "$c_boot" = "$boot" ] && is_alive "$c_pid" "$c_start"; }

uploader_lives() { turn_lives up; }


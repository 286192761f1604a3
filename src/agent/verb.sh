# ---- put, launch, poll -----------------------------------------------------------------

make_room() { [ -d "$a" ] || mkdir -p "$a" 2>/dev/null || reply EDISK "cannot make $a"; }

drain() { cat >/dev/null; } # nobody needs it, but the sender must not block

cmd_put() { # SIZE
	make_room
	if [ -f "$a/claim" ]; then
		drain
		reply OK
	fi
	head -c "$1" >"$a/t.$nonce" 2>/dev/null
	if [ "$(wc -c 2>/dev/null <"$a/t.$nonce")" != "$1" ]; then
		rm -f "$a/t.$nonce"
		[ "$(free_kb)" -gt $(($1 / 1024 + 64)) ] || cache_give $(($1 / 1024 + 65536))
		[ "$(free_kb)" -gt $(($1 / 1024 + 64)) ] || reply EDISK "no room for $1 bytes in $a"
		reply ETRUNC "the payload came cut short"
	fi
	mv -f "$a/t.$nonce" "$a/payload" || reply EDISK "cannot write in $a"
	reply OK
}

reply_claim() { # replies when there is a claim, ours or another's
	load_claim
	[ "$c_kind" != none ] || return 0
	drain
	echo "claim $c_line"
	[ "$c_kind" = run ] || reply VOIDED
	reply OK
}

cmd_launch() { # SHA256 [SIZE of a batch of URLs]
	make_room
	reply_claim
	if [ ! -f "$a/payload" ]; then
		reply_claim # unpacked and removed in between
		drain
		reply ENOPAYLOAD "there is no payload"
	fi
	l_sum=$(sha256sum 2>/dev/null <"$a/payload")
	if [ "${l_sum%% *}" != "$1" ]; then
		reply_claim
		drain
		reply EPAYLOAD "the payload is not the one announced"
	fi
	detach _run "$2"
	reply_claim
	case $r_said in E*) reply $r_said ;; esac
	reply ESTREAM "the stream ended before END"
}

alive_word() {
	load_claim
	if [ -f "$a/end" ]; then
		alive='done'
	elif [ "$c_kind" != run ]; then
		alive=0
	elif runner_lives || uploader_lives; then
		alive=1
	elif [ "$c_boot" != "$boot" ]; then
		alive=rebooted
	else
		alive=0
		members
		marked "JOBFS_WRAPPER=$att"
		[ -z "$m" ] && ! container_runs || alive=orphan
	fi
}

container_runs() {
	load_plan
	[ -n "$IMAGE" ] || return 1
	[ "$(docker inspect -f '{{.State.Running}}' "jobfs-$att" 2>/dev/null)" = true ]
}

first_line() { # KEY FILE: one line, if there is one
	[ -f "$2" ] && read -r p_line <"$2" || return 0
	echo "$1 $p_line"
}

# What to print of an attempt but for its logs. Liveness before results: "dead and no
# result" is final then.
attempt_state() {
	alive_word
	echo "attempt $att${nl}claim $c_line${nl}alive $alive"
	if [ -f "$a/phase" ]; then
		first_line phase "$a/phase"
	elif [ "$c_kind" = run ]; then
		echo "phase prepare" # the first one needs no file
	fi
	# before the transfers: beside an end they are over
	p_end=$(first_line end "$a/end")
	for p_x in "$a"/hits.*; do first_line "hits ${p_x##*.}" "$p_x"; done
	for p_x in "$a"/xfer.*; do
		[ -f "$p_x" ] && read -r p_line <"$p_x" || continue
		case $p_line in run) p_line="run $(arrived_kb "${p_x##*.}")" ;; esac
		echo "xfer ${p_x##*.} $p_line"
	done
	[ "$alive" != 1 ] || print_want
	[ "$alive" != 1 ] || print_keys
	first_line exit "$a/exit"
	[ -z "$p_end" ] || echo "$p_end"
	# made before `exit` by who caused it: seen, if its exit was
	[ ! -f "$a/cancel" ] || echo "cancel 1"
	first_line timeout "$a/timeout"
	first_line checkpoint "$a/ckpt"
}

# How much of input I is there, of the outputs is sent. The tool writes to PATH.<random> and renames it.
arrived_kb() { # I, or out
	x_want=$1 x_kb=0 x_i=0
	input() {
		[ "$x_i" != "$x_want" ] || x_kb=$(kb "$a/work/$4")
		[ "$x_i" != "$x_want" ] || [ ! -d "$a/in" ] || x_kb=$(fetched_kb "$x_i")
		x_i=$((x_i + 1))
	}
	case $x_want in
	out) x_kb=$(sent_kb) ;;
	*) ! load_plan || plan_inputs ;;
	esac
	echo "$x_kb"
}

kb() { # PATH
	set -- "$1" "$1".*
	[ -e "$2" ] || set -- "$1"
	x_sum=0
	for x_n in $(du -sk "$@" 2>/dev/null | cut -f 1); do x_sum=$((x_sum + x_n)); done
	echo $x_sum
}

cmd_poll() { # ATT:LOGOFF:TLOGOFF:MAX[:METRICSOFF] …
	get_boot
	echo "now $(date +%s)${nl}boot $boot"
	first_line storeid "$base/storeid"
	cd "$base/jobs" 2>/dev/null || cd / || exit 1
	p_logs='' p_first=1
	for p_spec do
		att=${p_spec%%:*} a=$base/jobs/${p_spec%%:*}
		p_logs="$p_logs $att/log $att/tlog"
		case $p_spec in *:*:*:*:*) p_logs="$p_logs $att/metrics" ;; esac
		if [ $p_first = 1 ]; then set --; fi
		p_first=0
		set -- "$@" "$p_spec" "$(attempt_state)"
	done
	# one stat for all, after all results were read
	p_sizes=$nl$(stat -c '%s %n' $p_logs 2>/dev/null)$nl
	while [ $# -gt 0 ]; do
		att=${1%%:*} p_off=${1#*:}
		p_toff=${p_off#*:}
		p_max=${p_toff#*:}
		p_moff=${p_max#*:}
		[ "$p_moff" != "$p_max" ] || p_moff=''
		p_max=${p_max%%:*}
		a=$base/jobs/$att
		echo "$2"
		size_of "$att/log"
		log_news log "${p_off%%:*}" "$size"
		size_of "$att/tlog"
		log_news tlog "${p_toff%%:*}" "$size"
		if [ -n "$p_moff" ]; then
			size_of "$att/metrics"
			log_news metrics "$p_moff" "$size"
		fi
		shift 2
	done
	reply OK
}

size_of() { # FILE: out of $p_sizes
	size=0
	case $p_sizes in *" $1$nl"*) ;; *) return ;; esac
	size=${p_sizes%%" $1$nl"*}
	size=${size##*"$nl"}
}

cmd_manifest() {
	for p_name in manifest skipped begun; do
		[ -f "$a/$p_name" ] || [ $p_name = begun ] ||
			reply ENOMANIFEST "the outputs were not listed yet"
		[ -f "$a/$p_name" ] || continue
		echo "data $p_name $(wc -c <"$a/$p_name" | tr -d ' ')"
		cat "$a/$p_name"
		echo
	done
	reply OK
}


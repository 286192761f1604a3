# ---- what the caller wrote -------------------------------------------------------------

number() { case $1 in '' | *[!0-9]* | 0?* | ????????????????*) return 1 ;; esac; }
attempt() { case $1 in '' | *[!0-9a-f-]*) return 1 ;; esac; }
bad_args() { reply EARGS "$verb: arguments are not as PROTOCOL.md says"; }

poll_spec() { # ATT:LOGOFF:TLOGOFF:MAX[:METRICSOFF]
	case $1 in
	*:*:*:*:*:*) return 1 ;;
	*:*:*:*:*)
		number "${1##*:}" || return 1
		set -- "${1%:*}"
		;;
	*:*:*:*) ;;
	*) return 1 ;;
	esac
	p_rest=${1#*:}
	p_tail=${p_rest#*:}
	attempt "${1%%:*}" && number "${p_rest%%:*}" && number "${p_tail%%:*}" &&
		number "${p_tail#*:}"
}

verb=$1 nonce=$2
case $verb in
_run | _upload | _urls | _sec | _timer | _watch | _metrics | _exec | _list | _look | _kill)
	umask 077
	att=$3 a=$base/jobs/$3
	shift 3
	"cmd_$verb" "$@"
	exit
	;;
launch)
	JOBFS_HOST="$(umask) $lc_host"
	export JOBFS_HOST
	;;
esac
umask 077
case $nonce in '' | *[!0-9a-z]*) exit 64 ;; esac
shift 2
echo "@@$nonce BEGIN"
case $verb in
probe | aws | install)
	[ $# = 0 ] || bad_args
	"cmd_$verb"
	;;
tool)
	[ $# = 1 ] && is_client "$1" || bad_args
	"cmd_$verb" "$1"
	;;
watch)
	[ $# = 1 ] && number "$1" || bad_args
	cmd_watch "$1"
	;;
poll)
	for p_spec do poll_spec "$p_spec" || bad_args; done
	cmd_poll "$@"
	;;
put | launch | renew | urls | wanted | manifest | cancel | signal | upload | ack)
	att=$1 a=$base/jobs/$1
	attempt "$1" || bad_args
	shift
	case $verb:$# in
	put:1 | cancel:1 | wanted:1) number "$1" || bad_args ;;
	signal:1) ;;
	urls:2) number "$1" && number "$2" || bad_args ;;
	launch:1) attempt "$1" || bad_args ;;
	launch:2) attempt "$1" && number "$2" || bad_args ;;
	manifest:0 | renew:0 | upload:0 | ack:0) ;;
	ack:1) [ "$1" = force ] || bad_args ;;
	upload:1) [ "$1" = again ] || bad_args ;;
	*) bad_args ;;
	esac
	"cmd_$verb" "$@"
	;;
*) reply EVERB "no verb $verb" ;;
esac

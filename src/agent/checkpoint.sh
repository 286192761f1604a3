# ---- checkpoints -----------------------------------------------------------------------

# While the program runs, a subshell of the keeper (only there are credentials) looks every
# CKPT_INTERVAL seconds for files of the directory CKPT that have settled, and uploads those
# that S3 has not. Last of all it writes the object LATEST, which names what belongs to the
# checkpoint: that one PUT makes it. What an earlier LATEST names must stay as it is until
# then, so a file that was written anew is kept first:
#
#   1. its object is copied to .kept/ beside it, within S3
#   2. LATEST says that it is there
#   3. the new files go up
#   4. LATEST names them, and .kept/ goes
#
# Whoever is killed at any place leaves a LATEST all of whose objects are there. A list, as
# LATEST is one behind its first line "jobfs-checkpoint 1 ID ATTEMPT", has a line for each
# file, with tabs: PATH SIZE MTIME PLACE. In PATH a backslash is \\, a tab \t, a newline \n;
# PLACE is `.` or `.kept`, or `.at/…` for what came by presigned URLs: ckpt_urls.sh.
#
# An attempt that the daemon gave up, since its host was silent, may go on beside the next
# one. So an attempt writes its name into LATEST when it begins, and who finds there a name
# that is not of an attempt before his own makes no checkpoints any more.
#
#   ckpt.up      the objects that are what the directory has, or had
#   ckpt.latest  LATEST, as S3 has it; ckpt.owner: its ID and ATTEMPT
#   ckpt.next    a LATEST that S3 may have or not: it is sent again before anything else
#   ckpt.drop    places of earlier ones, until what no LATEST names any more is removed
#   ckpt         "EPOCH BYTES COUNT ok|failed": the last checkpoint, and the last round
#
# A file that a program was killed over looks like one that is whole. So of a program that
# did not end by itself the last round takes only what had settled before its death, and
# after a reboot, which may have lost what was written, there is none.

has_ckpt() {
	[ -n "$CKPT_DEST" ] || return 1
	case $ENGINE in aws | presigned) ;; *) return 1 ;; esac
}

# ---- the runner's side

ckpt_resume() { # fails when a checkpoint is there but did not come
	has_ckpt || return 0
	keeper_order resume && [ -f "$a/ckpt.in" ]
}

ckpt_start() { ! has_ckpt || keeper_order checkpoints; }

ckpt_last() { # the program is over
	has_ckpt || return 0
	put_over phase upload
	if [ "${c_boot:-$boot}" != "$boot" ]; then
		echo "jobfs: after a reboot the files of $CKPT are not believed: LATEST stays as it was"
	elif timer_start upload "$UPLOAD_LIMIT"; then
		keeper_order last || {
			echo "jobfs: checkpoint failed: its process was killed"
			y_note failed
		}
		timer_stop
	fi >>"$a/tlog"
}

# ---- the keeper's side

ckpt_loop() { # fd 0: end-of-file when the program is over, or the keeper
	exec 4<&- 9>&- >>"$a/tlog" 2>&1
	y_phase=run s_expired=$a/expired.ckpt # beside it the keeper may upload
	until over_within "$CKPT_INTERVAL"; do
		s_tries=0
		keys_ready checkpoints
		while keys_mark ckpt_round && keys_again checkpoints; do :; done
	done
}

loop_start() { # s_loop
	mkfifo "$a/t.ckpt" || return 1
	# shellcheck disable=SC2094  # it is a FIFO
	exec 5<>"$a/t.ckpt" && exec 8<"$a/t.ckpt" 9>"$a/t.ckpt" 5>&-
	rm -f "$a/t.ckpt"
	ckpt_loop <&8 8<&- &
	s_loop=$!
	exec 8<&-
}

loop_end() {
	exec 9>&-
	[ -z "$s_loop" ] || wait "$s_loop"
	s_loop=''
}

ckpt_round() { # [last]
	s_mark=JOBFS_CKPT
	y_round "$@"
	case $? in
	0) y_note ok ;;
	1)
		! keys_failed "$s_from" || return 1 # it is done again at once
		y_note failed
		case $1 in
		last) echo "jobfs: checkpoint failed: the last one is not in $CKPT_DEST" ;;
		*) echo "jobfs: checkpoint failed: it is tried again in ${CKPT_INTERVAL} s" ;;
		esac
		;;
	esac
}

y_note() { # WORD
	y_at=0 y_sum=0 y_n=0
	[ ! -f "$a/ckpt" ] || read -r y_at y_sum y_n _ <"$a/ckpt"
	if [ "$1" = ok ]; then
		y_at=$(date +%s) y_sum=0 y_n=0
		while IFS=$tab read -r _ y_size _; do
			minus "$y_sum" "-$y_size"
			y_sum=$n y_n=$((y_n + 1))
		done <"$a/ckpt.latest"
	fi
	put_over ckpt "$y_at $y_sum $y_n $1"
}

# Not when somebody else may be at it by now: an `upload`, once the runner was killed.
y_may() { is_alive "$s_parent" "$s_since"; }
y_s3() { y_may && s3 "$@"; }

y_round() { # [last]; 0: there is a new checkpoint; 1: there is none, but should be; 2: no need
	[ ! -f "$a/ckpt.fenced" ] || return 2
	: >>"$a/ckpt.latest"
	: >>"$a/ckpt.up"
	if [ -f "$a/ckpt.next" ]; then y_put_latest && y_note ok || return 1; fi
	y_settled "$@" || {
		y_rc=$?
		[ "$1" != last ] || [ ! -f "$a/ckpt.drop" ] || ! y_fence || y_drop
		return $y_rc
	}
	y_fence
	case $? in
	0) ;;
	3) y_missing ckpt.set ckpt.up >"$a/ckpt.todo" ;;
	*) return 1 ;;
	esac
	y_by_urls || y_keep || return 1
	y_send && y_lines_of ckpt.up ckpt.now >"$a/t.next" || return 1
	! y_by_urls || urls_places || return 1
	if y_is_busy; then # what is gone may be what the program is about to replace
		y_lines_beside ckpt.latest t.next >"$a/t.gone" && cat "$a/t.gone" >>"$a/t.next" || return 1
	fi
	cut -f 4 "$a/ckpt.latest" | grep '^\..' >>"$a/ckpt.drop"
	[ -s "$a/t.next" ] && mv -f "$a/t.next" "$a/ckpt.next" && y_put_latest || return 1
	y_drop
	return 0
}

# What no LATEST names any more goes: these places only, since another attempt may have its
# own by now. What could not be removed is tried again by a later round, or the last one.
y_drop() {
	if y_by_urls; then
		urls_drop
	else
		sort -u "$a/ckpt.drop" | (
			y_rc=0
			while IFS= read -r y_at; do
				! grep -q "$tab$y_at\$" "$a/ckpt.latest" || continue
				y_below "$y_at" && y_may && cli s3 rm --recursive "$CKPT_DEST$y_under" || y_rc=1
			done
			exit $y_rc
		)
	fi && rm -f "$a/ckpt.drop"
}

# ckpt.now: all files; ckpt.set: those that have settled; ckpt.todo: of these, what S3 has not.
y_settled() { # [last]; 2: there is nothing to do
	y_look >"$a/ckpt.now" || return
	y_missing ckpt.now ckpt.up >"$a/ckpt.todo"
	[ -s "$a/ckpt.todo" ] || return 2
	if [ -z "$1" ]; then
		mv -f "$a/ckpt.now" "$a/ckpt.first"
		[ "$CKPT_SETTLE" = 0 ] || ! over_within "$CKPT_SETTLE" || return 2
		y_look >"$a/ckpt.now" || return
		[ ! -f "$a/exit" ] || return 2 # the last round knows better
		y_common ckpt.first ckpt.now >"$a/ckpt.set"
	else
		y_look_at_death >"$a/ckpt.set" || return
	fi
	y_missing ckpt.set ckpt.up >"$a/ckpt.todo"
	[ -s "$a/ckpt.todo" ] || return 2
}

y_look_at_death() {
	y_end=''
	[ ! -f "$a/exit" ] || read -r y_end <"$a/exit"
	y_file=$a/exit
	case $y_end in
	'exit '? | 'exit '?? | 'exit 1'[01]? | 'exit 12'[0-7] | 'setup '*)
		cat "$a/ckpt.now"
		return
		;;
	lost*) y_file=$a/log ;; # nobody was there to see it end
	esac
	[ -f "$y_file" ] || return 2
	y_end=$(stat -c %Y "$y_file")
	touch -d "@$((y_end - CKPT_SETTLE))" "$a/t.death" || return 1
	y_look ! -newer "$a/t.death"
}

y_is_busy() {
	y_common ckpt.set ckpt.now >"$a/t.y"
	[ "$(count <"$a/t.y")" != "$(count <"$a/ckpt.now")" ] || grep -q '^temporary' "$a/ckpt.skip"
}

# ---- lists: names of files in $a

y_missing() { # A B: lines of A that B has not
	sort "$a/$1" >"$a/t.y1" && sort "$a/$2" >"$a/t.y2" && comm -23 "$a/t.y1" "$a/t.y2"
}
y_common() { # A B: lines that both have
	sort "$a/$1" >"$a/t.y1" && sort "$a/$2" >"$a/t.y2" && comm -12 "$a/t.y1" "$a/t.y2"
}
y_join() { # A B ARG…
	sort -t "$tab" -k 1,1 "$a/$1" >"$a/t.y1" && sort -t "$tab" -k 1,1 "$a/$2" >"$a/t.y2" &&
		shift 2 && join -t "$tab" "$@" "$a/t.y1" "$a/t.y2"
}
y_lines_of() { y_join "$1" "$2" -o 1.1,1.2,1.3,1.4; } # A B: lines of A whose path B has
y_lines_beside() { y_join "$1" "$2" -v 1; }           # A B: whose path it has not

y_look() { # FIND-ARG…: prints a list of the directory; fails when it is none
	y_dir=$(cd -P "$a/work/$CKPT" 2>/dev/null && pwd -P)
	[ -e "$a/work/$CKPT" ] || return 2
	[ "$y_dir" = "$(cd -P "$a/work" && pwd -P)/$CKPT" ] || {
		echo "jobfs: checkpoint: $CKPT became a link, or cannot be entered" >&2
		return 1
	}
	for y_try in 1 2 3; do # a directory may vanish below find's feet
		(cd "$y_dir" && TZ=UTC0 find . ! -name . "$@" -exec $SH "$ME" _look "$nonce" "$att" {} +) \
			>"$a/t.look" 3>"$a/ckpt.skip" 2>>"$a/err" && break
		! grep -q '^unreadable' "$a/ckpt.skip" || break
		[ "$y_try" != 3 ] || return 1
	done
	y_tell_skipped >&2
	cat "$a/t.look"
}

y_tell_skipped() { # once
	grep -v '^temporary' "$a/ckpt.skip" >"$a/t.skip"
	! cmp -s "$a/t.skip" "$a/ckpt.told" || return 0
	while IFS=$tab read -r y_kind y_path; do
		printf 'jobfs: checkpoint: %s is not uploaded: %s\n' "$y_path" "$y_kind"
	done <"$a/t.skip"
	mv -f "$a/t.skip" "$a/ckpt.told"
}

cmd__look() { # PATH…: one batch of find's; a list to fd 1, "KIND PATH" to fd 3
	load_plan
	y_key=${CKPT_DEST#s3://*/}
	y_stats=$(stat -c '%s %y' "$@" 2>/dev/null) || y_stats='' # one is gone by now
	printf '%s\n' "$y_stats" | for l_path do
		if [ -n "$y_stats" ]; then
			read -r y_size y_day y_time _
		else
			y_one=$(stat -c '%s %y' "$l_path" 2>/dev/null) || continue
			y_size=${y_one%% *} y_day=${y_one#* }
			y_time=${y_day#* } y_day=${y_day%% *}
			y_time=${y_time%% *}
		fi
		l_path=${l_path#./} l_skip=''
		if [ -d "$l_path" ] && [ ! -L "$l_path" ]; then
			[ ! -r "$l_path" ] || [ ! -x "$l_path" ] || continue
			l_skip=unreadable
		else
			file_kind
		fi
		case /$l_path/ in
		*.tmp/* | *.temp/* | *.part/* | *.partial/* | *.incomplete/* | *.swp/* | *'~/'* | \
			*.orbax-checkpoint-tmp* | */tmp-checkpoint-*) l_skip=temporary ;;
		/LATEST/* | /.kept/* | /.at/*) l_skip='the name is taken' ;;
		esac
		# with room for .at/ID-ATTEMPT.N/
		[ $((${#y_key} + ${#l_path})) -le 970 ] || l_skip='its name is too long for a key'
		y_encode "$l_path"
		case $l_skip in
		'') printf '%s\t%s\t%sT%sZ\t.\n' "$y_code" "$y_size" "$y_day" "$y_time" || exit 1 ;;
		*) printf '%s\t%s\n' "$l_skip" "$y_code" >&3 || exit 1 ;;
		esac
	done
}

y_encode() { # TEXT: y_code
	y_code='' y_rest=$1
	while :; do
		case $y_rest in *[\\"$tab$nl"]*) ;; *) break ;; esac
		y_head=${y_rest%%[\\"$tab$nl"]*}
		y_rest=${y_rest#"$y_head"}
		case $y_rest in
		"$tab"*) y_code=$y_code$y_head'\t' ;;
		"$nl"*) y_code=$y_code$y_head'\n' ;;
		*) y_code="$y_code$y_head\\\\" ;;
		esac
		y_rest=${y_rest#?}
	done
	y_code=$y_code$y_rest
}

# A LATEST may come from anybody: fails when it is no path below the directory.
y_decode() { # CODE: y_path
	y_path='' y_rest=$1
	while :; do
		case $y_rest in *\\*) ;; *) break ;; esac
		y_path=$y_path${y_rest%%\\*} y_rest=${y_rest#*\\}
		case $y_rest in
		t*) y_path=$y_path$tab ;;
		n*) y_path=$y_path$nl ;;
		\\*) y_path="$y_path\\" ;;
		*) return 1 ;;
		esac
		y_rest=${y_rest#?}
	done
	y_path=$y_path$y_rest
	case /$y_path/ in *//* | */../* | */./* | /LATEST/ | /.kept/* | /.at/*) return 1 ;; esac
}

y_below() { # PLACE: y_under, what stands before the path; fails when it leads outside
	case $1 in
	*..* | *[!A-Za-z0-9./-]*) return 1 ;;
	.kept | .at/?*) y_under=$1/ ;;
	*) y_under='' ;;
	esac
}

# ---- upload

# What LATEST names and is about to be overwritten.
y_keep() {
	grep "$tab\\.\$" "$a/ckpt.latest" >"$a/t.there"
	y_lines_of t.there ckpt.todo >"$a/t.over"
	[ -s "$a/t.over" ] || return 0
	rm -f "$a/t.bad"
	for y_lane in 0 1 2 3; do keep_lane $y_lane <"$a/t.over" & done
	wait
	[ ! -f "$a/t.bad" ] || return 1
	y_lines_beside ckpt.latest t.over >"$a/t.next" || return 1
	while IFS=$tab read -r y_code y_size y_mtime _; do
		printf '%s\t%s\t%s\t.kept\n' "$y_code" "$y_size" "$y_mtime"
	done <"$a/t.over" >>"$a/t.next"
	mv -f "$a/t.next" "$a/ckpt.next" && y_put_latest
}

keep_lane() { # LANE; fd 0: the list
	y_n=0
	while IFS=$tab read -r y_code _; do
		y_n=$((y_n + 1))
		[ $((y_n % 4)) = "$1" ] && y_decode "$y_code" || continue
		y_said=$(y_s3 cp "$CKPT_DEST$y_path" "$CKPT_DEST.kept/$y_path" 2>&1) || {
			printf '%s\n' "$y_said"
			case $y_said in *'(404)'* | *NoSuchKey*) ;; *) : >"$a/t.bad" ;; esac # or it was removed
		}
	done
}

# Of a file that changes meanwhile nobody knows what S3 has: it is in no list then.
y_send() {
	y_lines_beside ckpt.up ckpt.todo >"$a/t.up" && mv -f "$a/t.up" "$a/ckpt.up" || return 1
	rm -rf "$a/ckpt.stage"
	y_at=.
	! y_by_urls || urls_next_place || return 1
	y_stage=$a/ckpt.stage/$y_at
	while IFS=$tab read -r y_code _; do
		y_decode "$y_code" || return 1
		case $y_path in */*) mkdir -p "$y_stage/${y_path%/*}" ;; *) mkdir -p "$y_stage" ;; esac &&
			ln -s "$y_dir/$y_path" "$y_stage/$y_path" || return 1
	done <"$a/ckpt.todo"
	printf '== checkpoint: %s -> %s\n' "$CKPT" "$CKPT_DEST"
	if y_by_urls; then urls_send; else y_s3 cp --recursive "$a/ckpt.stage" "$CKPT_DEST"; fi
	y_rc=$?
	rm -rf "$a/ckpt.stage"
	[ $y_rc = 0 ] && y_look >"$a/ckpt.now" || return 1
	y_common ckpt.todo ckpt.now >"$a/t.sent" || return 1
	! y_by_urls || urls_note_sent || return 1
	cat "$a/t.sent" "$a/ckpt.up" >"$a/t.up" &&
		mv -f "$a/t.up" "$a/ckpt.up"
}

y_put_latest() { # out of ckpt.next
	y_fence
	case $? in
	0) y_claim_latest ;;
	3)
		rm -f "$a/ckpt.next" # made for another one
		return 1
		;;
	*) return 1 ;;
	esac
}

y_claim_latest() {
	{
		echo "jobfs-checkpoint 1 $ID $ATTEMPT"
		cat "$a/ckpt.next"
	} >"$a/ckpt.out" && y_send_latest &&
		put_over ckpt.owner "$ID $ATTEMPT" && mv -f "$a/ckpt.next" "$a/ckpt.latest"
}

y_send_latest() {
	if y_by_urls; then urls_put_latest; else y_s3 cp "$a/ckpt.out" "${CKPT_DEST}LATEST"; fi
}

# 0: LATEST is what we know; 1: it is somebody else's, or S3 does not say; 3: it was not,
# but is known by now, and what the objects are is not.
y_fence() {
	y_known=''
	[ ! -f "$a/ckpt.owner" ] || read -r y_known <"$a/ckpt.owner"
	y_get_latest || return 1
	case $y_owner in
	"$y_known" | "$ID $ATTEMPT") return 0 ;;
	'') ;; # somebody removed it
	"$ID "*[!0-9]*) return 1 ;;
	"$ID "*) [ "${y_owner#* }" -lt "$ATTEMPT" ] || y_owner=other ;;
	*) y_owner=other ;;
	esac
	if [ "$y_owner" = other ]; then
		: >"$a/ckpt.fenced"
		echo "jobfs: checkpoint failed: ${CKPT_DEST}LATEST was written by another attempt or job; this one makes no more"
		return 1
	fi
	: >"$a/ckpt.up"
	y_adopt && return 3
	return 1
}

y_adopt() {
	tail -n +2 "$a/t.latest" >"$a/t.list" && put_over ckpt.owner "$y_owner" &&
		mv -f "$a/t.list" "$a/ckpt.latest"
}

y_get_latest() { # t.latest, empty when there is none; y_owner
	y_owner=''
	if y_by_urls; then
		urls_get_latest || {
			echo "jobfs: checkpoint failed: ${CKPT_DEST}LATEST cannot be read"
			return 1
		}
		[ -s "$a/t.latest" ] || return 0
	elif ! y_said=$(y_s3 cp "${CKPT_DEST}LATEST" "$a/t.latest" 2>&1); then
		: >"$a/t.latest"
		case $y_said in *'(404)'* | *NoSuchKey*) return 0 ;; esac
		printf '%s\njobfs: checkpoint failed: %sLATEST cannot be read\n' "$y_said" "$CKPT_DEST"
		return 1
	fi
	read -r y_word y_version y_owner <"$a/t.latest"
	[ "$y_word $y_version" = 'jobfs-checkpoint 1' ] || {
		printf 'jobfs: checkpoint failed: %sLATEST is no list of a checkpoint\n' "$CKPT_DEST"
		return 1
	}
}

# ---- download

ckpt_fetch() { # ckpt.in says that it went well
	exec 4<&- >>"$a/tlog" 2>&1
	y_get_latest && y_adopt || return
	if [ -s "$a/ckpt.latest" ]; then
		cp "$a/ckpt.latest" "$a/ckpt.next" && y_claim_latest || return
	fi
	if [ -n "$CKPT_RESUME" ] && [ -s "$a/ckpt.latest" ]; then
		printf '== checkpoint: %s -> %s\n' "$CKPT_DEST" "$CKPT"
		fetch_files && y_know && put_over resumed 1 || return
	fi
	put_over ckpt.in ok
}

fetch_files() {
	umask 022
	y_dir=$a/work/$CKPT
	if y_by_urls; then
		urls_fetch || return 1
	else
		for y_lane in 0 1 2 3; do fetch_lane $y_lane <"$a/ckpt.latest" & done
		wait
	fi
	[ -z "$IMAGE" ] || find "$y_dir" -type d -exec chmod 777 {} +
	umask 077
	! is_stopped download || return 1
	while IFS=$tab read -r y_code y_size _; do
		if ! y_decode "$y_code"; then
			printf 'jobfs: checkpoint failed: %sLATEST names %s, which leads outside\n' "$CKPT_DEST" "$y_code"
			return 1
		fi
		y_have=none
		[ ! -f "$y_dir/$y_path" ] || y_have=$(stat -c '%s bytes' "$y_dir/$y_path")
		[ "$y_have" = "$y_size bytes" ] || {
			printf 'jobfs: checkpoint failed: %sLATEST names %s with %s bytes; found %s\n' \
				"$CKPT_DEST" "$y_code" "$y_size" "$y_have"
			return 1
		}
	done <"$a/ckpt.latest"
}

fetch_lane() { # LANE; fd 0: the list
	y_n=0
	while IFS=$tab read -r y_code _ _ y_place; do
		y_n=$((y_n + 1))
		[ $((y_n % 4)) = "$1" ] && y_decode "$y_code" && y_below "$y_place" && ! is_stopped download || continue
		case $y_path in */*) mkdir -p "$y_dir/${y_path%/*}" ;; esac
		s3 cp "$CKPT_DEST$y_under$y_path" "$y_dir/$y_path"
	done
}

y_know() { # what came is in S3, but for what was kept, where something else is in its place
	y_look >"$a/ckpt.now" || return
	if y_by_urls; then # each place has what LATEST says
		cp "$a/ckpt.latest" "$a/ckpt.at" && cp "$a/ckpt.latest" "$a/t.there" || return
	else
		grep "$tab\\.\$" "$a/ckpt.latest" >"$a/t.there"
	fi
	y_lines_of ckpt.now t.there >"$a/ckpt.up"
}

# ---- transfers by presigned URLs -------------------------------------------------------
#
# Here no process has credentials. The runner writes down what it wants and sleeps; the
# daemon reads that in a poll, signs, and sends a batch of URLs, with which a worker moves
# the data and writes down how that went. Each side may die or be away at any time:
#
#   want      "KIND N FROM"   the runner's; N counts up for ever, FROM is how many objects
#                             of the whole transfer are there already
#   took.N    "WORD NEXT"     the worker's, once: what became of batch N
#
# A want without a took and without a living worker is sent for again, with fresh URLs. What
# has arrived is known by files alone, so the next worker goes on where the last one stopped.
# URLs pass through a pipe, a variable and the input of curl, never through an argument or
# a file.
#
# A batch is sh text: urls_vars, and urls_list with a line for each object, in words that
# are defined anew for each pass over it. Names in it hold no backslash, quote or control
# character, since they go through echo and into curl's configuration; objects with such a
# name, and those that come in ranges, are fetched under a number and moved.
#
#   get I SIZE TAG STAGE URL          whole object, below in/; TAG: its ETag, or -
#   range I STAGE TAG FIRST-LAST URL  a piece of STAGE.part; TAG: its ETag, or -
#   big I SIZE STAGE TAG N            STAGE is made of N ranges
#   move STAGE NAME                   once all is there
#
# A STAGE kept/I/DIGEST is for the cache: only an object that has the TAG may come there.
#
#   put N SIZE PATH URL               whole file below the output directory
#   part N LEN FIRST PATH URL         a part of one; when PATH cannot be written so:
#   name N PATH                       the file of put or part N is ../names/N
#   begun ID PATH                     the upload that the parts of PATH belong to

U_WORDS='get range big move put part name begun'

await() { # download | upload: until it is done; fails when it cannot be
	w_n=0 w_from=0 w_bad=0 w_rc=1
	[ ! -f "$a/want" ] || read -r _ w_n _ <"$a/want"
	rm -rf "$a/poke" "$a/wrong" "$a/sent" "$a/up"
	mkfifo "$a/poke" && exec 5<>"$a/poke" || return 1
	while [ $w_bad -lt 3 ]; do
		w_n=$((w_n + 1))
		put_over want "$1 $w_n $w_from" || break
		until [ -f "$a/took.$w_n" ]; do
			! is_stopped "$1" || break 2
			read -r _ <&5
		done
		read -r w_word w_next <"$a/took.$w_n"
		case $w_word in
		all) w_rc=0 && break ;;
		more) w_from=$w_next w_bad=0 ;;
		some) w_bad=0 ;;
		wrong) break ;;
		*) w_bad=$((w_bad + 1)) ;;
		esac
	done
	put_over want "none $w_n 0"
	exec 5<&-
	rm -f "$a/poke"
	return $w_rc
}

is_stopped() { # download | upload: by a cancel or a limit
	[ -f "$a/exit" ] || [ ! -f "$a/cancel" ] || return 0
	w_word=''
	[ ! -f "$a/timeout" ] || read -r w_word <"$a/timeout"
	[ "$w_word" = "$1" ]
}

poke() { # wakes who awaits; a FIFO opened both ways lets nobody wait
	[ ! -p "$a/poke" ] || (exec 5<>"$a/poke" && echo x >&5) 2>/dev/null
}

load_want() { # w_kind w_n w_from; fails when nothing is wanted
	w_kind=none w_n=0 w_from=0
	[ -f "$a/want" ] && read -r w_kind w_n w_from <"$a/want"
	[ "$w_kind" != none ] && [ ! -f "$a/took.$w_n" ]
}

print_want() { # of an attempt that lives: what the daemon shall send
	load_want && ! turn_lives fetch || return 0
	echo "want $w_kind $w_n $w_from"
}

cmd_urls() { # N SIZE
	get_boot
	if ! load_want || [ "$w_n" != "$1" ] || turn_lives fetch; then
		head -c "$2" >/dev/null # nobody needs them; the sender must not block
		reply OK
	fi
	detach _urls "$1 $2"
	case $r_said in started) reply OK ;; esac
	reply ESTREAM "the URLs came cut short"
}

# ---- the worker ------------------------------------------------------------------------

cmd__urls() { # N SIZE; fd 0: the batch
	# shellcheck disable=SC3045  # each sh has it
	ulimit -c 0
	u_batch=$(
		head -c "$2"
		echo .
	)
	exec </dev/null
	[ ${#u_batch} -eq $(($2 + 1)) ] || exit 0
	get_boot
	if turn_lives fetch || ! take_turn fetch "$1"; then exit; fi
	load_want && [ "$w_n" = "$1" ] || exit
	load_plan
	eval "${u_batch%.}" && urls_vars || exit
	u_batch=''
	say started
	exec >>"$a/tlog" 2>&1
	export JOBFS_XFER="$att"
	"fetch_$w_kind"
	put_once "took.$w_n" "$u_took $U_NEXT"
	poke
}

words() { # all words do nothing, but for those that are defined afterwards
	for u_word in $U_WORDS; do eval "$u_word() { :; }"; done
}

count() { wc -l | tr -d ' '; }

# Tries until nothing is missing; u_took is how it ends.
fetch_rounds() { # KIND
	u_try=0 u_first=''
	while :; do
		u_left=$("check_$1" | count)
		: "${u_first:=$u_left}"
		[ "$u_left" -gt 0 ] && [ $u_try -lt 5 ] && ! is_stopped "$1" && ! is_hopeless || break
		[ $u_try -lt 2 ] || nap $((u_try - 1))
		u_try=$((u_try + 1))
		"round_$1" 2>&1 | quiet
	done
	if [ "$u_left" -gt 0 ]; then
		u_took='none'
		[ "$u_left" = "$u_first" ] || u_took='some'
		! is_hopeless || u_took='wrong'
		echo "jobfs: $u_left objects are missing after $u_try tries"
	elif [ -n "$U_NEXT" ]; then
		u_took='more'
	else
		u_took='all'
	fi
}

# What curl says, without repetition, and never a URL.
quiet() { grep -v X-Amz- | sort | uniq -c | sort -rn | head -n 20; }

curl_says() { # ARG…; its configuration comes on fd 0
	curl -q -sS -g -f --path-as-is --connect-timeout 20 -y 60 -Y 1 --config - "$@"
}

# Of many small ones by one process.
curl_many() {
	curl_says --no-progress-meter -Z --parallel-immediate --parallel-max 16 "$@"
}

# Pieces of large ones: each lane takes its share of the list.
lanes() { # FUNCTION, which gets the number of a lane
	u_lane=0
	while [ $u_lane -lt "$U_LANES" ]; do
		"$1" $u_lane &
		u_lane=$((u_lane + 1))
	done
	wait
}

is_ours() { # LANE: of the pieces, in turn
	u_piece=$((u_piece + 1))
	[ $((u_piece % U_LANES)) = "$1" ]
}

# ---- download: everything goes to in/I, which is moved when it is whole ----------------

fetch_download() {
	umask 022
	mkdir -p "$a/in/odd" "$a/in/big" && cd "$a/in" || exit
	d_i=0
	input() {
		[ -f "$a/xfer.$d_i" ] || printf '== %s: %s -> %s\n' "$1" "$3" "$4"
		is_there $d_i || put_over "xfer.$d_i" run
		d_i=$((d_i + 1))
	}
	plan_inputs
	fetch_rounds download
	case $u_took in
	all)
		[ ! -d "$a/in/kept" ] || keep_inputs
		move_staged
		place_inputs || u_took='none'
		;;
	more)
		move_staged
		[ ! -s t.moved ] || u_took='none'
		;;
	none | some | wrong)
		d_i=0 d_missing=$nl$(check_download)
		input() {
			case $d_missing in
			*"$nl$d_i/"* | *"$nl"odd/$d_i.* | *"$nl"big/$d_i.* | *"$nl"kept/$d_i/*) put_over "xfer.$d_i" "fail 22 0" ;;
			esac
			d_i=$((d_i + 1))
		}
		plan_inputs
		;;
	esac
}

# Prints what is missing. What is there but not right is removed, so that in the rounds a
# file that exists is a good one.
check_download() {
	lanes lane_join
	words
	get() { echo "$2 $4"; }
	big() { echo "$2 $3"; }
	urls_list | sort >t.want
	cut -d ' ' -f 2- t.want | tr '\n' '\0' | xargs -0 stat -c '%s %n' 2>/dev/null | sort >t.have
	comm -13 t.want t.have | cut -d ' ' -f 2- | tr '\n' '\0' | xargs -0 rm -f
	comm -12 t.want t.have | cut -d ' ' -f 2- >t.good
	d_sums
	comm -23 t.want t.have | cut -d ' ' -f 2-
	[ ! -s t.bad ] || cat t.bad
}

# Objects all of whose ranges have come are whole, unless their bytes are not right: then
# all of them are fetched again.
lane_join() { # LANE
	d_lane=$1 u_piece=-1
	words
	big() {
		is_ours "$d_lane" && [ -f "$3.part" ] || return 0
		d_stage=$3 d_size=$2 d_tag=$4 d_n=$5
		set -- "$d_stage.$d_tag".*-*
		[ $# -eq "$d_n" ] && [ -f "$1" ] || return 0
		if big_is_right; then mv -f "$d_stage.part" "$d_stage"; else rm -f "$d_stage.part"; fi
		rm -f "$@"
	}
	urls_list
}

big_is_right() { # d_stage d_size d_tag
	[ "$VERIFY" = all ] && ! is_kms "$d_stage.head" || return 0
	is_right "$d_stage.part" "$d_size" "$d_tag"
	case $? in 0) return ;; 2) ! came_twice "$d_stage.part" "$d_stage.seen" || return 0 ;; esac
	note_wrong "$d_stage" >&2
	return 1
}

# Prints into t.bad what is wrong among the small ones, and removes it.
d_sums() {
	: >t.bad
	[ "$VERIFY" != none ] || return 0
	words
	get() {
		is_md5 "$3" && [ -f "$4" ] && ! is_kms "head/$4" || return 0
		echo "$3  $4"
	}
	urls_list >t.md5
	[ -s t.md5 ] || return 0
	md5sum -c t.md5 2>/dev/null | grep -v ': OK$' | while IFS= read -r d_line; do
		d_name=${d_line%: *}
		note_wrong "$d_name" >&2
		rm -f "$d_name"
		echo "$d_name" >>t.bad
	done
}

round_download() {
	words
	get() { is_kept "$4" || [ -f "$4" ] || was_wrong "$4" || echo "url = \"$5\"${nl}output = \"$4\""; }
	if urls_list | grep -q .; then
		urls_list | curl_many --create-dirs &
	fi
	get() {
		is_kept "$4" && [ ! -f "$4" ] && ! was_wrong "$4" || return 0
		echo "$d_more"
		d_more=$U_NEXT_ONE
		echo "url = \"$5\"${nl}output = \"$4\"${nl}header = If-Match:\"$3\""
	}
	d_more=''
	if urls_list | grep -q .; then
		d_more=''
		urls_list | curl_many --create-dirs &
	fi
	[ ! -f "$a/wrong" ] || fetch_wrong &
	lanes lane_download
}

is_kept() { case $1 in kept/*) ;; *) return 1 ;; esac; } # STAGE

# A header is for all that is asked for so far: each object with one begins anew.
U_NEXT_ONE="next${nl}silent${nl}show-error${nl}globoff${nl}fail${nl}path-as-is${nl}create-dirs
connect-timeout = 20${nl}speed-time = 60${nl}speed-limit = 1"

was_wrong() { [ -f "$a/wrong" ] && grep -qxF -- "$1" "$a/wrong"; }

# One by one, with what S3 says of them.
fetch_wrong() {
	words
	get() {
		[ ! -f "$4" ] && was_wrong "$4" && mkdir -p "head/${4%/*}" || return 0
		d_if=''
		! is_kept "$4" || d_if="If-Match: \"$3\""
		echo "url = \"$5\"" | curl_says -H "$d_if" --create-dirs -D "head/$4" -o "$4"
	}
	urls_list
}

lane_download() { # LANE
	d_lane=$1 u_piece=-1
	words
	range() {
		is_ours "$d_lane" && [ ! -f "$2" ] && [ ! -f "$2.$3.$4" ] || return 0
		fetch_range "$@"
	}
	urls_list
}

# The offset of an open file is shared by all who hold it: dd sets it, curl writes there.
fetch_range() { # I STAGE TAG FIRST-LAST URL
	[ -d "${2%/*}" ] || mkdir -p "${2%/*}"
	exec 9<>"$2.part" || return 0
	dd bs=1 count=0 seek="${4%-*}" conv=notrunc if=/dev/null >&9 2>/dev/null
	d_if=''
	[ "$3" = - ] || d_if="If-Match: \"$3\""
	d_said=$(echo "url = \"$5\"" | curl_says -r "$4" -H "$d_if" -D "$2.head" \
		-w '%{stderr}%{http_code}' 2>&1 >&9)
	d_rc=$?
	exec 9>&-
	# 200 would be the whole object, written where this range should be
	case $d_rc:$d_said in 0:206) : >"$2.$3.$4" ;; *) echo "$d_said" ;; esac
}

move_staged() { # what came under another name than its own
	words
	move() {
		[ -d "${2%/*}" ] || mkdir -p "${2%/*}"
		case $1 in
		kept/*) printf '%s\0%s\0' "$1" "$2" ;;
		*) mv -f "$1" "$2" || echo fail >>t.moved ;;
		esac
	}
	: >t.moved
	urls_list >t.pairs
	link_pairs t.pairs || echo fail >>t.moved
}

place_inputs() {
	d_i=0 d_ok=1
	input() {
		if is_there $d_i; then
			:
		elif [ ! -s t.moved ] && place "$2" "$a/work/$4"; then
			chmod -R go+rX "$a/work/$4"
			put_over "xfer.$d_i" "ok $(kb "$a/work/$4")"
		else
			echo "jobfs: $1: cannot be put to $4"
			put_over "xfer.$d_i" "fail 1 0"
			d_ok=''
		fi
		d_i=$((d_i + 1))
	}
	plan_inputs
	cd "$a" || exit
	rm -rf "$a/in"
	[ -n "$d_ok" ]
}

keep_inputs() {
	k_dir=$a/in/kept
	with_lock cache_insert 2>>"$a/err"
}

place() { # KIND TO: the object, or the directory of a prefix
	mkdir -p "${2%/*}" || return 1
	if [ "$1" = object ]; then
		mv -f "$d_i/o" "$2"
	elif [ ! -e "$2" ]; then
		mv -f "$d_i" "$2"
	else # another input lies in it, or was there first
		for d_one in "$d_i"/* "$d_i"/.[!.]* "$d_i"/..?*; do
			[ ! -e "$d_one" ] || mv -f "$d_one" "$2/" || return 1
		done
	fi
}

fetched_kb() { # I: of an input that is on its way
	set -- "$a/in/$1" "$a/in/odd/$1".* "$a/in/big/$1".* "$a/in/kept/$1"
	x_sum=0
	for x_n in $(du -sk "$@" 2>/dev/null | cut -f 1); do x_sum=$((x_sum + x_n)); done
	echo $x_sum
}

# ---- upload: up/N, the size, says that put or part N has arrived, up/r.N what S3 said -

fetch_upload() {
	put_over xfer.out run
	rm -rf "$a/out" "$a/names"
	[ "$w_from" != 0 ] || [ -f "$a/up/of.$w_n" ] || printf '== output: %s -> %s\n' "$OUTPUT" "$DEST"
	mkdir -p "$a/up" "$a/names" && ln -s "$a/work/${OUTPUT%/}" "$a/out" && cd "$a/up" || exit
	u_sent=$(sent_kb)
	echo "$u_sent" >../sent
	rm -f ./*
	words
	# shellcheck disable=SC2317
	name() { ln -s "$a/out/$2" "../names/$1"; }
	# shellcheck disable=SC2317
	begun() { printf '%s %s\0' "$1" "$2" >>"$a/begun"; }
	urls_list
	fetch_rounds upload
	case $u_took in
	all) put_over xfer.out "ok 0" ;;
	none | some | wrong) put_over xfer.out "fail 22 0" ;;
	esac
}

check_upload() {
	words
	put() { [ -f "$1" ] || echo "$1"; }
	part() { [ -f "$1" ] || echo "$1"; }
	urls_list
}

file_of() { # N PATH: $u_file
	u_file=../out/$2
	[ ! -L "../names/$1" ] || u_file=../names/$1
}

round_upload() {
	words
	put() {
		[ ! -f "$1" ] || return 0
		file_of "$1" "$3"
		echo "upload-file = \"$u_file\"${nl}url = \"$4\"${nl}output = \"r.$1\""
	}
	if urls_list | grep -q .; then
		{ urls_list | curl_many -i -H Expect:; judge_puts; } &
	fi
	lanes lane_upload
}

# S3 has a file when the status is 200 and the ETag its MD5, if it is one.
judge_puts() {
	words
	put() { [ -f "$1" ] || [ ! -f "r.$1" ] || echo "r.$1"; }
	urls_list | tr '\n' '\0' | xargs -0 grep -EHi \
		'^(HTTP/[0-9.]+ |etag:|x-amz-server-side-encryption: *aws:kms)' | tr -d '\r"' >t.said
	: >t.n
	exec 8<t.said
	read -r j_line <&8
	put() {
		[ ! -f "$1" ] || return 0
		read_said "$1"
		[ -n "$j_ok" ] || return 0
		if [ "$VERIFY" = none ] || [ -n "$j_kms" ] || ! is_md5 "$j_tag"; then
			echo "$2" >"$1"
		else
			file_of "$1" "$3"
			echo "$j_tag  $u_file"
			echo "$1 $2" >>t.n
		fi
	}
	urls_list >t.md5
	exec 8<&-
	[ ! -s t.md5 ] || md5sum -c t.md5 2>/dev/null | while IFS= read -r j_line; do
		read -r j_n j_size <&8
		case $j_line in *': OK') echo "$j_size" >"$j_n" ;; *) note_wrong "${j_line%: *}" ;; esac
	done 8<t.n
}

read_said() { # N: j_ok j_tag j_kms; from fd 8, j_line being the next line
	j_ok='' j_tag='' j_kms=''
	while :; do
		case $j_line in
		"r.$1:HTTP/"*' 200'*) j_ok=1 ;;
		"r.$1:HTTP/"*) j_ok='' ;;
		"r.$1:"[Ee]*) j_tag=${j_line##* } ;;
		"r.$1:"*) j_kms=1 ;;
		*) return ;;
		esac
		read -r j_line <&8 || j_line=''
	done
}

lane_upload() { # LANE
	o_lane=$1 u_piece=-1
	words
	part() {
		is_ours "$o_lane" && [ ! -f "$1" ] || return 0
		upload_part "$@"
	}
	urls_list
}

# curl would send a stream in chunks, which S3 does not take: its length is known.
upload_part() { # N LEN FIRST PATH URL
	file_of "$1" "$4"
	[ "$VERIFY" != all ] || piece "$2" "$3" | md5sum >"t.sum.$1" &
	piece "$2" "$3" | (
		echo "url = \"$5\"" | curl_says -T /proc/self/fd/3 -H Expect: \
			-H Transfer-Encoding: -H "Content-Length: $2" -D "r.$1" -o /dev/null 3<&3
	) 3<&0 || return 0
	wait $!
	if part_is_right "$1"; then echo "$2" >"$1"; else note_wrong "part $1 of $4"; fi
}

piece() { # LEN FIRST
	dd if="$u_file" bs=1M iflag=skip_bytes,count_bytes,fullblock skip="$2" count="$1" 2>/dev/null
}

part_is_right() { # N
	[ "$VERIFY" = all ] && ! is_kms "r.$1" || return 0
	o_tag=$(grep -i '^etag:' "r.$1" | tr -d '\r"')
	o_tag=${o_tag##* }
	is_md5 "$o_tag" || return 0
	read -r o_sum _ <"t.sum.$1"
	[ "$o_sum" = "$o_tag" ]
}

# What earlier batches sent, what has arrived of this one, and what curl has read so far.
# As long as it is about small files, it counts them when they are judged.
sent_kb() {
	x_sum=0
	[ ! -f "$a/sent" ] || read -r x_sum <"$a/sent"
	m=''
	marked "JOBFS_XFER=$att"
	for x_n in $(cat "$a"/up/[0-9]* 2>/dev/null); do
		x_sum=$((x_sum + (x_n + 1023) / 1024))
	done
	for x_n in $m; do
		x_word=''
		read -r x_word <"/proc/${x_n%:*}/comm"
		[ "$x_word" = curl ] || continue
		while read -r x_word x_n; do
			[ "$x_word" != rchar: ] || x_sum=$((x_sum + x_n / 1024))
		done <"/proc/${x_n%:*}/io"
	done 2>/dev/null
	echo "$x_sum"
}

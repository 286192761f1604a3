# ---- upload: up/N, the size, says that part N has arrived ------------------------------
#
# up/puts lists the N of the whole files that have, sorted; up/puts.kb is the sum of their
# sizes. up/r.N is what S3 said. Files are many, so that no process is started for each.

fetch_upload() {
	put_over xfer.out run
	[ "$w_from" != 0 ] || [ -f "$a/up/of.$w_n" ] || printf '== output: %s -> %s\n' "$OUTPUT" "$DEST"
	send_from "$a/work/${OUTPUT%/}"
	fetch_rounds upload
	case $u_took in
	all) put_over xfer.out "ok 0" ;;
	none | some | wrong) put_over xfer.out "fail 22 0" ;;
	esac
}

send_from() { # DIRECTORY
	rm -rf "$a/out" "$a/names"
	mkdir -p "$a/up" "$a/names" && ln -s "$1" "$a/out" && cd "$a/up" || exit
	u_sent=$(sent_kb)
	echo "$u_sent" >../sent
	rm -f ./*
	: >puts
	words
	# shellcheck disable=SC2317
	name() { ln -s "$a/out/$2" "../names/$1"; }
	# shellcheck disable=SC2317
	begun() { printf '%s %s\0' "$1" "$2" >>"$a/begun"; }
	urls_list
}

check_upload() {
	words
	put() { echo "$1"; }
	urls_list | sort | comm -23 - puts
	words
	part() { [ -f "$1" ] || echo "$1"; }
	[ "$U_LANES" = 0 ] || urls_list
}

file_of() { # N PATH: $u_file
	u_file=../out/$2
	[ ! -L "../names/$1" ] || u_file=../names/$1
}

round_upload() {
	words
	put() { echo "$1"; }
	urls_list | sort | comm -23 - puts >t.left
	# the first time it is all of them
	if [ -s puts ]; then o_left=$nl$(cat t.left)$nl; else o_left=''; fi
	rm -f r.*
	[ ! -s t.left ] || send_puts &
	lanes lane_upload
}

is_left() { # N: in o_left, which is empty when all are
	[ -n "$o_left" ] || return 0
	case $o_left in *"$nl$1$nl"*) ;; *) return 1 ;; esac
}

send_puts() {
	: >t.sum
	[ "$VERIFY" = none ] || sum_puts &
	words
	put() {
		is_left "$1" || return 0
		file_of "$1" "$3"
		echo "upload-file = \"$u_file\"${nl}url = \"$4\"${nl}output = \"r.$1\""
	}
	# a proxy's own headers would be taken for those of S3
	urls_list | curl_many -i --suppress-connect-headers -H Expect: \
		-w '%{http_code} %{filename_effective}\n' >t.said
	wait
	judge_puts
}

# "N MD5", sorted, while they are sent.
sum_puts() {
	words
	put() { ! is_left "$1" || echo "$1"; }
	urls_list >t.n
	put() {
		is_left "$1" || return 0
		file_of "$1" "$3"
		echo "$u_file"
	}
	urls_list | tr '\n' '\0' | xargs -0 md5sum 2>/dev/null | cut -d ' ' -f 1 >t.md5
	if [ "$(count <t.n)" = "$(count <t.md5)" ]; then
		paste -d ' ' t.n t.md5
	else # one that cannot be read has no line
		put() {
			is_left "$1" && file_of "$1" "$3" && [ -r "$u_file" ] || return 0
			sum_of "$u_file"
			echo "$1 $v_sum"
		}
		urls_list
	fi | sort >t.sum
}

# S3 has a file when the status is 200 and the ETag its MD5, if it is one.
judge_puts() {
	sed -n 's/^200 r\.//p' t.said | sort >t.ok
	: >t.tag
	: >t.kms
	if [ "$VERIFY" != none ]; then
		sed 's/^/r./' t.ok | tr '\n' '\0' | xargs -0 grep -EHi \
			'^(etag:|x-amz-server-side-encryption: *aws:kms)' /dev/null | tr -d '\r"' >t.heads
		sed -n 's/^r\.\([0-9]*\):[Xx].*/\1/p' t.heads | sort >t.kms
		sed -n 's/^r\.\([0-9]*\):[Ee][^:]*: *\([0-9a-f]\{32\}\)$/\1 \2/p' t.heads | sort >t.tag
	fi
	comm -23 t.tag t.sum | cut -d ' ' -f 1 | comm -23 - t.kms >t.bad
	comm -23 t.ok t.bad | sort - puts >t.puts
	mv -f t.puts puts
	note_sent
	[ ! -s t.bad ] || note_bad
}

note_sent() {
	o_left=$nl$(cat puts)$nl x_sum=0
	comm -23 t.left puts | grep -q . || o_left='' # all of them
	put() { ! is_left "$1" || echo "$2"; }
	for x_n in $(urls_list); do x_sum=$((x_sum + (x_n + 1023) / 1024)); done
	echo "$x_sum" >puts.kb
}

note_bad() {
	o_left=$nl$(cat t.bad)$nl
	put() {
		is_left "$1" || return 0
		file_of "$1" "$3"
		note_wrong "$u_file"
	}
	urls_list
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
	x_n=0
	[ ! -f "$a/up/puts.kb" ] || read -r x_n <"$a/up/puts.kb"
	x_sum=$((x_sum + x_n)) m=''
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

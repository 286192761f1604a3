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

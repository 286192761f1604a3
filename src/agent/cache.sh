# ---- the cache of inputs ---------------------------------------------------------------
#
# cache/<digest> is an object that a job has fetched, a hard link to the job's input; the
# digest, which the daemon makes, is of its endpoint, bucket, key, ETag and size. Beside it
# is ok/<digest>, "DIGEST SIZE MTIME BOOT": an object whose size or time is another one was
# written to, and is dropped. BOOT is - once its bytes are on the disk: what a power cut may
# have cost us is not believed. The time of that file is when the object was used last.
#
# for.<ATT> lists what an attempt fetches; it counts as long as its runner lives and is in
# its download, so that nothing is to be done when one dies. Whoever wants one of these
# waits, and holds nothing meanwhile. All looking, linking and dropping is done under one
# flock; no transfer holds it. There may be 100,000 objects, and a shell reads a byte at a
# time: what can be is done by commands that take many objects at once.
#
# What an attempt gets or gives is in $k_dir/I/<digest>. `index` of the attempt says
# "I SIZE TAG DIGEST NAME" of each object of the inputs that may be cached, apart by tabs.

K=$base/cache

with_lock() { # COMMAND…: fails when it does, and after a cancel when it is held for long
	while :; do
		(
			flock -n 5 5>&5 || exit 99
			"$@"
		) 5>>"$K/lock"
		k_rc=$?
		[ $k_rc = 99 ] && ! is_stopped download || return $k_rc
		nap 0.05
	done
}

# Before the transfers: links what is there, waits for what others fetch, and says what is
# left to fetch. Fails after a cancel or a limit.
cache_begin() {
	[ -s "$a/index" ] || return 0
	k_dir=$a/kept
	[ "$ENGINE" != presigned ] || k_dir=$a/in/kept
	k_nap=0.1 k_told=''
	while
		! is_stopped download || return 1
		: >"$a/t.busy"
		if ! command -v flock >/dev/null || ! mkdir -p "$K/ok" || ! with_lock cache_look; then
			! is_stopped download || return 1
			echo "jobfs: the cache cannot be used: no flock(1), or no room" >>"$a/tlog"
			rm -f "$a/index"
			return 0
		fi 2>>"$a/err"
		[ -s "$a/t.busy" ]
	do
		[ -n "$k_told" ] || echo "jobfs: waits for objects that another job fetches" >>"$a/tlog"
		k_told=1
		nap $k_nap
		case $k_nap in 0.1) k_nap=0.3 ;; *) k_nap=1 ;; esac
	done
	cache_place
}

cache_look() {
	cd "$K" || return 1
	left_objects | cut -d / -f 2 | sort -u >"$a/t.want" || return 1
	note_valid
	cut -f 1 "$a/index" | uniq | while read -r k_i; do take_input "$k_i"; done
	comm -23 "$a/t.want" "$a/t.valid" >"$a/t.miss"
	others_fetch | sort | comm -12 - "$a/t.miss" >"$a/t.busy"
	[ ! -s "$a/t.busy" ] || return 0
	rm -f "for.$att"
	[ -s "$a/t.miss" ] || return 0
	mv -f "$a/t.miss" "for.$att" || return 1
	room_for_inputs
}

left_objects() { # "I/DIGEST" of those of the index that are not in $k_dir
	(cd "$k_dir" 2>/dev/null && find . -type f) | cut -c 3- | sort >"$a/t.staged"
	cut -f 1,4 "$a/index" | tr "$tab" / | sort | comm -23 - "$a/t.staged"
}

# Into t.valid what of t.want is there as it was put there.
note_valid() {
	: >"$a/t.valid"
	[ -s "$a/t.want" ] || return 0
	(cd ok && xargs cat <"$a/t.want") 2>/dev/null | grep -e ' -$' -e " $boot\$" |
		cut -d ' ' -f 1-3 | sort >"$a/t.noted"
	xargs stat -c '%n %s %Y' <"$a/t.want" 2>/dev/null | sort | comm -12 "$a/t.noted" - |
		cut -d ' ' -f 1 >"$a/t.valid"
	(cd ok && xargs ls -d <"$a/t.want") 2>/dev/null | comm -23 - "$a/t.valid" | while read -r k_d; do
		echo "jobfs: a cached object is not what it was, and is dropped" >>"$a/tlog"
		rm -f "$k_d" "ok/$k_d"
	done
}

take_input() { # I
	of_input "$1" | cut -f 4 | sort -u | comm -12 - "$a/t.valid" >"$a/t.take"
	[ -s "$a/t.take" ] && mkdir -p "$k_dir/$1" || return 0
	xargs chmod 444 <"$a/t.take"
	(cd ok && xargs touch -c <"$a/t.take")
	link_into "$k_dir/$1" <"$a/t.take" || while read -r k_d; do
		[ -f "$k_dir/$1/$k_d" ] || copy "$k_d" "$k_dir/$1/$k_d" || rm -f "$k_dir/$1/$k_d"
	done <"$a/t.take"
}

of_input() { grep "^$1$tab" "$a/index"; } # I

# shellcheck disable=SC2016  # for the other shell
link_into() { xargs $SH -c 'ln -f "$@" "$0/"' "$1" 2>/dev/null; } # DIR; fd 0: digests

copy() { cp --reflink=auto "$1" "$2" 2>/dev/null || cp -f "$1" "$2"; }

others_fetch() { # digests
	for k_f in for.*; do
		[ -f "$k_f" ] && [ "$k_f" != "for.$att" ] || continue
		if fetches "${k_f#for.}"; then cat "$k_f"; else rm -f "$k_f"; fi
	done
}

fetches() ( # ATT
	a=$base/jobs/$1 k_phase=''
	load_claim
	[ ! -f "$a/phase" ] || read -r k_phase <"$a/phase"
	runner_lives && [ "$k_phase" = download ]
)

# ---- from the cache to the job ---------------------------------------------------------

cache_place() {
	k_i=0
	input() {
		[ ! -d "$k_dir/$k_i" ] || (umask 022 && place_cached "$@")
		k_i=$((k_i + 1))
	}
	plan_inputs
}

# An input that is there whole needs no transfer. Of another one the AWS CLI finds what is
# there, and fetches the rest; presigned transfers find it in $k_dir.
place_cached() { # NAME KIND URI PATH
	of_input $k_i >"$a/t.all"
	cut -f 2,4 "$a/t.all" | {
		k_n=0 k_all=0 k_sum=0
		while read -r k_size k_d; do
			k_all=$((k_all + 1))
			[ -f "$k_dir/$k_i/$k_d" ] || continue
			kb_of "$k_size"
			k_n=$((k_n + 1)) k_sum=$((k_sum + n))
		done
		echo $k_n $k_all $k_sum
	} >"$a/t.count"
	read -r k_n k_all k_sum <"$a/t.count"
	if [ "$ENGINE" != presigned ] || [ "$k_n" = "$k_all" ]; then
		cut -f 4- "$a/t.all" | pairs_of "$a/work/$4" >"$a/t.pairs"
		link_pairs "$a/t.pairs" || return
	fi
	umask 077
	[ "$k_n" != "$k_all" ] || printf '== %s: %s -> %s\n' "$1" "$3" "$4" >>"$a/tlog"
	printf '%s: %d of %d objects, %s from the cache\n' "$1" "$k_n" "$k_all" "$(human "$k_sum")" >>"$a/tlog"
	put_over "hits.$k_i" "$k_n $k_sum"
	[ "$k_n" != "$k_all" ] || put_over "xfer.$k_i" "ok $(kb "$a/work/$4")"
}

pairs_of() { # TO; fd 0: "DIGEST NAME"
	while IFS=$tab read -r k_d k_name; do
		[ -f "$k_dir/$k_i/$k_d" ] || continue
		k_to=$1${k_name:+/$k_name}
		[ -d "${k_to%/*}" ] || mkdir -p "${k_to%/*}"
		printf '%s\0%s\0' "$k_dir/$k_i/$k_d" "$k_to"
	done
}

# Each FROM and TO ends with NUL. A perl, which most hosts have, does many in no time; where
# links cannot be made (too many of one file, another file system) it is a copy.
# shellcheck disable=SC2016  # for perl, and the other shell
link_pairs() { # FILE
	[ -s "$1" ] || return 0
	command -v perl >/dev/null && perl -e '$/ = "\0"; while (defined($from = <STDIN>)) {
		chomp($from, $to = <STDIN>); unlink $to; link $from, $to or exit 1 }' <"$1" && return
	xargs -0 -n 2 -P 4 ln -f <"$1" 2>/dev/null || xargs -0 -n 2 $SH -c \
		'[ "$0" -ef "$1" ] || cp --reflink=auto "$0" "$1" 2>/dev/null || cp -f "$0" "$1"' <"$1"
}

is_cached() { [ -s "$a/index" ] && grep -q "^$1$tab" "$a/index"; } # I

is_there() { # I: is the input in its place?
	k_word=''
	[ ! -f "$a/xfer.$1" ] || read -r k_word _ <"$a/xfer.$1"
	[ "$k_word" = ok ]
}

human() { # KB
	if [ "$1" -ge 1048576 ]; then
		k_x=$(($1 / 1024))
		k_x=$((k_x * 10 / 1024)) # in 32 bits, too
		echo "$((k_x / 10)).$((k_x % 10)) GiB"
	elif [ "$1" -ge 1024 ]; then
		k_x=$(($1 * 10 / 1024))
		echo "$((k_x / 10)).$((k_x % 10)) MiB"
	else
		echo "$1 KiB"
	fi
}

# ---- from the job to the cache ---------------------------------------------------------

# Of what the AWS CLI brought: it belongs to the ETags of the index if S3 still has these.
# Objects that changed meanwhile are nobody's fault; none of the input is kept then.
cache_gather() { # I URI PATH
	k_i=$1 k_path=$3
	if ! list_input "$1" "$2" again; then
		rm -f "$a/t.list.$1" "$a/t.said.$1"
		return
	fi
	sort "$a/t.list.$1" >"$a/t.now.$1"
	k_key=${2#s3://}
	k_key=${k_key#*/}
	gather_each print_listed | sort |
		comm -23 - "$a/t.now.$1" >"$a/t.odd.$1"
	gather_each print_file | sort >"$a/t.now.$1"
	cut -d ' ' -f 2- "$a/t.now.$1" | tr '\n' '\0' | xargs -0 stat -c '%s %n' 2>/dev/null | sort |
		comm -13 - "$a/t.now.$1" >>"$a/t.odd.$1"
	if [ ! -s "$a/t.odd.$1" ]; then
		mkdir -p "$a/kept/$1"
		gather_each print_pair >"$a/t.now.$1"
		link_pairs "$a/t.now.$1"
	fi
	rm -f "$a/t.list.$1" "$a/t.now.$1" "$a/t.odd.$1"
}

print_listed() { printf '"%s"\t%s\t%s\n' "$k_tag" "$k_size" "$k_key$k_name"; }
print_file() { printf '%s %s\n' "$k_size" "$k_to"; }
print_pair() { printf '%s\0%s\0' "$k_to" "$a/kept/$k_i/$k_d"; }

gather_each() { # FUNCTION, for each object of $k_i
	of_input "$k_i" | while IFS=$tab read -r _ k_size k_tag k_d k_name; do
		k_to=$k_path${k_name:+/$k_name}
		"$1"
	done
}

# All that is in $k_dir and not in the cache: its bytes are those of its digest.
cache_insert() {
	cd "$k_dir" || return 0
	find . -type f ! -name '*.*' | while IFS= read -r k_f; do
		# shellcheck disable=SC3013  # every sh has -ef
		[ "$k_f" -ef "$K/${k_f##*/}" ] || echo "$k_f"
	done >"$a/t.new"
	[ -s "$a/t.new" ] || return 0
	# what is written to has another time than one long ago
	minus "$(date +%s)" 100
	xargs chmod 444 <"$a/t.new" && xargs touch -d "@$n" <"$a/t.new" || return 1
	make_place
	xargs stat -c '%n %s %Y' <"$a/t.new" | {
		k_sum=0
		while read -r k_f k_size k_time; do
			kb_of "$k_size"
			[ $((k_sum + n)) -le "$CACHE_KB" ] || continue
			k_sum=$((k_sum + n))
			k_d=${k_f##*/}
			rm -f "$K/$k_d"
			echo "$k_d $k_size $k_time $boot" >"$K/ok/$k_d" && echo "$k_f"
		done
	} >"$a/t.ins"
	[ ! -s "$a/t.ins" ] || link_into "$K" <"$a/t.ins"
}

make_place() { # for what t.new lists
	k_sum=0
	for n in $(xargs du -k <"$a/t.new" | cut -f 1); do
		# one too many is not kept, and nothing goes for it
		[ $((k_sum + n)) -gt "$CACHE_KB" ] || k_sum=$((k_sum + n))
	done
	k_more=$(($(cache_size) + k_sum - CACHE_KB))
	[ $k_more -le 0 ] || (cd "$K" && evict $k_more 1000000)
}

cache_size() { # KB
	# shellcheck disable=SC2046
	set -- $(du -sk "$K" 2>/dev/null)
	echo "${1:-0}"
}

cache_gives() { # KB: what no job has too
	find "$K" -type f -links 1 -exec stat -c %b {} + | {
		k_sum=0
		while read -r k_blocks; do k_sum=$((k_sum + k_blocks / 2)); done
		echo $k_sum
	}
}

# The least recently used first. An object that a job has too gives no room on the disk.
evict() { # KB LINKS: of those with at most so many links
	# shellcheck disable=SC2011,SC2012  # they are digests
	ls -tr ok | xargs stat -c '%n %h %b' 2>/dev/null | {
		k_gone=0
		while [ $k_gone -lt "$1" ] && read -r k_d k_links k_blocks; do
			[ "$k_links" -le "$2" ] || continue
			rm -f "$k_d" "ok/$k_d"
			k_gone=$((k_gone + k_blocks / 2))
		done
	}
}

# The disk is the jobs' first: the cache leaves them what they will fetch, and a tenth.
room_for_inputs() {
	cd "$K" || return
	k_need=$ROOM_KB
	[ ! -s "$a/index" ] || k_need=$((k_need + $(need_kb)))
	# shellcheck disable=SC2046
	set -- $(df -Pk "$base" | tail -n 1)
	k_more=$((k_need + $2 / 10 - $4))
	[ $k_more -le 0 ] || evict $k_more 1
}

need_kb() { # of what is to be fetched
	left_objects >"$a/t.left"
	cut -f 1,2,4 "$a/index" | while read -r k_i k_size k_d; do echo "$k_i/$k_d $k_size"; done |
		sort | join - "$a/t.left" | {
		k_sum=0
		while read -r _ k_size; do
			kb_of "$k_size"
			k_sum=$((k_sum + n))
		done
		echo $k_sum
	}
}

cache_room() { # for a job that wants nothing of the cache
	[ ! -d "$K" ] || [ -s "$a/index" ] || with_lock room_for_inputs 2>>"$a/err"
}

cache_give() { # KB, to whoever finds no room on the disk
	[ -d "$K" ] && command -v flock >/dev/null || return 0
	(flock -n 5 5>&5 && cd "$K" && evict "$1" 1) 5>>"$K/lock"
} 2>/dev/null

cache_end() {
	[ -s "$a/index" ] || return 0
	[ "$ENGINE" = presigned ] || with_lock cache_insert 2>>"$a/err"
	rm -f "$K/for.$att"
	rm -rf "$a/kept"
	[ ! -s "$a/t.ins" ] || cache_sync </dev/null 3>&- 6<&- 7>&- 8>&- 9>&- &
}

# A power cut may leave a file of the right size without its bytes.
cache_sync() {
	cd "$K" || return
	# shellcheck disable=SC2046
	set -- $(while IFS= read -r k_f; do echo "${k_f##*/}"; done <"$a/t.ins")
	[ $# -gt 0 ] || return
	durable "$@"
	with_lock note_synced "$@"
	rm -f "$a/t.ins"
} 2>/dev/null

note_synced() { # DIGEST…
	for k_d do
		[ -f "ok/$k_d" ] && read -r k_line <"ok/$k_d" || continue
		case $k_line in *" $boot") echo "${k_line% *} -" >"ok/$k_d" ;; esac
	done
}

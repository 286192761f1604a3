# ---- download: everything goes to in/I, which is moved when it is whole ----------------

fetch_download() {
	umask 022
	d_new=''
	[ -d "$a/in" ] || d_new=1
	mkdir -p "$a/in/odd" "$a/in/big" && cd "$a/in" || exit
	: >t.came
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
	if [ -n "$d_new" ] && [ "$u_try" = 0 ]; then # nothing is there
		words
		get() { echo "$4"; }
		big() { echo "$3"; }
		urls_list
		return
	fi
	lanes lane_join
	words
	get() { echo "$2 $4"; }
	big() { echo "$2 $3"; }
	urls_list | sort >t.want
	cut -d ' ' -f 2- t.want | tr '\n' '\0' | xargs -0 stat -c '%s %n' 2>/dev/null | sort >t.have
	comm -13 t.want t.have | cut -d ' ' -f 2- | tr '\n' '\0' | xargs -0 rm -f
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
	urls_list | sort >t.md5
	# what was summed as it came need not be read again
	sort t.came | comm -23 t.md5 - >t.check
	[ -s t.check ] || return 0
	md5sum -c t.check 2>/dev/null | grep -v ': OK$' | while IFS= read -r d_line; do
		d_name=${d_line%: *}
		note_wrong "$d_name" >&2
		rm -f "$d_name"
		echo "$d_name" >>t.bad
	done
}

round_download() {
	words
	get() { is_kept "$4" || [ -f "$4" ] || was_wrong "$4" || echo "url = \"$5\"${nl}output = \"$4\""; }
	d_conf=$(urls_list)
	if [ "$VERIFY" = none ]; then fetch_listed; else fetch_summed; fi &
	get() {
		is_kept "$4" && [ ! -f "$4" ] && ! was_wrong "$4" || return 0
		echo "$d_more"
		d_more=$U_NEXT_ONE
		echo "url = \"$5\"${nl}output = \"$4\"${nl}header = If-Match:\"$3\""
	}
	d_more=''
	d_conf=$(urls_list)
	fetch_listed &
	[ ! -f "$a/wrong" ] || fetch_wrong &
	lanes lane_download
}

fetch_listed() { # CURL-ARG…; d_conf: what `get` printed
	[ -z "$d_conf" ] || echo "$d_conf" | curl_many --create-dirs "$@"
}

# Files are summed when some of them are there, an eighth or so: -N has written all of what
# curl tells. The quotes are for xargs.
fetch_summed() {
	d_some=$(($(echo "$d_conf" | count) / 16 + 1)) # two lines an object
	fetch_listed -N -w '"%{filename_effective}"\n' | xargs -r -n $d_some md5sum 2>/dev/null >t.came
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
		elif [ ! -s t.moved ] && chmod -R go+rX "$d_i" && d_kb=$(came_kb "$2") &&
			place "$2" "$a/work/$4"; then # and nothing in between
			put_over "xfer.$d_i" "ok $d_kb"
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

came_kb() { # KIND
	case $1 in object) kb "$d_i/o" ;; *) kb "$d_i" ;; esac
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

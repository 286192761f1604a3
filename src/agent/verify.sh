# ---- are the bytes those that S3 has? --------------------------------------------------
#
# An ETag is the MD5 of an object; of one that came in N parts, "HEX-N", it is the MD5 of
# the MD5s of its parts, and does not tell how long they were. Of what S3 encrypts with a
# key of KMS it is neither. VERIFY of the plan: `all`, `small` (only objects of less than
# 64 MiB: the others came by TLS, which lets no byte change on its way) or `none`.

# MiB that clients make parts of. Others are not guessed.
V_USUAL='5 8 10 15 16 20 25 32 50 64 100 128 256 512 1024'

is_kms() { # FILE of headers
	[ -f "$1" ] && grep -qi '^x-amz-server-side-encryption: *aws:kms' "$1"
}

is_md5() { # TAG
	case $1 in
	*[!0-9a-f]*) return 1 ;;
	????????????????????????????????) ;;
	*) return 1 ;;
	esac
}

sum_of() { # FILE: v_sum
	v_sum=$(md5sum <"$1")
	v_sum=${v_sum%% *}
}

# 0: the bytes are those of the ETag; 1: they are not; 2: it does not tell.
is_right() { # FILE SIZE TAG
	if is_md5 "$3"; then
		sum_of "$1"
		[ "$v_sum" = "$3" ]
		return
	fi
	v_parts=${3##*-}
	is_md5 "${3%-*}" && number "$v_parts" && [ "$v_parts" -gt 0 ] || return 2
	# shellcheck disable=SC2003  # mksh counts in 32 bits
	v_mib=$(expr \( "$2" + 1048575 \) / 1048576)
	v_least=$(((v_mib + v_parts - 1) / v_parts)) v_most=$v_mib
	[ "$v_parts" = 1 ] || v_most=$(((v_mib - 1) / (v_parts - 1)))
	for v_k in $V_USUAL; do
		if [ "$v_parts" = 1 ]; then v_k=$v_mib; fi
		[ "$v_k" -ge $v_least ] && [ "$v_k" -le "$v_most" ] || continue
		tag_of_parts "$1" "$v_parts" "$v_k"
		[ "$v_tag" != "$3" ] || return 0
		[ "$v_least" != "$v_most" ] || return 1 # no other length gives so many parts
	done
	return 2
}

tag_of_parts() { # FILE N MIB: v_tag
	v_tag=$(
		part_sums "$@" | sort -n | while read -r _ v_sum _; do binary "$v_sum"; done | md5sum
	)
	v_tag=${v_tag%% *}-$2
}

# "I MD5 -" of each part, in no order. MD5 is slower than a disk: all cores do their share.
part_sums() { # FILE N MIB
	v_cores=$(nproc 2>/dev/null) || v_cores=1
	# lanes are 8 an object, and sum their own meanwhile
	v_cores=$(((v_cores * 8 + ${U_LANES:-8} - 1) / ${U_LANES:-8}))
	[ "$v_cores" -le 8 ] || v_cores=8
	v_core=0
	while [ $v_core -lt "$v_cores" ]; do
		v_n=$v_core
		while [ $v_n -lt "$2" ]; do
			# by 64 KiB, what a pipe holds
			v_sum=$(dd if="$1" bs=64k skip=$((v_n * $3 * 16)) count=$(($3 * 16)) 2>/dev/null | md5sum)
			echo "$v_n $v_sum"
			v_n=$((v_n + v_cores))
		done &
		v_core=$((v_core + 1))
	done
	wait
}

binary() { # HEX
	v_hex=$1 v_out=''
	while [ -n "$v_hex" ]; do
		v_byte=$((0x${v_hex%"${v_hex#??}"}))
		v_out="$v_out\\$((v_byte / 64))$((v_byte / 8 % 8))$((v_byte % 8))"
		v_hex=${v_hex#??}
	done
	# shellcheck disable=SC2059  # it is made of octal numbers
	printf "$v_out"
}

# Where the ETag does not tell, the same bytes twice are taken to be right.
came_twice() { # FILE SEEN
	sum_of "$1"
	v_seen=''
	[ ! -f "$2" ] || read -r v_seen <"$2"
	echo "$v_sum" >"$2"
	[ "$v_seen" = "$v_sum" ]
}

# What is wrong for the third time will be so for ever. NAME is in $a/wrong for each time.
note_wrong() { # NAME
	printf 'jobfs: %s: its bytes are not those of its ETag\n' "$1"
	printf '%s\n' "$1" >>"$a/wrong"
}

is_hopeless() { [ -f "$a/wrong" ] && sort "$a/wrong" | uniq -c | grep -q '^ *[3-9] '; }

# ---- of what a client brought: the AWS CLI compares it with nothing -----------------------

# Beside the transfer: "ETAG SIZE KEY", apart by tabs. A key that holds a tab or a newline
# is left out: it is not verified. What the plan knows is not asked for, at first. Fails,
# and leaves the list as it was, when S3 does not tell.
list_input() { # I URI [again]
	v_i=$1 v_bucket=${2#s3://}
	sum() {
		[ "$1" != "$v_i" ] || printf '%s\t%s\t%s\n' "$3" "$2" "${v_bucket#*/}"
	}
	[ -s "$a/t.list.$1" ] || {
		plan_sums
		known_tags
	} >"$a/t.list.$1"
	[ -n "$3" ] || [ ! -s "$a/t.list.$1" ] || return 0
	"${ENGINE}_list" "$2" >"$a/t.said.$1" || return 1
	fill_tags <"$a/t.said.$1" >"$a/t.now.$1"
	rm -f "$a/t.said.$1"
	mv -f "$a/t.now.$1" "$a/t.list.$1"
}

# The ETags of the daemon's listing, for a client that cannot tell all of them.
known_tags() {
	[ -s "$a/listed" ] || return 0
	grep "^$v_i$tab" "$a/listed" | while IFS=$tab read -r _ v_size v_tag _ v_name; do
		[ -z "$v_name" ] || printf '%s\t%s\t%s\n' "$v_tag" "$v_size" "${v_bucket#*/}$v_name"
	done
}

# "- SIZE KEY": its ETag is what it was, if the size is.
fill_tags() {
	if [ ! -s "$a/listed" ]; then
		cat
		return
	fi
	while IFS= read -r v_line; do
		case $v_line in -"$tab"*)
			v_known=$(grep -F -- "${v_line#-}" "$a/t.list.$v_i" | head -n 1)
			case $v_known in *"${v_line#-}") v_line=$v_known ;; esac
			;;
		esac
		printf '%s\n' "$v_line"
	done
}

# What is wrong or missing is fetched again, one by one; not if that is much. Without a list
# nothing is right.
verify_input() { # I URI PATH
	v_i=$1 v_uri=$2 v_path=$3 v_rc=1
	for v_try in 1 2 3; do
		# it may have changed meanwhile
		[ $v_try = 1 ] && [ -s "$a/t.list.$1" ] || list_input "$1" "$2" again || continue
		split_list <"$a/t.list.$1"
		if [ ! -s "$a/t.size.$1" ]; then
			rm -f "$a/t.list.$1"
			continue
		fi
		{ wrong_sizes && wrong_sums && wrong_parts; } >"$a/t.wrong.$1"
		[ -s "$a/t.wrong.$1" ] || v_rc=0
		[ $v_rc != 0 ] && [ "$(count <"$a/t.wrong.$1")" -le 20 ] || break
		while IFS= read -r v_one; do
			printf 'jobfs: %s is missing, or its bytes are not those of its ETag\n' "$v_one"
			case $v_uri in */) v_key=$v_uri${v_one#"$v_path/"} ;; *) v_key=$v_uri ;; esac
			[ $v_try = 3 ] || "${ENGINE}_get" "$v_key" "$v_one"
		done <"$a/t.wrong.$1"
	done
	[ -f "$a/t.wrong.$1" ] || echo "jobfs: S3 has no list of $2, so what came cannot be verified"
	rm -f "$a"/t.list."$1" "$a"/t.size."$1" "$a"/t.md5."$1" "$a"/t.part."$1" "$a"/t.seen."$1".* \
		"$a/t.wrong.$1" "$a/t.said.$1"
	return $v_rc
}

# fd 0: the list. "SIZE FILE" of all, "MD5  FILE", and "TAG SIZE FILE" of those with parts
# and others that are summed one by one.
split_list() {
	exec 4>"$a/t.size.$v_i" 5>"$a/t.md5.$v_i" 6>"$a/t.part.$v_i"
	while IFS=$tab read -r v_tag v_size v_key; do
		v_tag=${v_tag#\"}
		v_tag=${v_tag%\"}
		case $v_uri in
		*/)
			case $v_key in '' | */) continue ;; esac
			v_bucket=${v_uri#s3://}
			v_file=$v_path/${v_key#"${v_bucket#*/}"}
			;;
		*"/$v_key") v_file=$v_path ;;
		*) continue ;; # an object whose key begins so
		esac
		# a backslash is for some echo what it is for C, and md5sum -c writes it as two
		printf '%s %s\n' "$v_size" "$v_file" >&4
		case $v_file in *\\*) v_kind=alone ;; *) v_kind=plain ;; esac
		if is_md5 "$v_tag" && [ $v_kind = plain ]; then
			printf '%s  %s\n' "$v_tag" "$v_file" >&5
		elif is_md5 "${v_tag%-*}"; then
			printf '%s %s %s\n' "$v_tag" "$v_size" "$v_file" >&6
		fi
	done
	exec 4>&- 5>&- 6>&-
}

wrong_sizes() {
	cut -d ' ' -f 2- "$a/t.size.$v_i" | tr '\n' '\0' | xargs -0 stat -c '%s %n' 2>/dev/null |
		sort >"$a/t.have.$v_i"
	sort "$a/t.size.$v_i" | comm -23 - "$a/t.have.$v_i" | cut -d ' ' -f 2-
	rm -f "$a/t.have.$v_i"
}

wrong_sums() {
	[ -s "$a/t.md5.$v_i" ] || return 0
	md5sum -c "$a/t.md5.$v_i" 2>/dev/null | grep -v ': OK$' | while IFS= read -r v_one; do
		[ ! -f "${v_one%: *}" ] || is_kms_input "${v_one%: *}" || printf '%s\n' "${v_one%: *}"
	done
}

wrong_parts() {
	v_n=0
	while read -r v_tag v_size v_one; do
		v_n=$((v_n + 1))
		[ "$(stat -c %s "$v_one" 2>/dev/null)" = "$v_size" ] || continue
		is_right "$v_one" "$v_size" "$v_tag"
		case $? in 0) continue ;; 2) ! came_twice "$v_one" "$a/t.seen.$v_i.$v_n" || continue ;; esac
		is_kms_input "$v_one" || printf '%s\n' "$v_one"
	done <"$a/t.part.$v_i"
}

is_kms_input() { # FILE
	v_key=$v_uri
	case $v_uri in */) v_key=$v_uri${1#"$v_path/"} ;; esac
	"${ENGINE}_is_kms" "$v_key"
}

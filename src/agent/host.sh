# ---- probe, aws, install ---------------------------------------------------------------

cmd_probe() {
	a=$base
	[ -d "$HOME" ] || reply EBASE "HOME: found '$HOME', expected a directory"
	[ ! -L "$base" ] || reply EBASE "$base: found a symbolic link, expected a directory"
	case $(stat -f -c %T "$HOME" 2>/dev/null) in
	nfs*) # its server repeats requests, and a link that was made looks as if it was not
		reply EBASE "$HOME: found NFS, expected a local file system"
		;;
	esac
	[ -e "$base" ] || mkdir "$base" || reply EDISK "cannot make $base"
	[ -d "$base" ] || reply EBASE "$base: found a file, expected a directory"
	b_uid=$(id -u)
	# shellcheck disable=SC2046
	set -- $(stat -c '%u %a' "$base")
	[ "$1" = "$b_uid" ] || reply EBASE "$base: found owner uid $1, expected $b_uid"
	case $2 in
	*[2367]? | *[2367]) reply EBASE "$base: found mode $2, expected not writable by others" ;;
	esac
	command -v setsid >/dev/null || reply EHOST "no setsid (package util-linux) on this host"
	[ -r /proc/self/stat ] || reply EHOST "no /proc on this host"
	check_logout
	mkdir -p "$base/bin" "$base/jobs" "$base/aws" || no_room "cannot write below $base"
	b_id=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
	if put_once "probe.$nonce" "$b_id"; then
		: # a full disk is told from one without links
	elif ! can_write; then
		no_room "cannot write a file in $base"
	elif ! put_once "probe.$nonce" "$b_id" && can_write; then # the disk is not full now
		reply EBASE "$base: found a file system without hard links, expected one with ln(1)"
	fi
	rm -f "$base/probe.$nonce"
	if [ ! -f "$base/storeid" ]; then
		put_once storeid "$b_id"
		durable "$base/storeid" "$base"
	fi
	read -r b_id <"$base/storeid" || reply EBASE "$base/storeid: found it empty"
	drop_payloads
	drop_watches
	get_boot
	set -- /dev/nvidia[0-9]*
	[ -e "$1" ] || shift
	echo "storeid $b_id${nl}boot $boot${nl}now $(date +%s)${nl}uid $b_uid"
	printf 'home %s\n' "$HOME"
	echo "arch $(uname -m)"
	echo "free_kb $(free_kb)"
	[ ! -d "$base/cache" ] || echo "cache_kb $(cache_gives) $(cache_size)"
	echo "curl $(curl_version)"
	echo "docker $(command -v docker || echo none)${nl}gpus $#"
	reply OK
}

no_room() { # TEXT: jobs that are here are asked about all the same, if the store is theirs
	first_line storeid "$base/storeid"
	echo "now $(date +%s)"
	reply EDISK "$1"
}

can_write() {
	b_got=''
	{ echo "$b_id" >"$base/t.$nonce"; } 2>/dev/null && read -r b_got <"$base/t.$nonce"
	rm -f "$base/t.$nonce"
	[ "$b_got" = "$b_id" ]
}

# Of jobs that went elsewhere before they were launched here. A launch that comes after all
# finds none, and has it sent again.
drop_payloads() {
	for b_f in "$base"/jobs/*/payload; do
		[ -f "$b_f" ] && [ ! -f "${b_f%/*}/claim" ] || continue
		find "$b_f" -mtime +0 -exec rm -f {} \; # a day old, or more
		[ -f "$b_f" ] || rmdir "${b_f%/*}" 2>/dev/null
	done
}

# logind may end what a user left running when the last connection closes. Then jobs are
# started outside of the session, which helps those who linger.
check_logout() {
	if ! logout_kills; then
		rm -f "$base/detach"
		return
	fi
	b_out="ask its root for \`loginctl enable-linger $(id -un)\`, or for KillUserProcesses=no"
	[ "$(loginctl show-user -p Linger "$(id -un)" 2>/dev/null </dev/null)" = Linger=yes ] ||
		reply EHOST "KillUserProcesses=yes in logind.conf ends jobs at logout: $b_out"
	b_prefix='systemd-run --user --scope --quiet'
	b_why=$($b_prefix true 2>&1 </dev/null) ||
		reply EHOST "KillUserProcesses=yes in logind.conf, and systemd-run fails: $b_why"
	put_over detach "$b_prefix" || no_room "cannot write in $base"
}

logout_kills() { # us?
	loginctl show-user -p KillUserProcesses -p KillOnlyUsers -p KillExcludeUsers \
		2>/dev/null </dev/null | {
		b_kills='' b_only='' b_user=$(id -un)
		while IFS='=' read -r b_key b_value; do
			case $b_key in
			KillUserProcesses) b_kills=$b_value ;;
			KillOnlyUsers) b_only=$b_value ;;
			KillExcludeUsers) case " $b_value " in *" $b_user "*) exit 1 ;; esac ;;
			esac
		done
		[ "$b_kills" = yes ] || exit 1
		case " $b_only " in '  ' | *" $b_user "*) exit 0 ;; esac
		exit 1
	}
}

free_kb() {
	# shellcheck disable=SC2046
	set -- $(df -Pk "$base" | tail -n 1)
	echo "$4"
}

curl_version() { # none, also when xargs is missing, which goes with it
	command -v curl >/dev/null && command -v xargs >/dev/null || {
		echo none
		return
	}
	# shellcheck disable=SC2046
	set -- $(curl -q --version 2>/dev/null | head -n 1)
	echo "${2:-none}"
}

cmd_aws() {
	v_own=''
	[ ! -f "$base/aws/path" ] || IFS= read -r v_own <"$base/aws/path"
	find_client aws "$v_own" "$(command -v aws)" "$HOME/.local/bin/aws" /usr/local/bin/aws
	reply ENOAWS "no AWS CLI in $base/aws, PATH, ~/.local/bin or /usr/local/bin"
}

unzip_into() { # ZIP DIR
	if command -v unzip >/dev/null; then
		unzip -q "$1" -d "$2"
	elif command -v busybox >/dev/null && busybox unzip --help >/dev/null 2>&1; then
		busybox unzip -q "$1" -d "$2"
	elif command -v python3 >/dev/null; then
		python3 -m zipfile -e "$1" "$2"
	else
		echo "none of unzip, busybox unzip, python3 is on this host"
		return 1
	fi
}

install_failed() { # WHAT: with the last line of what the tool said
	i_why=$(tail -n 1 "$i_tmp/said" 2>/dev/null)
	rm -rf "$i_tmp" "$i_dir"
	reply EINSTALL "$1${i_why:+: $i_why}"
}

cmd_install() {
	a=$base/aws i_dir=$base/aws/$nonce i_tmp=$base/aws/t.$nonce
	mkdir -p "$i_tmp" || reply EDISK "cannot make $i_tmp"
	# what killed installs left, once nobody can be at it any more
	find "$base/aws"/t.* -prune -mtime +0 -exec rm -rf {} +
	IFS= read -r i_line
	i_arg=${i_line#* }
	case $i_line in
	'url -'*) install_failed "found '$i_line', expected a URL" ;;
	'url '*'{arch}'*) fetch_url "${i_arg%%'{arch}'*}$(uname -m)${i_arg#*'{arch}'}" ;;
	'url '*) fetch_url "$i_arg" ;;
	'data '*[!0-9]* | 'data ') install_failed "found '$i_line', expected data SIZE" ;;
	'data '*)
		head -c "$i_arg" >"$i_tmp/zip" 2>"$i_tmp/said" || install_failed "cannot write the zip"
		[ "$(wc -c <"$i_tmp/zip")" -eq "$i_arg" ] || install_failed "the zip came cut short"
		;;
	*) install_failed "found '$i_line', expected url or data" ;;
	esac
	unzip_into "$i_tmp/zip" "$i_tmp" >"$i_tmp/said" 2>&1 </dev/null ||
		install_failed "cannot unpack the zip"
	[ -f "$i_tmp/aws/install" ] || install_failed "the zip holds no aws/install"
	chmod u+x "$i_tmp/aws/install" "$i_tmp/aws/dist/"aws* 2>/dev/null # python3 drops modes
	"$i_tmp/aws/install" -i "$i_dir" -b "$i_dir/bin" >"$i_tmp/said" 2>&1 </dev/null ||
		install_failed "aws/install failed"
	aws_version "$i_dir/bin/aws" || {
		echo "$v_version" >"$i_tmp/said"
		install_failed "the AWS CLI was installed but does not run here"
	}
	put_over path "$i_dir/bin/aws" || install_failed "cannot write $base/aws/path"
	rm -rf "$i_tmp"
	printf 'path %s\nversion %s\n' "$i_dir/bin/aws" "$v_version"
	reply OK
}

fetch_url() {
	if command -v curl >/dev/null; then
		curl -fsSL --retry 2 -o "$i_tmp/zip" "$1"
	elif command -v wget >/dev/null; then
		wget -q -O "$i_tmp/zip" "$1"
	else
		echo "neither curl nor wget is on this host" >&2
		false
	fi >"$i_tmp/said" 2>&1 </dev/null || install_failed "cannot download $1"
}


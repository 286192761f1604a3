# probe, the AWS CLI and its installation.
# shellcheck shell=bash

case_probe_tells_what_the_host_is() {
	local id key
	ag probe
	expect OK
	id=$(field storeid)
	[ ${#id} = 32 ] || fail "storeid '$id'"
	for key in boot now uid home arch free_kb docker gpus; do
		[ -n "$(field $key)" ] || fail "no $key in: $TEXT"
	done
	is home "$HOME"
	is uid "$(id -u)"
	[ "$(stat -c %a "$HOME/.jobfs")" = 700 ] || fail "mode of the base"
	ag probe
	is storeid "$id"
	poll ab
	is storeid "$id"
	local i
	rm -r "$HOME/.jobfs"
	for i in {1..8}; do
		$SH "$AGENT" probe "p$i" >"$T/p$i" &
	done
	wait
	[ "$(sort -u "$T"/p? | grep -c ^storeid)" = 1 ] || fail "two store ids"
}

case_probe_drops_payloads_that_nobody_launched() {
	ag probe
	mkdir -p "$J/old-1" "$J/new-1" "$J/run-1"
	touch "$J/new-1/payload" "$J/run-1/claim"
	touch -d '25 hours ago' "$J/old-1/payload" "$J/run-1/payload"
	ag probe
	expect OK
	[ ! -e "$J/old-1" ] || fail "an old one was kept"
	[ -e "$J/new-1/payload" ] || fail "a new one was dropped"
	[ -e "$J/run-1/payload" ] || fail "one that was launched was dropped"
}

case_probe_refuses_a_base_that_is_not_safe() {
	local base=$HOME/.jobfs
	mkdir "$T/elsewhere"
	ln -s "$T/elsewhere" "$base"
	ag probe
	expect EBASE
	grep -q "^message $base: found a symbolic link" <<<"$TEXT" || fail "$TEXT"
	rm "$base"
	touch "$base"
	ag probe
	expect EBASE
	rm "$base"
	local mode
	for mode in 770 707 1777 720; do
		mkdir -m $mode "$base"
		ag probe
		expect EBASE
		grep -q "^message $base: found mode $mode" <<<"$TEXT" || fail "$TEXT"
		rmdir "$base"
	done
	mkdir -m 755 "$base"
	ag probe
	expect OK
	if [ "$(id -u)" = 0 ]; then
		chown 12345 "$base"
		ag probe
		expect EBASE
		grep -q "found owner uid 12345, expected 0" <<<"$TEXT" || fail "$TEXT"
	fi
	rm -r "$base"
	mkdir "$T/bin"
	printf '#!/bin/sh\necho "ln: Operation not permitted" >&2; exit 1\n' >"$T/bin/ln"
	chmod +x "$T/bin/ln"
	# busybox sh would take its own ln
	case $SH in busybox*) ;; *)
		PATH=$T/bin:$PATH ag probe
		expect EBASE
		grep -q 'without hard links' <<<"$TEXT" || fail "$TEXT"
		# a disk that was full for a moment is no such file system
		# shellcheck disable=SC2016  # for the stand-in
		printf '#!/bin/sh\n[ -e "$T/once" ] || { : >"$T/once"; exit 1; }\nexec /bin/ln "$@"\n' >"$T/bin/ln"
		PATH=$T/bin:$PATH ag probe
		expect OK
		[ -e "$T/once" ] || fail "ln was not asked"
		;;
	esac
	mount -t tmpfs -o size=64k,nr_inodes=40 tmpfs "$HOME" || fail "cannot mount"
	cat /dev/zero >"$HOME/fill" 2>/dev/null
	ag probe
	expect EDISK
	umount "$HOME"
	HOME=$T/nowhere ag probe
	expect EBASE
}

stand_in() { # NAME TEXT: a program that comes first in PATH
	mkdir -p "$T/bin"
	printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1"
	chmod +x "$T/bin/$1"
}

case_probe_refuses_a_home_on_nfs() {
	case $SH in busybox*) return 0 ;; esac # it would take its own stat
	stand_in stat "[ \"\$1\" != -f ] || { echo nfs; exit; }; exec $(type -P stat) \"\$@\""
	PATH=$T/bin:$PATH ag probe
	expect EBASE
	is message "$HOME: found NFS, expected a local file system"
	[ ! -e "$HOME/.jobfs" ] || fail "something was made there"
}

logind() { # SETTING=VALUE…: what it says of itself, and of the user
	local it manager=''
	for it; do case $it in Linger=*) ;; *) manager="$manager$it\\n" ;; esac; done
	stand_in loginctl "case \$* in *Linger*) echo ${*: -1} ;; *) printf '$manager' ;; esac"
}

case_probe_knows_of_hosts_that_end_what_is_left_at_logout() {
	local me
	me=$(id -un)
	PATH=$T/bin:$PATH
	logind KillUserProcesses=no KillExcludeUsers=x Linger=no
	ag probe
	expect OK
	logind KillUserProcesses=yes KillOnlyUsers= "KillExcludeUsers=x $me" Linger=no
	ag probe
	expect OK
	logind KillUserProcesses=yes KillOnlyUsers=other KillExcludeUsers=x Linger=no
	ag probe
	expect OK
	logind KillUserProcesses=yes KillOnlyUsers= KillExcludeUsers=other Linger=no
	ag probe
	expect EHOST
	is message "KillUserProcesses=yes in logind.conf ends jobs at logout: ask its root for \
\`loginctl enable-linger $me\`, or for KillUserProcesses=no"
	logind KillUserProcesses=yes "KillOnlyUsers=other $me" KillExcludeUsers= Linger=no
	ag probe
	expect EHOST
	logind KillUserProcesses=yes KillOnlyUsers= KillExcludeUsers= Linger=yes
	stand_in systemd-run 'echo "no bus" >&2; exit 1'
	ag probe
	expect EHOST
	is message "KillUserProcesses=yes in logind.conf, and systemd-run fails: no bus"
}

case_a_user_who_lingers_has_jobs_outside_of_the_session() {
	PATH=$T/bin:$PATH
	logind KillUserProcesses=yes KillOnlyUsers= KillExcludeUsers= Linger=yes
	stand_in systemd-run "echo \"\$*\" >>'$T/scopes'; shift 3; exec \"\$@\""
	ag probe
	expect OK
	PROGRAM=(shell 'exit 3')
	run_job ${X}01
	is exit 'exit 3'
	grep -q '^--user --scope --quiet setsid .* _run ' "$T/scopes" || fail "$(cat "$T/scopes")"
	logind KillUserProcesses=no Linger=yes
	rm "$T/scopes"
	ag probe
	expect OK
	run_job ${X}02
	[ ! -e "$T/scopes" ] || fail "still outside: $(cat "$T/scopes")"
}

fake_zip() { # DIR VERSION: what Amazon's zip looks like
	mkdir -p "$1/aws/dist"
	cat >"$1/aws/install" <<-'EOT'
		#!/bin/sh
		# -i DIR -b BIN
		mkdir -p "$2" "$4" && cp "${0%/*}/dist/aws" "$2/aws" && ln -s "$2/aws" "$4/aws"
	EOT
	printf '#!/bin/sh\necho "aws-cli/%s Python/3"\n' "$2" >"$1/aws/dist/aws"
	chmod +x "$1/aws/install" "$1/aws/dist/aws"
	(cd "$1" && zip -qr "$T/aws-$(uname -m).zip" aws)
}

nothing_left() {
	[ -z "$(find "$HOME/.jobfs/aws" -mindepth 1 -maxdepth 1 -type d)" ] ||
		fail "left: $(ls -A "$HOME/.jobfs/aws")"
}

case_the_aws_cli_is_found() {
	ag aws
	expect OK
	is version 2.9.19
	is path "$here/fake/aws"
	mkdir -p "$HOME/.local/bin" "$T/bin"
	printf '#!/bin/sh\necho "aws-cli/1.45.11 Python/3" >&2\n' >"$HOME/.local/bin/aws"
	printf '#!/bin/sh\nexit 127\n' >"$T/bin/aws" # one that does not run
	chmod +x "$HOME/.local/bin/aws" "$T/bin/aws"
	PATH=$T/bin:/usr/sbin:/sbin:$PATH ag aws
	is version 1.45.11
	is path "$HOME/.local/bin/aws"
}

case_the_aws_cli_is_installed() {
	ag probe
	fake_zip "$T/z" 2.15.0
	ag install <<<"url file://$T/aws-{arch}.zip"
	expect OK
	is version 2.15.0
	local path
	path=$(field path)
	ag aws
	is path "$path"
	is version 2.15.0
	ag install < <(printf 'data %d\n' "$(stat -c %s "$T"/aws-*.zip)" && cat "$T"/aws-*.zip)
	expect OK
	[ "$(field path)" != "$path" ] || fail "the same directory again"
	ag aws
	[ "$(field path)" != "$path" ] || fail "not taken into use"
	# other tools than curl and unzip
	local port=$((20000 + RANDOM % 20000))
	busybox httpd -p 127.0.0.1:$port -h "$T" || fail "no httpd"
	local tool
	for tool in busybox python3; do
		rm -rf "${T:?}/bin"
		mkdir "$T/bin"
		ln -s /usr/bin/* "$T/bin/"
		rm -f "$T/bin/unzip" "$T/bin/curl"
		[ $tool = busybox ] || {
			rm -f "$T/bin/busybox"
			case $SH in busybox*) continue ;; esac
		}
		PATH=$T/bin ag install <<<"url http://127.0.0.1:$port/aws-{arch}.zip"
		expect OK
	done
}

case_an_installation_that_fails_says_why_and_leaves_nothing() {
	ag probe
	says() { # CODE WORDS
		expect "$1"
		grep -q "^message .*$2" <<<"$TEXT" || fail "no '$2' in: $TEXT"
		nothing_left
	}
	ag install <<<"url file://$T/nothing-here.zip"
	says EINSTALL "cannot download file://$T/nothing-here.zip: ."
	ag install <<<"url http://127.0.0.1:9/x.zip"
	says EINSTALL 'cannot download'
	echo 'this is no zip' >"$T/bad.zip"
	ag install <<<"url file://$T/bad.zip"
	says EINSTALL 'cannot unpack the zip'
	ag install < <(printf 'data 100\nshort')
	says EINSTALL 'cut short'
	ag install <<<'url --output=/etc/passwd'
	says EINSTALL 'expected a URL'
	ag install <<<'something else'
	says EINSTALL 'expected url or data'
	ag install </dev/null
	says EINSTALL 'expected url or data'
	(cd "$T" && echo x >x && zip -q other.zip x)
	ag install <<<"url file://$T/other.zip"
	says EINSTALL 'holds no aws/install'
	fake_zip "$T/z" 2.15.0
	rm "$T"/aws-*.zip
	printf '#!/bin/sh\necho "no such system" >&2; exit 1\n' >"$T/z/aws/dist/aws"
	(cd "$T/z" && zip -qr "$T/broken.zip" aws)
	ag install <<<"url file://$T/broken.zip"
	says EINSTALL 'does not run here: no such system'
	printf '#!/bin/sh\necho "no room" >&2; exit 1\n' >"$T/z/aws/install"
	(cd "$T/z" && zip -qr "$T/broken2.zip" aws)
	ag install <<<"url file://$T/broken2.zip"
	says EINSTALL 'aws/install failed: no room'
	ag aws
	is path "$here/fake/aws"
}

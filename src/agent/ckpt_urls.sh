# ---- checkpoints by presigned URLs -----------------------------------------------------
#
# The rounds are those of checkpoint.sh, made by a keeper that has no secrets. What it wants
# of S3 it writes down as a list, ckpt.wanted ("SIZE KEY NUL", KEY below CKPT_DEST), before
# it says so in `want`; the daemon reads that by `wanted` and signs.
#
#   ckget    objects, which come to in/0/KEY; what S3 has not is left out
#   ckput    objects of ckpt.stage, until a listing of the daemon has all of them
#   ckdrop   what is below .at/ goes, but for what the list names
#
# Here nothing is ever overwritten but LATEST: each round puts its files below a PLACE of
# its own, .at/ID-ATTEMPT.N, so nothing needs to be kept first. What no LATEST names any
# more is removed after the next one is there.
#
#   ckpt.n   N of the last round that began to send
#   ckpt.at  the PLACE of what ckpt.up has

y_by_urls() { [ "$ENGINE" = presigned ]; }

ask() { # KIND: until it is done; fails when it cannot be
	w_n=0 w_rc=1 w_first=''
	y_may || return 1 # an `upload` may be at it
	[ "$(wc -c <"$a/ckpt.wanted")" -le 33554432 ] || {
		echo "jobfs: checkpoint: too many files for presigned URLs: their names have more than 32 MiB"
		return 1
	}
	[ ! -f "$a/want" ] || read -r _ w_n _ <"$a/want"
	rm -rf "$a/poke" "$a/wrong" "$a/sent" "$a/up" "$a/in"
	want_all "$1" ask_poke || :
	if y_may; then
		put_over want "none $w_n 0"
		rm -f "$a/poke"
	fi
	return $w_rc
}

ask_poke() { # by looks too: what stops a checkpoint wakes nobody
	! ask_is_stopped || return 1
	(timeout 5 dd bs=64 count=1 <&5 || :) >/dev/null 2>&1 # busybox says Terminated
}

# y_phase: download, run or upload. What a round of the loop leaves the last one does.
ask_is_stopped() {
	y_may || return 0
	[ "$y_phase" = run ] || {
		is_stopped "$y_phase"
		return
	}
	[ -f "$a/exit" ] || [ -f "$a/cancel" ]
}

# The loop is over, and nothing of it under way, before others want something.
ckpt_pause() {
	has_ckpt && y_by_urls || return 0
	poke
	keeper_order pause
	end_transfers
}

cmd_wanted() { # N
	load_want && [ "$w_n" = "$1" ] && [ -f "$a/ckpt.wanted" ] ||
		reply ENOWANT "that is not wanted any more"
	echo "data wanted $(wc -c <"$a/ckpt.wanted" | tr -d ' ')"
	cat "$a/ckpt.wanted"
	echo
	reply OK
}

# ---- the keeper's side

urls_get_latest() { # t.latest, empty when there is none
	printf '0 LATEST\0' >"$a/ckpt.wanted"
	ask ckget || return 1
	if [ -f "$a/in/0/LATEST" ]; then
		mv -f "$a/in/0/LATEST" "$a/t.latest"
	else
		: >"$a/t.latest"
	fi
}

urls_put_latest() { # out of ckpt.out
	rm -rf "$a/ckpt.stage"
	mkdir "$a/ckpt.stage" && ln -s "$a/ckpt.out" "$a/ckpt.stage/LATEST" || return 1
	printf '%s LATEST\0' "$(wc -c <"$a/ckpt.out" | tr -d ' ')" >"$a/ckpt.wanted"
	ask ckput
}

urls_next_place() { # y_at
	y_n=0
	[ ! -f "$a/ckpt.n" ] || read -r y_n <"$a/ckpt.n"
	put_over ckpt.n $((y_n + 1)) && y_at=.at/$ID-$ATTEMPT.$((y_n + 1))
}

urls_send() { # ckpt.todo; y_at
	while IFS=$tab read -r y_code y_size _; do
		y_decode "$y_code" && printf '%s %s\0' "$y_size" "$y_at/$y_path" || return 1
	done <"$a/ckpt.todo" >"$a/ckpt.wanted"
	ask ckput
}

urls_note_sent() { # t.sent
	: >>"$a/ckpt.at"
	y_lines_beside ckpt.at t.sent >"$a/t.at" || return 1
	while IFS=$tab read -r y_code y_size y_mtime _; do
		printf '%s\t%s\t%s\t%s\n' "$y_code" "$y_size" "$y_mtime" "$y_at"
	done <"$a/t.sent" >>"$a/t.at"
	mv -f "$a/t.at" "$a/ckpt.at"
}

urls_places() { # of the lines of t.next
	y_join t.next ckpt.at -o 1.1,1.2,1.3,2.4 >"$a/t.places" && mv -f "$a/t.places" "$a/t.next"
}

urls_want_latest() { # the objects that it names
	while IFS=$tab read -r y_code y_size _ y_at; do
		y_decode "$y_code" && y_below "$y_at" || continue
		printf '%s %s\0' "$y_size" "$y_under$y_path"
	done <"$a/ckpt.latest" >"$a/ckpt.wanted"
}

urls_drop() { urls_want_latest && ask ckdrop; }

urls_fetch() {
	urls_want_latest && ask ckget || {
		echo "jobfs: checkpoint failed: it did not come"
		return 1
	}
	while IFS=$tab read -r y_code _ _ y_at; do
		y_decode "$y_code" && y_below "$y_at" && [ -f "$a/in/0/$y_under$y_path" ] || continue
		case $y_path in */*) mkdir -p "$y_dir/${y_path%/*}" ;; esac
		mv -f "$a/in/0/$y_under$y_path" "$y_dir/$y_path"
	done <"$a/ckpt.latest"
	rm -rf "$a/in"
}

# ---- the worker's

fetch_ckget() {
	umask 022
	mkdir -p "$a/in/0" "$a/in/odd" "$a/in/big" && cd "$a/in" || exit
	: >t.moved
	: >t.came
	fetch_rounds download
	case $u_took in all | more) move_staged ;; esac
	[ ! -s t.moved ] || u_took='none'
}

fetch_ckput() {
	send_from "$a/ckpt.stage"
	fetch_rounds upload
}

fetch_ckdrop() { # one that fails is there the next time too
	words
	drop() { echo "url = \"$1\""; }
	if urls_list | grep -q .; then urls_list | curl_many -X DELETE 2>&1 | quiet; fi
	u_took='all'
}

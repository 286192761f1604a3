# ---- transfers by presigned URLs -------------------------------------------------------
#
# Here no process has credentials. The runner writes down what it wants and sleeps; the
# daemon reads that in a poll, signs, and sends a batch of URLs, with which a worker moves
# the data and writes down how that went. Each side may die or be away at any time:
#
#   want      "KIND N FROM SUM"  the runner's; N counts up for ever, FROM is how many
#                                objects of the whole transfer are there already, and SUM
#                                tells the daemon which ones
#   took.N    "WORD NEXT SUM"    the worker's, once: what became of batch N
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
# In a URL, U_STEM and U_QUERY of urls_vars stand for what all have in common.
#
# A STAGE kept/I/DIGEST is for the cache: only an object that has the TAG may come there.
#
#   put N SIZE PATH URL               whole file below the output directory
#   part N LEN FIRST PATH URL         a part of one; when PATH cannot be written so:
#   name N PATH                       the file of put or part N is ../names/N
#   begun ID PATH                     the upload that the parts of PATH belong to
#
#   drop URL                          an object that is to be removed

w_first=''
U_WORDS='get range big move put part name begun drop'

# The batch that will be wanted first came with the launch, which is answered when a worker
# has it.
first_urls() { # SIZE; fd 3: the batch
	r_out=''
	put_over want 'download 1 0' && w_first=1 && apart _urls 1 "$1"
	exec 3<&- >/dev/null
}

await() { # download | upload: until it is done; fails when it cannot be
	w_n=0
	if [ -z "$w_first" ]; then
		[ ! -f "$a/want" ] || read -r _ w_n _ <"$a/want"
		rm -rf "$a/poke" "$a/wrong" "$a/sent" "$a/up"
	fi
	want_all "$1" await_poke || :
	put_over want "none $w_n 0"
	rm -f "$a/poke"
	return $w_rc
}

await_poke() { # KIND: it may be there already; fails when the wait is over
	! is_stopped "$1" && { read -r _ <&5 || :; }
}

# Batch for batch, until a worker says of one that it was the last.
want_all() { # KIND SLEEP, by which it waits; w_n: the number of the last want, w_rc
	w_from=0 w_sum='' w_bad=0 w_rc=1
	mkfifo "$a/poke" && exec 5<>"$a/poke" || return 1
	while [ $w_bad -lt 3 ]; do
		w_n=$((w_n + 1))
		put_over want "$1 $w_n $w_from${w_sum:+ $w_sum}" || break
		[ -n "$w_first" ] || tell
		w_first=''
		until [ -f "$a/took.$w_n" ]; do "$2" "$1" || break 2; done
		read -r w_word w_next w_next_sum <"$a/took.$w_n"
		case $w_word in
		all) w_rc=0 && break ;;
		more)
			w_bad=$((w_bad + 1))
			[ "$w_next" -le "$w_from" ] || w_bad=0
			w_from=$w_next w_sum=$w_next_sum
			;;
		some) w_bad=0 ;;
		wrong) break ;;
		*) w_bad=$((w_bad + 1)) ;;
		esac
	done
	exec 5<&-
	return $w_rc
}

is_stopped() { # download | upload: by a cancel or a limit
	[ -f "$a/exit" ] || [ ! -f "$a/cancel" ] || return 0
	w_word=''
	[ ! -f "$a/timeout" ] || read -r w_word <"$a/timeout"
	[ "$w_word" = "$1" ]
}

poke() { wake "$a/poke"; } # who awaits

load_want() { # w_kind w_n w_from w_sum; fails when nothing is wanted
	w_kind=none w_n=0 w_from=0 w_sum=''
	[ -f "$a/want" ] && read -r w_kind w_n w_from w_sum <"$a/want"
	[ "$w_kind" != none ] && [ ! -f "$a/took.$w_n" ]
}

print_want() { # of an attempt that lives: what the daemon shall send
	load_want && ! turn_lives fetch || return 0
	echo "want $w_kind $w_n $w_from${w_sum:+ $w_sum}"
}

cmd_urls() { # N SIZE
	get_boot
	if ! load_want || [ "$w_n" != "$1" ] || turn_lives fetch; then
		drain
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
	if [ -n "$U_REFUSED" ]; then
		printf 'jobfs: %s\n' "$U_REFUSED"
		u_took='wrong'
	else
		"fetch_$w_kind"
	fi
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
		[ "$u_left" -gt 0 ] && [ $u_try -lt 5 ] && ! is_stopped "$1" && ! is_hopeless && is_wanted || break
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

is_wanted() {
	read -r _ u_n _ <"$a/want"
	[ "$u_n" = "$w_n" ]
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

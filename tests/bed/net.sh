# net.sh: the network of the bed: its switch, the cables to it, counters and faults.
# Sourced by `bed`, which has read the settings: BED_DIR, names, addr.
# shellcheck shell=bash disable=SC2154
#
# A namespace is a file in BED_DIR/net with the namespace mounted on it. The switch is a
# bridge in one of them, .switch; NAME's eth0 ends there as v-NAME. What a cable is like
# (cut, rate, wire) is kept in BED_DIR/hosts/NAME, for a link is made anew at each boot.

# ns_make NAME: a network namespace, bound to a file
ns_make() {
    : >"$BED_DIR/net/$1"
    unshare --net="$BED_DIR/net/$1" ip link set lo up
}

in_net() {
    local ns=$BED_DIR/net/$1
    shift
    nsenter --net="$ns" "$@"
}

in_switch() {
    in_net .switch "$@"
}

# The guard is what makes the counters complete: nothing but IPv4 and ARP passes. The
# cable's bridges see a packet a second time: that one is not counted.
switch_make() {
    local a b
    ns_make .switch
    in_switch ip link add br0 type bridge stp_state 0 forward_delay 0
    in_switch ip link set br0 up
    in_switch sysctl -qw net.bridge.bridge-nf-call-iptables=0 2>/dev/null || true
    {
        cat <<EOF
add table bridge bed
add chain bridge bed guard { type filter hook forward priority -20; }
add rule bridge bed guard ether type != { ip, arp } drop
add chain bridge bed faults { type filter hook forward priority -10; }
add chain bridge bed count { type filter hook forward priority 0; }
add rule bridge bed count iifname "tB-*" accept
add rule bridge bed count oifname "tB-*" accept
EOF
        for a in "${names[@]}"; do
            for b in "${names[@]}"; do
                [ "$a" != "$b" ] || continue
                echo "add counter bridge bed ${a}_$b"
                echo "add rule bridge bed count ip saddr ${addr[$a]}" \
                    "ip daddr ${addr[$b]} counter name ${a}_$b"
            done
        done
    } | in_switch nft -f -
}

# plug NAME: its namespace and eth0, the other end being v-NAME in the switch. A cable
# that was cut, long or slow before a reboot is so after it.
plug() {
    local h=$1 d=$BED_DIR/hosts/$1 master=br0 state=up mac
    printf -v mac '02:77:00:00:00:%02x' "${addr[$h]##*.}"
    if pid_alive "$d/cable.pid" >/dev/null; then master=b-$h; fi
    [ ! -e "$d/cut" ] || state=down
    ns_make "$h"
    in_switch ip -batch - <<EOF
link add v-$h type veth peer name eth0 address $mac netns $BED_DIR/net/$h
link set v-$h master $master
link set v-$h $state
EOF
    in_net "$h" ip -batch - <<EOF
addr add ${addr[$h]}/24 dev eth0
link set eth0 up
EOF
    [ ! -e "$d/rate" ] || rate_apply "$h"
}

# unplug NAME: the link goes at once, so nothing that is closed later is heard of
# outside
unplug() {
    in_switch ip link del "v-$1" 2>/dev/null || true
}

ns_drop() {
    umount "$BED_DIR/net/$1"
    rm "$BED_DIR/net/$1"
}

bytes_table() {
    in_switch nft list counters table bridge bed |
        awk '$1 == "counter" { split($2, k, "_") }
            $1 == "packets" { print k[1], k[2], $4 }' |
        sort
}

cmd_bytes() {
    case "$#:${1:-}" in
    0:) bytes_table | awk '$3 { printf "%-10s -> %-10s %14d\n", $1, $2, $3 }' ;;
    1:--json)
        bytes_table | awk 'BEGIN { printf "{" }
            { printf "%s\"%s->%s\": %s", (NR > 1 ? ", " : ""), $1, $2, $3 }
            END { print "}" }'
        ;;
    1:reset) in_switch nft reset counters table bridge bed >/dev/null ;;
    2:*)
        host_check "$1"
        host_check "$2"
        bytes_table | awk -v a="$1" -v b="$2" '$1 == a && $2 == b { print $3 }'
        ;;
    *) usage ;;
    esac
}

cmd_cut() {
    host_check "$1"
    : >"$BED_DIR/hosts/$1/cut"
    in_switch ip link set "v-$1" down 2>/dev/null || true
}

cmd_join() {
    host_check "$1"
    rm -f "$BED_DIR/hosts/$1/cut"
    in_switch ip link set "v-$1" up 2>/dev/null || true
}

cmd_hole() {
    local between way
    host_check "$1"
    host_check "$2"
    between="{ ${addr[$1]}, ${addr[$2]} }"
    between="ip saddr $between ip daddr $between"
    if [ -z "${3:-}" ]; then
        in_switch nft "add rule bridge bed faults $between counter drop"
        return
    fi
    for way in dport sport; do
        echo "add rule bridge bed faults $between tcp $way $3 counter drop"
    done | in_switch nft -f -
}

cmd_refuse() {
    host_check "$1"
    host_check "$2"
    in_net "$2" nft -f - <<EOF
add table ip bed_refuse
add chain ip bed_refuse in { type filter hook input priority 0; }
add rule ip bed_refuse in ip saddr ${addr[$1]} tcp dport $3 reject with tcp reset
EOF
}

cmd_heal() {
    local h
    in_switch nft flush chain bridge bed faults
    for h in "${names[@]}"; do
        [ ! -e "$BED_DIR/net/$h" ] ||
            in_net "$h" nft delete table ip bed_refuse 2>/dev/null || true
    done
}

rate_apply() {
    local mbit where dev
    mbit=$(cat "$BED_DIR/hosts/$1/rate" 2>/dev/null || true)
    for where in ".switch v-$1" "$1 eth0"; do
        dev=${where#* }
        if [ -n "$mbit" ]; then
            in_net "${where% *}" tc qdisc replace dev "$dev" root \
                tbf rate "${mbit}mbit" burst 64kb latency 50ms
        else
            in_net "${where% *}" tc qdisc del dev "$dev" root 2>/dev/null || true
        fi
    done
}

cmd_rate() {
    host_check "$1"
    rm -f "$BED_DIR/hosts/$1/rate"
    [ "$2" = off ] || echo "$2" >"$BED_DIR/hosts/$1/rate"
    [ ! -e "$BED_DIR/net/$1" ] || rate_apply "$1"
}

# The cable lies between br0 and a bridge of the host's own: br0 - tA ~ tB - b-NAME -
# v-NAME
cable_start() {
    local h=$1 d=$BED_DIR/hosts/$1
    [ -p "$d/cable.fifo" ] || mkfifo "$d/cable.fifo"
    spawn "$d/cable.pid" "$d/cable.log" \
        "$BED_DIR/cable" "$BED_DIR/net/.switch" "tA-$h" "tB-$h" "$d/cable.fifo"
    wait_until 5 grep -q ready "$d/cable.log" || die "no cable: $(cat "$d/cable.log")"
    in_switch ip -batch - <<EOF
link add b-$h type bridge stp_state 0 forward_delay 0
link set b-$h up
link set tA-$h master br0
link set tA-$h up
link set tB-$h master b-$h
link set tB-$h up
EOF
}

cmd_wire() {
    local h=$1 d=$BED_DIR/hosts/$1 master=b-$1
    host_check "$h"
    shift
    if [ "${1:-}" = off ]; then
        master=br0
    else
        pid_alive "$d/cable.pid" >/dev/null || cable_start "$h"
        echo "$*" >"$d/cable.fifo"
    fi
    in_switch ip link set "v-$h" master "$master" 2>/dev/null || true # it may be down
    [ "$master" = br0 ] || return 0
    pid_end "$d/cable.pid" TERM 2
    in_switch ip link del "b-$h" 2>/dev/null || true
}

# host.sh: the GPU hosts of the bed: keys, disk, boot and end, sshd, running things
# there. Sourced by `bed`, which has read the settings: BED_*, names, gpu_hosts, addr,
# image.
# shellcheck shell=bash disable=SC2154
#
# BED_DIR/hosts/NAME has keys/ (the host's), image (a link to the root below), disk/
# (the tmpfs with the upper layer), console (what boot said) and init.pid while the host
# is up.

host_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

gpu_host_check() {
    host_check "$1"
    [ -n "${image[$1]:-}" ] || die "$1 is but a network: it has no boot and no sshd"
}

# keys_all_make: the user's, the hosts', and what clients are told of them
keys_all_make() {
    local h d
    user_keys_make "$BED_DIR"
    for h in "${gpu_hosts[@]}"; do
        d=$BED_DIR/hosts/$h/keys
        mkdir "$d"
        host_keys_make "$d"
        known_hosts_lines "$d" "$h,${addr[$h]}" >>"$BED_DIR/known_hosts"
        ssh_config_host "$h" "${addr[$h]}" 22 "$BED_USER" "$BED_DIR" \
            >>"$BED_DIR/ssh_config"
    done
    : >"$BED_DIR/known_hosts.empty"
}

# disk_make NAME: a tmpfs in the machine's mount namespace, so that it outlives reboots;
# in it the upper layer of the root, with what makes it this host's
disk_make() {
    local h=$1 d=$BED_DIR/hosts/$1 u=$BED_DIR/hosts/$1/disk/upper home x
    [ ! -e "$d/disk/ready" ] || return 0
    mkdir -p "$d/disk" "$d/root" "$d/lower"
    mount -t tmpfs -o "size=$BED_DISK,mode=755" "$BED_PREFIX-$h" "$d/disk"
    mkdir -p "$d/disk/work" "$u"/{etc/ssh,root,tmp,run,proc,sys,dev,mnt,home,var/tmp}
    chmod 1777 "$u/tmp" "$u/var/tmp"
    chmod 700 "$u/root"

    cp -p "$d/image/etc/"{passwd,group,shadow} "$u/etc/"
    echo "$BED_USER:x:1000:1000::/home/$BED_USER:/bin/bash" >>"$u/etc/passwd"
    echo "$BED_USER:x:1000:" >>"$u/etc/group"
    echo "$BED_USER:*:19000:0:99999:7:::" >>"$u/etc/shadow"
    home=$u/home/$BED_USER
    if [ -n "$BED_SHARED_HOME" ]; then home=$BED_DIR/home/$BED_USER; fi
    if mkdir "$home" 2>/dev/null; then
        cp -r "$d/image/etc/skel/." "$home/"
        mkdir -m 700 "$home/.ssh"
        cp "$BED_DIR/authorized_keys" "$home/.ssh/"
        chown -R 1000:1000 "$home"
    fi

    echo "$h" >"$u/etc/hostname"
    {
        echo "127.0.0.1 localhost"
        for x in "${names[@]}"; do echo "${addr[$x]} $x"; done
    } >"$u/etc/hosts"
    cp "$d"/keys/ssh_host_* "$u/etc/ssh/"
    cat >"$u/etc/ssh/sshd_config" <<EOF
Port 22
AddressFamily inet
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
AcceptEnv LANG LC_*
PidFile /run/sshd.pid
Subsystem sftp /usr/lib/openssh/sftp-server
MaxStartups 100:30:200
EOF
    : >"$d/disk/ready"
}

# cmd_init NAME: started by boot as pid 1 of the host, in its new namespaces: makes the
# root, goes there, becomes init. It says its pid first, as /proc is still the
# machine's.
cmd_init() {
    local h=$1 d=$BED_DIR/hosts/$1 pid
    read -r pid _ </proc/self/stat
    echo "$pid" >"$d/pid.new"
    cd "$d" || exit
    hostname "$h"
    mount --bind "$(readlink -f image)" lower # overlay options take no odd characters
    mount -t overlay -o lowerdir=lower,upperdir=disk/upper,workdir=disk/work "$h" root
    if [ -n "$BED_SHARED_HOME" ]; then mount --bind "$BED_DIR/home" root/home; fi
    find root/tmp -mindepth 1 -delete
    host_init_proc
    host_init_dev
    cp "$BED_DIR/init" root/run/init
    cd root || exit
    pivot_root . mnt
    cd / || exit
    exec env -i PATH="$host_path" /run/init /bin/sh -c '
        /usr/sbin/sshd && until [ -s /run/sshd.pid ]; do sleep 0.01; done &&
            : >/run/bed-booted' </dev/null
}

host_init_proc() {
    mount -t proc proc root/proc
    mount -t sysfs -o ro sysfs root/sys
    # slurmd wants a real cgroup mount, though it need not use any cgroup
    if [ -d root/sys/fs/cgroup ]; then
        mount -t tmpfs -o mode=755 tmpfs root/sys/fs/cgroup
        mkdir root/sys/fs/cgroup/systemd
        mount -t cgroup -o none,name=systemd cgroup root/sys/fs/cgroup/systemd \
            2>/dev/null || true
    fi
    mount -t tmpfs -o mode=755,size=64m tmpfs root/run
    mkdir root/run/sshd root/run/lock
    cp /proc/sys/kernel/random/uuid root/run/boot_id
    mount --bind root/run/boot_id root/proc/sys/kernel/random/boot_id
}

host_init_dev() {
    local n
    mount -t tmpfs -o mode=755,size=16m tmpfs root/dev
    for n in null zero full random urandom tty fuse; do
        [ ! -e "/dev/$n" ] || cp -a "/dev/$n" "root/dev/$n"
    done
    mkdir root/dev/pts root/dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts root/dev/pts
    mount -t tmpfs -o mode=1777,size=256m tmpfs root/dev/shm
    ln -s pts/ptmx root/dev/ptmx
    ln -s /proc/self/fd root/dev/fd
    for n in stdin:0 stdout:1 stderr:2; do
        ln -s "/proc/self/fd/${n#*:}" "root/dev/${n%:*}"
    done
}

# host_pid NAME: prints the pid of its init
host_pid() {
    pid_alive "$BED_DIR/hosts/$1/init.pid"
}

host_failed() {
    die "$1 does not boot: $(cat "$BED_DIR/hosts/$1/console")"
}

host_booted_or_dead() {
    [ -e "/proc/$1/root/run/bed-booted" ] || ! proc_start "$1" >/dev/null
}

cmd_boot() {
    local h=$1 d=$BED_DIR/hosts/$1 uptime pid
    gpu_host_check "$h"
    ! host_pid "$h" >/dev/null || die "$h is up already"
    pid_save "$d/boot.pid" "$BASHPID"
    [ -e "$BED_DIR/net/$h" ] || plug "$h"
    disk_make "$h"
    rm -f "$d/pid.new"
    read -r uptime _ </proc/uptime # the host's starts at 0
    spawn "$d/unshare.pid" "$d/console" nsenter --net="$BED_DIR/net/$h" \
        unshare --mount --uts --ipc --cgroup --pid --fork \
        --time --boottime "-${uptime%.*}" --propagation private "$here/bed" init "$h"
    wait_until 60 test -s "$d/pid.new" || host_failed "$h"
    pid=$(cat "$d/pid.new")
    pid_save "$d/init.pid" "$pid"
    wait_until 60 host_booted_or_dead "$pid" || host_failed "$h"
    host_pid "$h" >/dev/null || host_failed "$h"
    rm -f "$d/boot.pid" "$d/unshare.pid" "$d/pid.new"
}

cmd_crash() {
    gpu_host_check "$1"
    [ -e "$BED_DIR/net/$1" ] || die "$1 is down"
    unplug "$1"
    pid_end "$BED_DIR/hosts/$1/init.pid" KILL 10
    ns_drop "$1"
}

# All FINs are on their way when the processes are dead; wait until they are answered
cmd_halt() {
    gpu_host_check "$1"
    [ -e "$BED_DIR/net/$1" ] || die "$1 is down"
    pid_end "$BED_DIR/hosts/$1/init.pid" TERM 10
    wait_until 1 host_quiet "$1" || true
    unplug "$1"
    ns_drop "$1"
}

host_quiet() {
    [ -z "$(in_net "$1" ss -Htn state fin-wait-1 state last-ack)" ]
}

cmd_reboot() {
    cmd_crash "$1"
    sleep "${2:-0}"
    cmd_boot "$1"
}

cmd_disk() {
    gpu_host_check "$1"
    local disk=$BED_DIR/hosts/$1/disk
    if [ "$2" = full ]; then
        wait_until 5 disk_fill "$disk" || die "the disk of $1 cannot be filled"
    else
        mount -o "remount,size=$2" "$disk"
    fi
}

# Refused when something was written between the look and the mount
disk_fill() {
    local size
    size=$(df -B 1 --output=used "$1" | tail -n 1)
    mount -o "remount,size=${size# }" "$1" 2>/dev/null
}

# The patterns see the host's own processes only. Monitor and child of a session must
# both be killed: the child alone goes on.
cmd_sshd() {
    local h=$1 pid
    gpu_host_check "$h"
    pid=$(host_pid "$h") || die "$h is down"
    pid=/proc/$pid/root/run/sshd.pid
    case $2 in
    start)
        run_in "$h" /usr/sbin/sshd
        wait_until 60 test -s "$pid" || die "no sshd on $h"
        ;;
    stop)
        run_in "$h" pkill -F /run/sshd.pid
        wait_until 60 test ! -e "$pid" || die "the sshd of $h does not end"
        ;;
    restart)
        cmd_sshd "$h" stop
        cmd_sshd "$h" start
        ;;
    kill-sessions) run_in "$h" pkill -KILL -f '^sshd: [^/]' || true ;;
    pause) run_in "$h" pkill -STOP -f '^sshd:' ;;
    resume) run_in "$h" pkill -CONT -f '^sshd:' ;;
    *) usage ;;
    esac
}

# command_in NAME CMD...: sets `command` to what runs CMD there
command_in() {
    local h=$1 pid
    shift
    host_check "$h"
    if [ -z "${image[$h]:-}" ]; then
        command=(nsenter --net="$BED_DIR/net/$h" "$@")
        return
    fi
    pid=$(host_pid "$h") || die "$h is down"
    command=(nsenter -t "$pid" -a env -i PATH="$host_path" HOME=/root TERM=dumb "$@")
}

run_in() {
    local command
    command_in "$@"
    "${command[@]}"
}

cmd_in() {
    command_in "$@"
    exec "${command[@]}"
}

cmd_as() {
    local h=$1 user=$2 home=/home/$2 group
    shift 2
    host_check "$h"
    if [ -z "${image[$h]:-}" ]; then
        home=$(getent passwd "$user" | cut -d: -f6)
        [ -d "$home" ] || home=/
    fi
    group=$(run_in "$h" id -g "$user")
    cmd_in "$h" setpriv --reuid="$user" --regid="$group" --init-groups \
        env -C "$home" HOME="$home" USER="$user" LOGNAME="$user" "$@"
}

cmd_ip() {
    host_check "$1"
    echo "${addr[$1]}"
}

cmd_hosts() {
    local h state
    for h in "${names[@]}"; do
        state=up
        [ -z "${image[$h]:-}" ] || host_pid "$h" >/dev/null || state=down
        echo "$h ${addr[$h]} ${image[$h]:--} $state"
    done
}

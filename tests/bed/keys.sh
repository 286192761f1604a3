# keys.sh: ssh keys and the client's files about them, for the scripts of the test bed.
# Sourced, never run.
# shellcheck shell=bash

# The kinds of host keys. None is RSA: it takes long to make, and libssh2 1.10 cannot
# use it.
host_key_types=(ed25519 ecdsa)

# user_keys_make DIR: a pair of each kind that clients use, and authorized_keys for them
user_keys_make() {
    local d=$1 k
    ssh-keygen -q -t rsa -b 3072 -m PEM -N '' -C bed -f "$d/id_rsa" &
    ssh-keygen -q -t rsa -b 3072 -N '' -C bed -f "$d/id_rsa_openssh" &
    ssh-keygen -q -t ed25519 -N '' -C bed -f "$d/id_ed25519"
    ssh-keygen -q -t ecdsa -N '' -C bed -f "$d/id_ecdsa"
    ssh-keygen -q -t ed25519 -N 'bed passphrase' -C bed -f "$d/id_ed25519_enc"
    wait
    for k in ed25519 ecdsa rsa rsa_openssh ed25519_enc; do cat "$d/id_$k.pub"; done \
        >"$d/authorized_keys"
}

# host_keys_make DIR
host_keys_make() {
    local t
    for t in "${host_key_types[@]}"; do
        ssh-keygen -q -t "$t" -N '' -C bed -f "$1/ssh_host_${t}_key"
    done
}

# known_hosts_lines DIR NAMES: prints the lines for the host keys in DIR
known_hosts_lines() {
    local t
    for t in "${host_key_types[@]}"; do
        echo "$2 $(cut -d' ' -f1,2 "$1/ssh_host_${t}_key.pub")"
    done
}

# ssh_config_host NAME ADDR PORT USER DIR: prints the section; DIR has key and
# known_hosts
ssh_config_host() {
    cat <<EOF
Host $1
    HostName $2
    Port $3
    User $4
    IdentityFile $5/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile $5/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
EOF
}

#!/bin/bash
# deps.sh [build|test|bench]: installs Debian's packages that jobfs needs: to build it and to
# run the quickstart (build), for the tests too (test, the default), or also what benchmarks
# compare it with (bench). Does nothing when all are there. Must be run as root on Debian 12.
set -euo pipefail

build=(
    gcc libc6-dev meson ninja-build pkg-config python3-minimal scdoc
    libfuse3-dev fuse3 libssh2-1-dev libssl-dev libsqlite3-dev libjson-c-dev
    libcurl4-openssl-dev libexpat1-dev
    # what the quickstart talks to
    openssh-server openssh-client openssh-sftp-server radosgw ceph-mon ceph-osd awscli
    curl procps iproute2 util-linux
)
test=(
    vim clang libclang-rt-14-dev clang-format clang-tidy shellcheck codespell
    nftables zip unzip sqlite3 rsync strace gdb inotify-tools entr less nano
    busybox-static mksh dash yash posh zsh fish tcsh python3 python3-pytest
    python3-jsonschema
    rclone s3cmd
)

bench=(
    slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge task-spooler at stress-ng
)

wanted=("${build[@]}")
[ "${1:-test}" = build ] || wanted+=("${test[@]}")
[ "${1:-test}" != bench ] || wanted+=("${bench[@]}")
missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "deps.sh: not installed: ${missing[*]}; run this as root" >&2
    exit 1
fi
echo "installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# an install must not start servers
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f "$log" $policy' EXIT
fi
if ! { apt-get update -qq && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "deps.sh: apt-get failed" >&2
    exit 1
fi

#!/bin/bash
# quickstart.sh: one job from mkdir to verified outputs, on this machine alone: a local sshd
# stands for the GPU host, a local S3 server for AWS. Installs what it needs (Debian 12, as
# root), builds jobfs, runs the job, and takes everything away again.
#
# Environment: JOBFS, a jobfs to use instead of building one.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
top=$(dirname "$here")
work=$(mktemp -d "${TMPDIR:-/tmp}/jobfs-quickstart.XXXXXX")
mount=$work/jobs
access=AKQUICKSTART secret=quickstart-secret-key bucket=my-bucket
export LC_ALL=C.UTF-8

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
show() { # shows a command as a user would type it, and runs it
    printf '$ %s\n' "$*"
    (cd "$mount" && eval "$*")
}
clean() {
    local status=$?
    set +e
    [ $status = 0 ] || printf '\nquickstart: failed (%s)\n' "${step:-starting}"
    if [ $status != 0 ] && [ -f "$work/state/jobfs.log" ]; then
        tail -n 20 "$work/state/jobfs.log"
    fi
    if mountpoint -q "$mount"; then
        fusermount3 -u "$mount"
        for _ in $(seq 100); do
            flock -n "$work/state/lock" true 2>/dev/null && break # the daemon has ended
            sleep 0.1
        done
    fi
    "$top/tests/bed/sshd" down "$work/host" >/dev/null 2>&1
    "$top/tests/bed/s3" down "$work/s3" >/dev/null 2>&1
    rm -rf "$work"
    exit $status
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step="installing packages"
"$top/tests/deps.sh" build

step="building jobfs"
if [ -z "${JOBFS:-}" ]; then
    say "Building jobfs"
    build=${JOBFS_BUILD:-$top/build}/plain
    [ -d "$build" ] || meson setup "$build" "$top" -Dbuildtype=release >"$work/build.log" 2>&1 ||
        { cat "$work/build.log"; exit 1; }
    ninja -C "$build" >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; exit 1; }
    JOBFS=$build/src/jobfs
fi
"$JOBFS" --version

step="starting an SSH server and an S3 server"
say "A GPU host (a local sshd) and S3 (a local Ceph RGW)"
"$top/tests/bed/sshd" up "$work/host"
endpoint=$("$top/tests/bed/s3" up "$work/s3" 127.0.0.1 0 $access $secret $bucket)
echo "S3 is $endpoint"

step="putting the data into S3"
mkdir "$work/data" "$work/data/eval"
seq 1 100000 >"$work/data/train.csv"
for i in 1 2 3; do seq "$i" 1000 >"$work/data/eval/part-$i.csv"; done
echo 'learning_rate: 1e-5' >"$work/data/run.yaml"
aws() {
    AWS_ACCESS_KEY_ID=$access AWS_SECRET_ACCESS_KEY=$secret AWS_DEFAULT_REGION=us-east-1 \
        command aws --endpoint-url "$endpoint" "$@"
}
aws s3 cp --quiet --recursive "$work/data" s3://$bucket/ds/
aws s3 ls --recursive s3://$bucket/

step="mounting"
say "Configuration and mount"
cat >"$work/config.json" <<CONFIG
{
  "state_dir": "$work/state",
  "hosts": { "gpu-a": { "address": "127.0.0.1", "port": $(cat "$work/host/port"), "user": "$(id -un)", "slots": 2 } },
  "ssh": { "identity": ["$work/host/id_ed25519"], "known_hosts": "$work/host/known_hosts", "agent": false },
  "s3": { "bucket": "$bucket", "region": "us-east-1", "endpoint_url": "$endpoint" }
}
CONFIG
cat "$work/config.json"
mkdir "$mount"
echo '$ jobfs -c config.json jobs && cd jobs'
AWS_ACCESS_KEY_ID=$access AWS_SECRET_ACCESS_KEY=$secret "$JOBFS" -c "$work/config.json" "$mount"

cat >"$work/train.sh" <<'SCRIPT'
#!/bin/sh
echo "training on $(wc -l <"$JOB_INPUT_TRAIN") rows with $(cat "$JOB_INPUT_CONFIG")"
for epoch in 1 2 3; do
    sleep 0.5
    echo "epoch $epoch: loss 0.$((9 - epoch * 2))"
done
cat "$JOB_INPUT_EVAL"/*.csv | wc -l >"$JOB_OUTPUT_DIR/eval-rows.txt"
echo "weights" >"$JOB_OUTPUT_DIR/model.bin"
SCRIPT
cat >"$work/spec.json" <<'SPEC'
{ "inputs":  { "train": "s3://my-bucket/ds/train.csv", "eval": "s3://my-bucket/ds/eval/", "config": "ds/run.yaml" },
  "script":  "train.sh",
  "outputs": "s3://my-bucket/runs/{job}/" }
SPEC

step="submitting a job"
say "A job is a directory"
show 'mkdir -p exp1/files; ls exp1'
show "cp $work/train.sh exp1/files/"
cat "$work/spec.json"
show "cp $work/spec.json exp1/"
show 'cat exp1/status'

step="following the job"
say "Following it"
(cd "$mount" && exec tail -n +1 -s 0.2 -f exp1/log) &
follow=$!
last=
for _ in $(seq 600); do
    state=$(cat "$mount/exp1/status")
    [ "$state" = "$last" ] || printf '  [%s]\n' "$state"
    last=$state
    case $state in SUCCEEDED | FAILED | CANCELLED) break ;; esac
    sleep 0.1
done
sleep 0.5 # tail's last words
kill $follow 2>/dev/null || true
wait $follow 2>/dev/null || true
[ "$last" = SUCCEEDED ] || { cat "$mount/exp1/error" 2>/dev/null; exit 1; }

step="reading the results"
say "What it left"
show 'ls exp1'
show 'cat exp1/outputs.s3 exp1/outputs.jsonl'
show 'cat exp1/progress'
aws s3 ls --recursive s3://$bucket/runs/

step="showing an error"
say "A wrong spec never becomes a job, and says where it is wrong"
mkdir "$mount/exp2"
printf '{\n  "input": { "train": "s3://my-bucket/ds/train.csv" },\n  "script": "train.sh"\n}\n' >"$work/wrong.json"
show "cp $work/wrong.json exp2/spec.json" 2>&1 || true
show 'cat exp2/error'

step="cleaning up"
say "Cleaning up"
show 'rm -r exp1; rmdir exp2 2>/dev/null || rm -r exp2; ls -a'
echo
echo "quickstart: all went well"

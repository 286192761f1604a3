#!/bin/sh
# The one program that jobfs puts on a GPU host. PROTOCOL.md beside it is the contract:
# files, verbs, frames. Here is only how the processes hang together.
#
#   launch ── setsid ── _run            the runner: claim, unpack, run, upload, end
#                        ├── _sec       the keeper: the only process that ever has secrets
#                        │    └── aws   or another client: the only one that gets them in its environment
#                        │                a subshell of the keeper uploads checkpoints
#                        ├── _timer     only while a phase has a limit
#                        ├── _watch     only when the logs have a bound
#                        ├── _metrics   only when the plan names files of metrics
#                        └── _exec      the inner wrapper, leader of the program's session
#                             └── the user's program
#   urls ── setsid ── _urls             moves data with presigned URLs, for the runner
#                        └── curl
#   cancel ── setsid ── _kill           ends the program's tree in the background
#   upload ── setsid ── _upload         does what a dead runner left undone
#
# Nothing here polls while a job runs, but for the watcher, every few seconds. Processes that wait for each other hold the two
# ends of a pipe, so that the kernel tells the one when the other dies: the keeper of a
# killed runner and the timer of a phase that is over read end-of-file and go.
#
# The text must run the same under dash, busybox ash, bash --posix and mksh: no local (so
# each function prefixes its variables), no arrays, no here-documents (they may become
# files), and no printf near a secret (mksh runs an external one).
#
# shellcheck disable=SC2154  # JOB, IMAGE … are assigned by the plan, which is sourced
# shellcheck disable=SC1090,SC1091  # the plan is made on the host
# shellcheck disable=SC2086  # $SH is "busybox sh" in tests; lists of pids are split
# shellcheck disable=SC2013  # a /proc path holds no blank
# shellcheck disable=SC2015  # a && b || c: wanted also when b fails
# shellcheck disable=SC2030,SC2031  # what a subshell exports is for its child only
# shellcheck disable=SC2317  # the words of a plan are called by the plan

lc_host=${LC_ALL+=$LC_ALL}
LC_ALL=C
export LC_ALL
unset CDPATH ENV BASH_ENV
# Names that a plan assigns; one that came exported would reach the program changed.
unset JOB ID ATTEMPT ENGINE AWS TOOL ENDPOINT REGION DOWNLOAD_LIMIT RUN_LIMIT UPLOAD_LIMIT GRACE GPUS
unset IMAGE OUTPUT DEST LOG_HEAD LOG_TAIL VERIFY CKPT CKPT_DEST CKPT_INTERVAL CKPT_SETTLE CKPT_RESUME
unset CACHE_KB ROOM_KB U_NEXT U_LANES U_STEM U_QUERY U_REFUSED
# ... and those that it may not set, which would mislead it.
unset JOB_CHECKPOINT_DIR JOB_RESUME_FROM
SH=${JOBFS_SH:-/bin/sh}
base=$HOME/.jobfs
case $0 in /*) ME=$0 ;; *) ME=$PWD/$0 ;; esac
nl='
'
tab='	'


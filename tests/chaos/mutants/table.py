"""The planted bugs: each is a few lines of the daemon or of the agent changed, and the scenario
that shows it. An edit is (file, text, text in its place); the text must be there once."""


class Mutant:
    """One bug that somebody could make."""

    def __init__(self, name, scenario, *edits):
        self.name = name
        self.scenario = scenario
        self.edits = edits


MUTANTS = [
    Mutant("a claim by rename, not by link", "late_launch",
           ("src/agent/file.sh", """\
	ln "$f_t" "$a/$1" 2>/dev/null || [ "$f_t" -ef "$a/$1" ] || f_rc=1
""", """\
	mv -f "$f_t" "$a/$1" 2>/dev/null || f_rc=1
""")),
    Mutant("the answer to close() before the commit", "killed_before_commits",
           ("src/engine/turn.c", """\
	bool is_committed = commit(e);
""", """\
	answer_requests(e);
	bool is_committed = commit(e);
""")),
    Mutant("calls to hosts before the commit", "killed_before_commits",
           ("src/engine/turn.c", """\
	bool is_committed = commit(e);
""", """\
	put_dirty_jobs(e);
	send_calls(e);
	bool is_committed = commit(e);
""")),
    Mutant("a log's bytes in one transaction, their number in another", "killed_while_printing",
           ("src/engine/event.c", """\
		if (error < 0) {
			engine_fail_turn(e, error, &err);
		}
	}
	if (error < 0) {
		return error;
	}
	r->stream_size[stream] += (int64_t)len;
""", """\
		if (error < 0) {
			engine_fail_turn(e, error, &err);
		} else {
			(void)store_commit(e->store, &err);
			(void)store_begin(e->store, &err);
		}
	}
	if (error < 0) {
		return error;
	}
	r->stream_size[stream] += (int64_t)len;
""")),
    Mutant("results before liveness", "one_after_another",
           ("src/agent/verb.sh", """\
	alive_word
	echo "attempt $att""", """\
	r_results=$(first_line exit "$a/exit"; first_line end "$a/end")
	nap 0.5
	alive_word
	echo "attempt $att"""),
           ("src/agent/verb.sh", """\
	first_line exit "$a/exit"
	[ -z "$p_end" ] || echo "$p_end"
	# made before""", """\
	[ -z "$r_results" ] || echo "$r_results"
	# made before""")),
    Mutant("another attempt when the launch is not answered", "late_launch",
           ("src/engine/step.c", """\
		if (job) {
			job->run->is_polled = false;
			poll_soon(job);
		}
		step_failed(e, host, job, "start", reply);
""", """\
		if (job && reply->fault != REMOTE_OK && job_edit(e, job)) {
			job->working->attempt.n++;
			job->run->payload = payload_free(job->run->payload);
			job->run->payload_sent = false;
		}
		step_failed(e, host, job, "start", reply);
""")),
    Mutant("the end of the channel is the end of the answer", "agent_killed_at_ack",
           ("src/job/frame.c", """\
			return 0;
		}
		if (read_item(&p, end, &item) < 0) {
			return -EBADMSG;
		}
	}
	return -EBADMSG;
""", """\
			return 0;
		}
		if (read_item(&p, end, &item) < 0) {
			return -EBADMSG;
		}
	}
	frame.end = end;
	(void)snprintf(frame.code, sizeof(frame.code), "OK");
	*ret_frame = frame;
	return 0;
""")),
    Mutant("a process is its number", "number_given_again",
           ("src/agent/process.sh", """\
	pstat "$1" && [ "$p_start" = "$2" ] && [ "$p_state" != Z ]
""", """\
	pstat "$1" && [ "$p_state" != Z ]
""")),
    Mutant("any host of that name is the host", "name_moved",
           ("src/engine/advance.c", """\
		.same_store = r->attempt.storeid && job->host &&
			      streq(r->attempt.storeid, job->host->storeid),
""", """\
		.same_store = true,
""")),
    Mutant("what the host says is uploaded is in S3", "output_lost",
           ("src/engine/inspect.c", """\
	first = manifest_missing(list, &n);
	t->q.reason = REASON_UPLOAD_FAILED;
""", """\
	first = manifest_missing(list, &n) ? NULL : NULL;
	t->q.reason = REASON_UPLOAD_FAILED;
""")),
    Mutant("a job is its session", "program_that_scatters",
           ("src/agent/process.sh", """\
	load_prog
	marked "JOBFS_ATTEMPT=$att"
""", """\
	load_prog
""")),
    Mutant("a cancel that does not compete for the claim", "late_launch_after_cancel",
           ("src/agent/cancel.sh", """\
		put_once claim "void cancel"
		[ $? != 2 ] || reply EDISK "cannot write in $a"
		durable "$a/claim" "$a"
		load_claim
""", """\
		reply VOIDED
"""),
           ("src/agent/cancel.sh", """\
		put_once claim 'void ack' && durable "$a/claim" "$a"
""", """\
		:
""")),
]

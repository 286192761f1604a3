/* Bugs on purpose: each is a mistake that a host, a network, a disk or the daemon could
 * make, and that the ledger has to see. The fakes play them; where one stands for a
 * mistake of the daemon, it is made at the seam in front of it. */
#include "sim.h"

static const struct {
	const char *name, *text;
} mutants[MUTANT_COUNT] = {
	[MUTANT_NONE] = { "none", "" },
	[MUTANT_NO_GATE] = { "no-gate",
			     "launch starts it again when there is a claim" },
	[MUTANT_SECOND_WRITER] = { "second-writer", "the last who writes `exit` wins" },
	[MUTANT_RESULTS_FIRST] = { "results-first",
				   "poll reads results, and then who lives" },
	[MUTANT_EMPTY_VOID] = { "empty-void", "who says VOIDED claims nothing" },
	[MUTANT_SAME_BOOT] = { "same-boot",
			       "a reboot is not noticed: dead runners live" },
	[MUTANT_LOG_OFFSET] = { "log-offset",
				"a poll sends one byte of the log twice" },
	[MUTANT_LOST_IS_VOID] = { "lost-is-void",
				  "a launch without an answer did not start" },
	[MUTANT_EARLY_ACK] = { "early-ack",
			       "a result is forgotten before it was committed" },
	[MUTANT_ANY_NONCE] = { "any-nonce",
			       "a reply is taken for that to another call" },
	[MUTANT_BLIND_VERIFY] = { "blind-verify", "outputs are believed to be in S3" },
	[MUTANT_OLD_OUTPUTS] = { "old-outputs",
				 "outputs of an earlier attempt count as new" },
	[MUTANT_NO_SYNC] = { "no-sync", "a crash loses the last commit" },
	[MUTANT_EXTRA_SLOT] = { "extra-slot",
				"each host gets one job more than it takes" },
};

const char *mutant_name(enum mutant mutant)
{
	return mutants[mutant].name;
}

const char *mutant_text(enum mutant mutant)
{
	return mutants[mutant].text;
}

enum mutant mutant_from_name(const char *name)
{
	enum mutant m = MUTANT_NONE;

	while (m < MUTANT_COUNT && !streq(mutants[m].name, name)) {
		m++;
	}
	return m;
}

/* Named places where a test lets the daemon die, or the world change under it. They are
 * compiled in with -Dfailpoints=true only; else nothing is left of them.
 *
 * JOBFS_FAILPOINT=NAME:N:ACTION chooses one, and the Nth time that it is reached:
 *   kill  the daemon gets SIGKILL
 *   run   the program JOBFS_FAILPOINT_COMMAND runs to its end, then the daemon goes on
 */
#pragma once

#ifdef JOBFS_FAILPOINTS
void failpoint_reach(const char *name, const char *verb);
#define FAILPOINT(name) failpoint_reach(name, "")
/* One name for each verb of the agent: "call.send.launch". */
#define FAILPOINT_OF(name, verb) failpoint_reach(name, verb)
#else
#define FAILPOINT(name)		 ((void)0)
#define FAILPOINT_OF(name, verb) ((void)(verb))
#endif

/*
 * init: pid 1 of a host of the test bed, started by `bed` after pivot_root.
 *
 *	init COMMAND...
 *
 * It lets go of the old root at /mnt, runs COMMAND once and from then on only reaps, so
 * that kill(pid, 0) on a dead job says ESRCH as it does on a real host. SIGTERM ends
 * it, and with it, by the kernel, every process of the host.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static void command_start(char **argv)
{
	sigset_t all;
	pid_t pid = fork();

	if (pid < 0) {
		perror("init: fork");
		exit(1);
	}
	if (pid > 0)
		return;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_UNBLOCK, &all, NULL);
	(void)setsid();
	(void)execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	sigset_t all;

	if (argc < 2) {
		(void)fputs("usage: init COMMAND...\n", stderr);
		return 2;
	}
	if (umount2("/mnt", MNT_DETACH) < 0) {
		perror("init: the old root at /mnt");
		return 1;
	}

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	command_start(argv + 1);

	for (;;) {
		int sig;

		if (sigwait(&all, &sig) == 0 && sig == SIGTERM)
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

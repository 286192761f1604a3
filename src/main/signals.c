#include "main/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "util/mem.h"

enum { STOP_SECONDS = 10 };

static pthread_t main_thread;
static struct fs *volatile serving; /* NULL before and after fs_serve() */
static struct fs *volatile mounted; /* NULL before fs_serve() and from unmount on */
static volatile sig_atomic_t last_signal;
static volatile sig_atomic_t seconds_stopping;
static volatile sig_atomic_t is_leaving;
static bool hangup_ends; /* else the keeper takes SIGHUP */

static void handle(int signal)
{
	static const char message[] = "jobfs: did not end in time, gives up\n";

	if (signal != SIGALRM) {
		last_signal = signal;
	} else if (++seconds_stopping >= STOP_SECONDS) {
		(void)!write(STDERR_FILENO, message, sizeof(message) - 1);
		if (mounted) {
			fs_give_up(mounted);
		}
		_exit(1);
	}
	if (serving) {
		is_leaving = last_signal == SIGUSR1 && fs_leave(serving);
		if (!is_leaving) {
			fs_exit(serving);
		}
	}
	(void)alarm(1);
}

/* A thread of a library that lets signals through passes them on. */
static void on_signal(int signal)
{
	int saved = errno;

	if (pthread_self() == main_thread) {
		handle(signal);
	} else {
		(void)pthread_kill(main_thread, signal);
	}
	errno = saved;
}

static void fill(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGUSR1);
	(void)sigaddset(set, SIGALRM);
	if (hangup_ends) {
		(void)sigaddset(set, SIGHUP);
	}
}

/* Signals that are ignored (nohup) stay so. flags: without SA_RESTART while fs_serve()
 * is to be woken up. */
static void set_handlers(int flags)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGUSR1, SIGALRM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	fill(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals) - !hangup_ends; i++) {
		struct sigaction old = { .sa_handler = SIG_DFL };

		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN) {
			(void)sigaction(signals[i], &action, NULL);
		}
	}
}

void signals_block(bool foreground)
{
	sigset_t set;

	main_thread = pthread_self();
	(void)signal(SIGPIPE, SIG_IGN);
	hangup_ends = foreground && isatty(STDIN_FILENO);
	fill(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void signals_serve(struct fs *fs)
{
	sigset_t set;

	serving = mounted = fs;
	set_handlers(0);
	fill(&set);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void signals_end(void)
{
	sigset_t set;

	fill(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	serving = NULL;
	seconds_stopping = 0;
	set_handlers(SA_RESTART);
	(void)alarm(1);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void signals_forget_fs(void)
{
	mounted = NULL;
}

int signals_last(void)
{
	return (int)last_signal;
}

bool signals_say_leave(void)
{
	return is_leaving;
}

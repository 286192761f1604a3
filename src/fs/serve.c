/* The session: from mount to unmount, and the threads that serve it.
 *
 * The loop is our own (libfuse's would do today): the first request, INIT, is served
 * alone, so that "the mount answers" is a fact when it is reported; and a daemon that
 * takes over the mount of its predecessor has to see requests before libfuse does.
 *
 * All threads read the one descriptor; the kernel wakes one for each request. They end
 * by cancellation, which is enabled only while they wait for a request: so every
 * request that was taken is served. */
#include "fs/fs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/notifier.h"
#include "fs/ops.h"
#include "fs/poll.h"
#include "fs/watch.h"
#include "util/clock.h"
#include "util/fspath.h"
#include "util/log.h"

/* No handler waits for the network, but some for the disk: enough that a few of these
 * do not make `ls` wait. */
enum { SERVE_THREADS = 12 };

#define WAKE_SIGNAL SIGRTMIN
enum { WAKE_AGAIN_MS = 2 };

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	/* open with O_TRUNC is one step, so that no reader sees an emptied spec.json of
	 * a writer who is refused */
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
	conn->want |= conn->capable & FUSE_CAP_READDIRPLUS_AUTO;
	/* write errors must reach the writer, and sizes are ours */
	conn->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
	fs->is_initialised = true;
}

/* No xattr, ioctl, lock, lseek or copy_file_range: the kernel then stops asking
 * and does what can be done without us. */
const struct fuse_lowlevel_ops fs_operations = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.access = op_access,
	.readlink = op_readlink,
	.statfs = op_statfs,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsyncdir,
	.mkdir = op_mkdir,
	.mknod = op_mknod,
	.symlink = op_symlink,
	.link = op_link,
	.rmdir = op_rmdir,
	.unlink = op_unlink,
	.rename = op_rename,
	.create = op_create,
	.open = op_open,
	.release = op_release,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.fsync = op_fsync,
	.poll = op_poll,
	.fallocate = op_fallocate,
};

static void log_libfuse(enum fuse_log_level level, const char *format, va_list args)
{
	char text[1024];
	size_t n;

	(void)vsnprintf(text, sizeof(text), format, args);
	n = strlen(text);
	if (n > 0 && text[n - 1] == '\n') {
		text[n - 1] = '\0';
	}
	log_write(level <= FUSE_LOG_ERR	      ? LOG_LEVEL_ERROR
		  : level == FUSE_LOG_WARNING ? LOG_LEVEL_WARNING
					      : LOG_LEVEL_DEBUG,
		  "%s", text);
}

static struct fs *fs_new(struct engine *engine)
{
	struct fs *fs = calloc(1, sizeof(*fs));

	if (!fs) {
		return NULL;
	}
	fs->engine = engine;
	fs->store = engine_store(engine);
	fs->conf = engine_conf(engine);
	fs->uid = getuid();
	fs->gid = getgid();
	fs->started_ms = clock_wall_ms();
	fs->exit_fd = fs->waiters.wake_fd = -1;
	draft_table_init(&fs->drafts);
	handle_table_init(&fs->handles);
	usage_init(&fs->usage, fs->store, fs->conf->limits.files_bytes,
		   fs->conf->limits.user_bytes);
	makers_init(&fs->makers);
	known_init(&fs->known);
	return fs;
}

static void fs_freep(struct fs **fs)
{
	*fs = fs_unmount(*fs);
}

/* Is it one of the words between the commas? */
static bool has_option(const char *options, const char *name)
{
	size_t n = strlen(name);

	while (options) {
		if (strncmp(options, name, n) == 0 &&
		    (options[n] == ',' || options[n] == '\0')) {
			return true;
		}
		options = strchr(options, ',');
		options = options ? options + 1 : NULL;
	}
	return false;
}

static int make_session(struct fs *fs, const char *options, struct err *e)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = -ENOMEM;

	if (fuse_opt_add_arg(&args, "jobfs") == 0 &&
	    fuse_opt_add_arg(&args, "-ofsname=jobfs,subtype=jobfs") == 0 &&
	    (!options || (fuse_opt_add_arg(&args, "-o") == 0 &&
			  fuse_opt_add_arg(&args, options) == 0))) {
		fs->session = fuse_session_new(&args, &fs_operations,
					       sizeof(fs_operations), fs);
		r = fs->session ? 0 : -EINVAL;
	}
	fuse_opt_free_args(&args);
	if (r == -EINVAL) {
		return err_set(e, r, "mount options are wrong: %s",
			       options ? options : "");
	}
	return r < 0 ? err_set(e, r, "no memory") : 0;
}

static int do_mount(struct fs *fs, const char *mountpoint, const char *options,
		    struct err *e)
{
	int r = fspath_resolve(mountpoint, &fs->mountpoint);

	if (r < 0) {
		return err_set(e, r, "%s: %s", mountpoint, strerror(-r));
	}
	fs->is_shared = has_option(options, "allow_other");
	r = mount_clear(fs->mountpoint, e);
	r = r < 0 ? r : make_session(fs, options, e);
	if (r < 0) {
		return r;
	}
	fs->exit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->exit_fd < 0) {
		return err_set(e, -errno, "eventfd: %s", strerror(errno));
	}
	if (fuse_session_mount(fs->session, fs->mountpoint) != 0) {
		return err_set(e, -EIO, "cannot mount at %s", fs->mountpoint);
	}
	fs->is_mounted = true;
	return 0;
}

int fs_mount(struct engine *engine, const char *mountpoint, const char *options,
	     struct fs **ret_fs, struct err *e)
{
	cleanup_(fs_freep) struct fs *fs = fs_new(engine);
	int r;

	if (!fs) {
		return err_set(e, -ENOMEM, "no memory");
	}
	fuse_set_log_func(log_libfuse);
	r = waiters_init(&fs->waiters);
	r = r < 0 ? r : notifier_new(fs, &fs->notifier);
	if (r < 0) {
		return err_set(e, r, "cannot prepare to notify: %s", strerror(-r));
	}
	r = do_mount(fs, mountpoint, options, e);
	if (r == 0) {
		engine_set_listener(engine, &watch_listener, fs);
		*ret_fs = steal_ptr(&fs);
	}
	return r;
}

struct fs *fs_unmount(struct fs *fs)
{
	if (!fs) {
		return NULL;
	}
	if (fs->is_mounted) {
		fuse_session_unmount(fs->session);
	}
	if (fs->session) {
		fuse_session_destroy(fs->session);
	}
	if (fs->is_mounted) { /* libfuse leaves a mount whose connection was aborted */
		(void)mount_clear(fs->mountpoint, NULL);
	}
	handle_table_fini(&fs->handles);
	draft_table_fini(&fs->drafts);
	usage_fini(&fs->usage);
	makers_fini(&fs->makers);
	known_fini(&fs->known);
	fs->notifier = notifier_free(fs->notifier);
	waiters_fini(&fs->waiters);
	closep(&fs->exit_fd);
	free(fs->mountpoint);
	free(fs);
	return NULL;
}

void fs_exit(struct fs *fs)
{
	uint64_t one = 1;
	int saved = errno;

	(void)!write(fs->exit_fd, &one, sizeof(one));
	errno = saved;
}

/* --- serving --------------------------------------------------------------------- */

struct server {
	struct fs *fs;
	pthread_t thread;
	bool is_started;
	atomic_bool is_done;
	int result;
	struct fuse_buf buf;
};

/* 0: served one, or was interrupted; 1: the mount is gone or fs_exit() was called;
 * negative errno. */
static int serve_one(struct server *s)
{
	int r = fuse_session_receive_buf(s->fs->session, &s->buf);

	if (r == -EINTR || r == -EAGAIN) {
		return 0;
	}
	if (r <= 0) {
		return r < 0 ? r : 1;
	}
	fuse_session_process_buf(s->fs->session, &s->buf);
	return 0;
}

static void *serve_thread(void *arg)
{
	struct server *s = arg;
	sigset_t wake;
	int r = 0;

	(void)sigemptyset(&wake);
	(void)sigaddset(&wake, WAKE_SIGNAL);
	(void)pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	while (r == 0 && !fuse_session_exited(s->fs->session)) {
		r = serve_one(s);
	}
	s->result = r < 0 ? r : 0;
	fs_exit(s->fs);
	s->is_done = true;
	return NULL;
}

/* Until INIT was answered. */
static int serve_init(struct fs *fs)
{
	struct server s = { .fs = fs };
	struct pollfd fds[] = {
		{ .fd = fuse_session_fd(fs->session), .events = POLLIN },
		{ .fd = fs->exit_fd, .events = POLLIN },
	};
	int r = 0;

	while (r == 0 && !fs->is_initialised) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR) {
			r = -errno;
		} else if (fds[1].revents) {
			r = 1;
		} else if (fds[0].revents) {
			r = serve_one(&s);
		}
	}
	free(s.buf.mem);
	return r;
}

/* Until fs_exit(); meanwhile who waits too long for the end of a job is answered. */
static void wait_for_exit(struct fs *fs)
{
	struct pollfd fds[] = {
		{ .fd = fs->exit_fd, .events = POLLIN },
		{ .fd = fs->waiters.wake_fd, .events = POLLIN },
	};
	uint64_t count;

	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), wait_expire(fs)) > 0 && fds[1].revents) {
			(void)!read(fs->waiters.wake_fd, &count, sizeof(count));
		}
	}
}

static void wake_up(int signal)
{
	(void)signal; /* only the interruption counts */
}

static int start_servers(struct fs *fs, struct server *servers)
{
	struct sigaction action = { .sa_handler = wake_up };

	if (sigaction(WAKE_SIGNAL, &action, NULL) < 0) {
		return -errno;
	}
	for (int i = 0; i < SERVE_THREADS; i++) {
		int r;

		servers[i].fs = fs;
		r = pthread_create(&servers[i].thread, NULL, serve_thread, &servers[i]);
		if (r != 0) {
			return -r;
		}
		(void)pthread_setname_np(servers[i].thread, "fs");
		servers[i].is_started = true;
	}
	return 0;
}

static void stop_server(struct server *s)
{
	while (!s->is_done) {
		(void)pthread_kill(s->thread, WAKE_SIGNAL);
		(void)poll(NULL, 0, WAKE_AGAIN_MS);
	}
	(void)pthread_join(s->thread, NULL);
}

/* The first error that ended one of them, 0: none. */
static int stop_servers(struct server *servers)
{
	int result = 0;

	for (int i = 0; i < SERVE_THREADS; i++) {
		if (servers[i].is_started) {
			(void)pthread_kill(servers[i].thread, WAKE_SIGNAL);
		}
	}
	for (int i = 0; i < SERVE_THREADS; i++) {
		if (servers[i].is_started) {
			stop_server(&servers[i]);
			result = result < 0 ? result : servers[i].result;
		}
		free(servers[i].buf.mem);
	}
	return result;
}

int fs_serve(struct fs *fs, void (*ready)(void *arg), void *arg)
{
	struct server servers[SERVE_THREADS] = { 0 };
	int r = serve_init(fs), result;

	if (r != 0) {
		return r < 0 ? r : 0;
	}
	if (ready) {
		ready(arg);
	}
	r = start_servers(fs, servers);
	r = r < 0 ? r : notifier_start(fs->notifier);
	if (r == 0) {
		wait_for_exit(fs);
	}
	wait_end(fs);
	notifier_stop(fs->notifier); /* it waits for the servers */
	fuse_session_exit(fs->session);
	result = stop_servers(servers);
	return r < 0 ? r : result;
}

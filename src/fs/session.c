/* The session: from mount, or from the taking over of one, to unmount. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/adopt.h"
#include "fs/fs.h"
#include "fs/helper.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/notifier.h"
#include "fs/ops.h"
#include "fs/park.h"
#include "fs/poll.h"
#include "fs/watch.h"
#include "util/clock.h"
#include "util/fspath.h"
#include "util/log.h"

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	/* open with O_TRUNC is one step, so that no reader sees an emptied spec.json of
	 * a writer who is refused */
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
	conn->want |= conn->capable & FUSE_CAP_READDIRPLUS_AUTO;
	/* inode numbers are for ever, so file handles are too */
	conn->want |= conn->capable & FUSE_CAP_EXPORT_SUPPORT;
	/* write errors must reach the writer, and sizes are ours */
	conn->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
	conn->max_write = FS_WRITE_MAX;
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
	known_init(&fs->known);
	listed_init(&fs->listed);
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

static int use_memory(struct fs *fs, struct memory *memory)
{
	fs->memory = memory;
	fs->drafts.memory = memory;
	makers_init(&fs->makers, &memory->head->makers);
	return handle_table_set_memory(&fs->handles, memory);
}

static bool is_dead(int fuse_fd)
{
	struct pollfd fd = { .fd = fuse_fd };

	return poll(&fd, 1, 0) < 0 || (fd.revents & POLLERR);
}

/* What is parked is a mount that can be gone on with: takes the memory over. */
static int check_parked(const struct fs *fs, const char *options,
			const int fds[static HOLDER_FD_COUNT],
			struct memory **ret_memory)
{
	int r = memory_open(fds[HOLDER_MEMORY], fs->mountpoint, options, ret_memory);

	if (r == 0 && (is_dead(fds[HOLDER_FUSE]) || !mount_is_there(fs->mountpoint))) {
		*ret_memory = memory_free(*ret_memory);
		r = -ENOTCONN;
	}
	if (r == 0 && !memory_note_takeover(*ret_memory)) {
		*ret_memory = memory_free(*ret_memory);
		r = MEMORY_IS_DEADLY;
	}
	return r;
}

static const char *why_not(int r)
{
	switch (r) {
	case MEMORY_IS_OTHER:
		return "it is of another version, or has other options";
	case MEMORY_IS_DEADLY:
		return "too many have died of that already";
	default:
		return strerror(-r);
	}
}

/* The fd is taken over. */
static int use_session(struct fs *fs, int fuse_fd, const char *options, struct err *e)
{
	char path[32];
	int r = make_session(fs, options, e);

	(void)snprintf(path, sizeof(path), "/dev/fd/%d", fuse_fd);
	if (r == 0 && fuse_session_mount(fs->session, path) != 0) {
		r = err_set(e, -EIO, "cannot serve %s", fs->mountpoint);
	}
	if (r < 0) {
		(void)close(fuse_fd);
	}
	return r;
}

/* What went wrong may be right for the next daemon. */
static void leave_parked(struct fs *fs)
{
	fs->park = park_leave(fs->park);
	fs->is_mounted = false;
}

/* 1: the mount of a predecessor is ours; 0: there is none, or none that can be gone on
 * with. */
static int take_over(struct fs *fs, const char *options, struct err *e)
{
	struct memory *memory;
	int fds[HOLDER_FD_COUNT];
	int r = park_take(fs->conf->state_dir, fs->mountpoint, fds, &fs->park);

	if (r <= 0) {
		return r < 0 ? err_set(e, r, "what a jobfs that has died left: %s",
				       strerror(-r))
			     : 0;
	}
	r = check_parked(fs, options, fds, &memory);
	if (r == -ENOMEM) {
		(void)close(fds[HOLDER_FUSE]);
		leave_parked(fs);
		return err_set(e, r, "no memory");
	}
	if (r != 0) {
		log_info("the mount of a jobfs that has died cannot be taken over: %s",
			 why_not(r));
		(void)close(fds[HOLDER_FUSE]);
		fs->park = park_end(fs->park);
		return 0;
	}
	r = use_memory(fs, memory);
	if (r < 0) {
		(void)close(fds[HOLDER_FUSE]);
		leave_parked(fs);
		return err_set(e, r, "no memory");
	}
	r = use_session(fs, fds[HOLDER_FUSE], options, e);
	r = r < 0 ? r : adopt_state(fs, e);
	if (r < 0) {
		leave_parked(fs);
		return r;
	}
	fs->is_mounted = fs->is_moved = fs->is_adopted = true;
	return 1;
}

/* At the place where it is to be. */
static int mount_there(struct fs *fs, const char *options, struct err *e)
{
	int r = mount_clear(fs->mountpoint, e);

	r = r < 0 ? r : make_session(fs, options, e);
	if (r == 0 && fuse_session_mount(fs->session, fs->mountpoint) != 0) {
		r = err_set(e, -EIO, "cannot mount at %s", fs->mountpoint);
	}
	return r;
}

static void end_session(struct fs *fs)
{
	fuse_session_unmount(fs->session);
	fuse_session_destroy(fs->session);
	fs->session = NULL;
}

/* In the place of a dead mount, which libfuse cannot mount over: so it mounts
 * elsewhere, and what it has mounted is moved. Who writes in between must not write
 * into the bare directory. Negative errno: it could not be. */
static int mount_instead(struct fs *fs, const char *options, struct err *e)
{
	cleanup_buf struct buf from = BUF_INIT;
	int fd, r = buf_printf(&from, "%s/mount", fs->conf->state_dir);

	if (r < 0 || (mkdir(from.data, 0700) < 0 && errno != EEXIST)) {
		return r < 0 ? r : -errno;
	}
	/* of one that died in the middle of this */
	(void)umount2(from.data, MNT_DETACH);
	r = make_session(fs, options, e);
	if (r < 0) {
		return r;
	}
	if (fuse_session_mount(fs->session, from.data) != 0) {
		fuse_session_destroy(fs->session);
		fs->session = NULL;
		return -EIO;
	}
	fd = fcntl(fuse_session_fd(fs->session), F_DUPFD_CLOEXEC, 0);
	r = fd < 0 ? -errno : mount_replace(from.data, fs->mountpoint);
	end_session(fs);
	if (r < 0) {
		closep(&fd);
		return r;
	}
	fs->is_moved = true;
	log_info("%s: put in the place of the mount of a jobfs that has died",
		 fs->mountpoint);
	return use_session(fs, fd, options, e);
}

static int mount_anew(struct fs *fs, const char *options, struct err *e)
{
	struct memory *memory = NULL;
	int r;

	r = memory_new(fs->mountpoint, options, &memory);
	r = r < 0 ? r : use_memory(fs, memory);
	if (r < 0) {
		return err_set(e, r, "the memory of the mount: %s", strerror(-r));
	}
	r = -EPERM;
	if (geteuid() == 0 && mount_is_dead(fs->mountpoint)) {
		r = mount_instead(fs, options, e);
	}
	if (!fs->session) {
		r = mount_there(fs, options, e);
	}
	fs->is_mounted = r == 0;
	return r;
}

static int do_mount(struct fs *fs, const char *mountpoint, const char *options,
		    struct err *e)
{
	int r = fspath_resolve(mountpoint, &fs->mountpoint);

	if (r < 0) {
		return err_set(e, r, "%s: %s", mountpoint, strerror(-r));
	}
	fs->is_shared = has_option(options, "allow_other");
	fs->exit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->exit_fd < 0) {
		return err_set(e, -errno, "eventfd: %s", strerror(errno));
	}
	r = take_over(fs, options, e);
	return r == 0 ? mount_anew(fs, options, e) : r < 0 ? r : 0;
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

/* Nothing of the mount is parked any more before it is unmounted: who still has
 * something open in it gets an error at once. */
static void unmount(struct fs *fs)
{
	bool was_alive = fs->is_mounted && !is_dead(fuse_session_fd(fs->session));

	fs->park = park_end(fs->park);
	if (fs->is_mounted) {
		fuse_session_unmount(fs->session);
	}
	if (fs->session) {
		fuse_session_destroy(fs->session);
	}
	if (was_alive && fs->is_moved) { /* of which libfuse does not know the place */
		mount_end(fs->mountpoint);
	} else if (fs->is_mounted) { /* it leaves one whose connection was aborted */
		(void)mount_clear(fs->mountpoint, NULL);
	}
}

struct fs *fs_unmount(struct fs *fs)
{
	if (!fs) {
		return NULL;
	}
	unmount(fs);
	handle_table_fini(&fs->handles);
	draft_table_fini(&fs->drafts);
	usage_fini(&fs->usage);
	makers_fini(&fs->makers);
	known_fini(&fs->known);
	listed_fini(&fs->listed);
	fs->notifier = notifier_free(fs->notifier);
	waiters_fini(&fs->waiters);
	fs->memory = memory_free(fs->memory);
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

bool fs_leave(struct fs *fs)
{
	if (!park_holds(fs->park)) {
		return false;
	}
	memory_note_served(fs->memory); /* it does not die, be it idle */
	fs->is_leaving = true;
	fs_exit(fs);
	return true;
}

void fs_leave_adopted(struct fs *fs)
{
	if (fs->is_adopted) {
		leave_parked(fs);
	}
}

void fs_give_up(const struct fs *fs)
{
	if (!fs->is_leaving) {
		park_end_at_once(fs->park);
	}
}

bool fs_answers_at(const char *path)
{
	char *argv[] = { (char *)"jobfs-toucher", (char *)path, (char *)"statfs",
			 NULL };
	pid_t pid;

	return helper_spawn(argv, NULL, 0, &pid) == 0 && helper_wait(pid) == 0;
}

bool fs_is_mounted_at(const char *path)
{
	return mount_is_there(path);
}

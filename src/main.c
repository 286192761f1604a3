/* jobfs: the order of the start and of the end.
 *
 * The start is in two halves. What only reads (arguments, configuration, mount point,
 * state directory) comes first and fails on the user's terminal. Then, unless -f, the
 * process forks and the child opens the store, loads the jobs, mounts and starts the
 * engine, while the parent waits to hear that the kernel has the answer to INIT. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "engine/engine.h"
#include "fs/fs.h"
#include "main/arguments.h"
#include "main/keeper.h"
#include "main/signals.h"
#include "store/store.h"
#include "util/buf.h"
#include "util/detach.h"
#include "util/fspath.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/notify.h"

enum { EXIT_OK = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2 };
enum { START_TIMEOUT_MS = 120 * 1000, FILES_WANTED = 65536 };

struct daemon {
	const struct arguments *args;
	struct conf *conf;
	char *mountpoint; /* absolute */
	int log_fd;	  /* of STATE_DIR/jobfs.log, unless in the foreground */
	int parent_fd;	  /* to whom the start is told, -1: nobody */
	struct store *store;
	struct engine *engine;
	struct fs *fs;
	struct keeper *keeper;
};

/* ---- what is printed ---- */

static int print(const struct buf *text)
{
	if (text->error || fputs(buf_text(text), stdout) < 0 || fflush(stdout) < 0) {
		(void)fprintf(stderr, "jobfs: could not print: %s\n",
			      strerror(text->error ? -text->error : errno));
		return EXIT_RUNTIME;
	}
	return EXIT_OK;
}

static int print_help(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)arguments_render_help(&text);
	(void)conf_render_help(&text);
	return print(&text);
}

static int print_version(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)buf_add_str(&text, "jobfs " JOBFS_VERSION "\n");
	return print(&text);
}

/* ---- the half that fails on the terminal ---- */

/* Secrets are in this process: no core file, no ptrace by other processes of the user.
 */
static void harden(void)
{
	const struct rlimit none = { 0, 0 };

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}

/* Open files of users, connections: a shell's limit of 1024 is soon reached. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
		files.rlim_cur =
			files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* 0, or the exit code with the problems on stderr. */
static int load_conf(const struct arguments *args, struct conf **ret_conf)
{
	const char *const *env = (const char *const *)environ;
	cleanup_free char *found = NULL;
	struct err e = ERR_INIT;

	if (!args->config && conf_find_file(env, &found) < 0) {
		(void)fprintf(stderr, "jobfs: out of memory\n");
		return EXIT_RUNTIME;
	}
	if (conf_load(args->config ? args->config : found, env, args->set, ret_conf,
		      &e) < 0) {
		(void)fprintf(stderr, "%s\n", e.text);
		return EXIT_USAGE;
	}
	conf_scrub_environment();
	return EXIT_OK;
}

static int print_conf(const struct conf *conf)
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)buf_printf(&text, "%s: ok\n",
			 conf->config_file ? conf->config_file
					   : "(no configuration file)");
	(void)conf_render(conf, &text);
	return print(&text);
}

static int check_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		return -errno;
	}
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* A mount whose daemon is dead is fine: fs_mount() takes it over, or away. It is not
 * looked at: that would wait for the daemon which is to serve it. */
static int find_mountpoint(const char *path, char **ret_mountpoint)
{
	cleanup_free char *real = NULL;
	int r = fspath_resolve(path, &real);

	if (r == 0 && !fs_is_mounted_at(real)) {
		r = check_directory(real);
	}
	if (r < 0) {
		(void)fprintf(stderr, "jobfs: mount point %s: %s\n", path,
			      strerror(-r));
		return EXIT_RUNTIME;
	}
	*ret_mountpoint = steal_ptr(&real);
	return EXIT_OK;
}

/* The daemon would wait for itself. */
static int check_outside(const char *name, const char *path, const char *mountpoint)
{
	cleanup_free char *real = NULL;

	if (!path) {
		return EXIT_OK;
	}
	/* a name that says so by itself is not looked up: it would wait as well */
	if (!fspath_is_below(path, mountpoint) &&
	    (fspath_resolve(path, &real) < 0 || !fspath_is_below(real, mountpoint))) {
		return EXIT_OK;
	}
	(void)fprintf(
		stderr,
		"jobfs: %s: %s lies below the mount point %s; expected a place outside "
		"of it\n",
		name, path, mountpoint);
	return EXIT_USAGE;
}

static int check_paths(const struct conf *conf, const char *mountpoint)
{
	int code = EXIT_OK;

	code |= check_outside("configuration", conf->config_file, mountpoint);
	code |= check_outside("state_dir", conf->state_dir, mountpoint);
	code |= check_outside("ssh.known_hosts", conf->ssh.known_hosts, mountpoint);
	for (char **file = conf->ssh.identity; *file; file++) {
		code |= check_outside("ssh.identity", *file, mountpoint);
	}
	code |= check_outside("s3.environment_file", conf->s3.environment_file,
			      mountpoint);
	code |= check_outside("aws.bundle", conf->aws.bundle, mountpoint);
	code |= check_outside("SSH_AUTH_SOCK", getenv("SSH_AUTH_SOCK"), mountpoint);
	code |= check_outside("AWS_CA_BUNDLE", getenv("AWS_CA_BUNDLE"), mountpoint);
	return code;
}

static int make_state_dir(const char *path)
{
	int r = fspath_make_dirs(path, 0700);
	struct stat st;

	if (r == 0 && stat(path, &st) < 0) {
		r = -errno;
	}
	if (r != 0) {
		(void)fprintf(stderr, "jobfs: state_dir: %s: %s\n", path, strerror(-r));
		return EXIT_RUNTIME;
	}
	if (st.st_uid != geteuid()) {
		(void)fprintf(stderr,
			      "jobfs: state_dir: %s: found the owner with uid %u; "
			      "expected uid "
			      "%u, which jobfs runs as\n",
			      path, (unsigned)st.st_uid, (unsigned)geteuid());
		return EXIT_RUNTIME;
	}
	if (st.st_mode & 022) {
		(void)fprintf(stderr,
			      "jobfs: state_dir: %s: found mode %04o; expected no "
			      "write access "
			      "for group and others: chmod 700 %s\n",
			      path, (unsigned)st.st_mode & 07777, path);
		return EXIT_RUNTIME;
	}
	return EXIT_OK;
}

static int open_log(const char *state_dir, int *ret_fd)
{
	cleanup_buf struct buf path = BUF_INIT;
	int fd;

	if (buf_printf(&path, "%s/jobfs.log", state_dir) < 0) {
		(void)fprintf(stderr, "jobfs: out of memory\n");
		return EXIT_RUNTIME;
	}
	fd = open(path.data,
		  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
		  0600);
	if (fd < 0) {
		(void)fprintf(stderr, "jobfs: %s: %s\n", path.data, strerror(errno));
		return EXIT_RUNTIME;
	}
	*ret_fd = fd;
	return EXIT_OK;
}

static int prepare(struct daemon *d, const struct arguments *args)
{
	int code = load_conf(args, &d->conf);

	if (code == EXIT_OK && args->mountpoint) {
		code = find_mountpoint(args->mountpoint, &d->mountpoint);
	}
	if (code == EXIT_OK && d->mountpoint) {
		code = check_paths(d->conf, d->mountpoint);
	}
	if (code == EXIT_OK && !args->check) {
		code = make_state_dir(d->conf->state_dir);
	}
	if (code == EXIT_OK && !args->check && !args->foreground) {
		code = open_log(d->conf->state_dir, &d->log_fd);
	}
	return code;
}

/* ---- the daemon ---- */

/* Nothing is mended behind the user's back: whatever is missing in the database would
 * be a job that runs and that nobody knows of. */
static int add_advice(const struct daemon *d, int r, struct err *e)
{
	const char *dir = d->conf->state_dir;
	struct err what = *e;

	if (what.code != -EUCLEAN) {
		return r;
	}
	return err_set(
		e, -EUCLEAN,
		"%s; jobs that run go on on their hosts. Put a copy of %s/jobfs.db "
		"back, or save what is readable: cd %s && sqlite3 jobfs.db .recover "
		"| sqlite3 new.db && rm -f jobfs.db-wal && mv new.db jobfs.db; or move "
		"jobfs.db and jobfs.db-wal away, to begin without jobs",
		what.text, dir, dir);
}

/* What can be changed while jobs are under way is the level of the log; a restart, over
 * which jobs go on, brings the rest. A configuration that is wrong is told now and not
 * at that restart. -EINVAL: it is. In the keeper's thread after SIGHUP, in the engine's
 * for the ctl. */
static int reload(void *arg)
{
	struct daemon *d = arg;
	const char *file = d->conf->config_file;
	struct conf *conf = NULL;
	struct err e = ERR_INIT;

	if (conf_load(file, (const char *const *)environ, d->args->set, &conf, &e) <
	    0) {
		log_error("reload: the configuration stays as it was: %s", e.text);
		return -EINVAL;
	}
	if (!d->args->debug) {
		log_set_level((enum log_level)conf->log.level);
	}
	(void)conf_free(conf);
	log_info("reload: %s is right; log.level is in force, anything else that was "
		 "changed is from the next start on",
		 file ? file : "the configuration");
	return 0;
}

static int open_all(struct daemon *d, const char *mount_options, struct err *e)
{
	int r = store_open(d->conf->state_dir, &d->store, e);

	if (r == 0) {
		r = engine_new(d->conf, d->store, NULL, &d->engine, e);
	}
	r = r < 0 ? add_advice(d, r, e) : 0;
	/* Mounted before the engine starts: without a mount no host is asked anything.
	 */
	if (r == 0) {
		engine_set_reload(d->engine, reload, d);
		r = fs_mount(d->engine, d->mountpoint, mount_options, &d->fs, e);
	}
	if (r < 0) {
		return r;
	}
	r = engine_start(d->engine, e);
	if (r < 0) {
		fs_leave_adopted(d->fs);
	}
	return r;
}

/* What was published is unmounted last, so that nobody waits for an answer that will
 * not come: engine_stop() gives all of them. */
static void close_all(struct daemon *d)
{
	keeper_stop(d->keeper);
	if (d->engine) {
		engine_stop(d->engine);
	}
	signals_forget_fs();
	d->fs = fs_unmount(d->fs);
	d->keeper = keeper_free(d->keeper);
	d->engine = d->engine ? engine_free(d->engine) : NULL;
	d->store = d->store ? store_close(d->store) : NULL;
}

/* For whoever has moved the log away. */
static void reopen_log(struct daemon *d)
{
	cleanup_close int fd = -1;

	if (d->log_fd >= 0 && open_log(d->conf->state_dir, &fd) == EXIT_OK) {
		(void)dup2(fd, STDERR_FILENO);
	}
}

static void on_hangup(void *arg)
{
	reopen_log(arg);
	(void)reload(arg);
}

/* In a thread of fs_serve(). */
static void on_ready(void *arg)
{
	struct daemon *d = arg;
	cleanup_buf struct buf lines = BUF_INIT;
	struct err e = ERR_INIT;
	int r;

	if (keeper_start(d->engine, d->mountpoint, on_hangup, d, &d->keeper, &e) < 0) {
		log_error("%s", e.text);
	}

	log_info("jobfs " JOBFS_VERSION " is mounted at %s; state is in %s; %zu hosts",
		 d->mountpoint, d->conf->state_dir, d->conf->n_hosts);
	(void)buf_printf(&lines, "READY=1\nSTATUS=Mounted at %s", d->mountpoint);
	r = notify_send(buf_text(&lines));
	if (r < 0) {
		log_warning("NOTIFY_SOCKET: %s", strerror(-r));
	}
	detach_ready(&d->parent_fd);
}

/* Whoever started us hears of it: the parent, or the terminal or journal. */
static int fail(struct daemon *d, int code, const struct err *e)
{
	if (d->parent_fd >= 0) {
		detach_failed(&d->parent_fd, e);
	} else {
		log_error("%s", e->text[0] ? e->text : strerror(-code));
	}
	return EXIT_RUNTIME;
}

/* What a configuration may lack and be right. */
static void each_gap(const struct conf *conf, void (*say)(const char *text))
{
	if (conf->n_hosts == 0) {
		say("the configuration names no hosts: jobs will wait");
	}
	if (!conf->secrets.access_key) {
		say("there are no credentials for S3 (AWS_ACCESS_KEY_ID)");
	}
}

static void print_gap(const char *text)
{
	(void)fprintf(stderr, "jobfs: warning: %s\n", text);
}

static void log_gap(const char *text)
{
	log_warning("%s", text);
}

static void lock_secrets(const struct conf *conf)
{
	int r = conf_lock_secrets(conf);

	if (r < 0) {
		log_warning("secrets could not be locked into memory: %s",
			    strerror(-r));
	}
}

/* All that was promised is on disk, and whoever was not answered asks the next daemon:
 * there is nothing to do but to be gone. */
static _Noreturn void leave(const struct daemon *d)
{
	log_info("the mount at %s waits for the next jobfs", d->mountpoint);
	(void)notify_send("STOPPING=1\nSTATUS=Left the mount to the next jobfs");
	_exit(EXIT_OK);
}

static int serve(struct daemon *d, const char *mount_options)
{
	struct err e = ERR_INIT;
	int code = EXIT_OK, r;

	r = open_all(d, mount_options, &e);
	if (r < 0) {
		code = fail(d, r, &e);
		signals_end();
		close_all(d);
		return code;
	}
	signals_serve(d->fs);
	r = fs_serve(d->fs, on_ready, d);
	signals_end();
	if (r == 0 && signals_say_leave()) {
		leave(d);
	}
	(void)notify_send("STOPPING=1\nSTATUS=Stopping");
	if (r < 0) {
		(void)err_set(&e, r, "the mount ended: %s", strerror(-r));
		code = fail(d, r, &e);
	} else if (signals_last() > 0) {
		log_info("stopping: signal %d", signals_last());
	} else {
		log_info("stopping: unmounted");
	}
	close_all(d);
	return code;
}

/* 1: go on as the daemon; 0: done, or < 0: failed, in the parent. */
static int go_into_background(struct daemon *d)
{
	struct err e = ERR_INIT;
	int r = detach_fork(START_TIMEOUT_MS, &d->parent_fd, &e);

	if (r < 0) {
		(void)fprintf(stderr, "jobfs: %s\n", e.text);
	}
	if (r <= 0) {
		return r;
	}
	r = detach_streams(d->log_fd);
	if (r < 0) {
		(void)err_set(&e, r, "going into the background: %s", strerror(-r));
		detach_failed(&d->parent_fd, &e);
		return r;
	}
	/* The log is a file now, whatever started us. */
	(void)unsetenv("JOURNAL_STREAM");
	/* A manager gives what it keeps to whom it starts: that is not us. */
	(void)unsetenv("FDSTORE");
	return 1;
}

static int run(struct daemon *d, const struct arguments *args)
{
	int r;

	log_set_level(args->debug ? LOG_LEVEL_DEBUG
				  : (enum log_level)d->conf->log.level);
	if (args->foreground) {
		if (chdir("/") < 0) {
			(void)fprintf(stderr, "jobfs: /: %s\n", strerror(errno));
			return EXIT_RUNTIME;
		}
	} else {
		r = go_into_background(d);
		if (r <= 0) {
			return r < 0 ? EXIT_RUNTIME : EXIT_OK;
		}
	}
	signals_block(args->foreground);
	lock_secrets(d->conf);
	each_gap(d->conf, log_gap);
	return serve(d, args->mount_options.len > 0 ? args->mount_options.data : NULL);
}

int main(int argc, char **argv)
{
	struct arguments args = { .config = NULL };
	struct daemon d = { .args = &args, .log_fd = -1, .parent_fd = -1 };
	int code;

	(void)umask(077);
	if (arguments_parse(argc, argv, &args) < 0) {
		code = EXIT_USAGE;
	} else if (args.help) {
		code = print_help();
	} else if (args.version) {
		code = print_version();
	} else {
		if (!args.debug) {
			harden();
		}
		raise_limits();
		code = prepare(&d, &args);
		if (code == EXIT_OK && !args.foreground) {
			each_gap(d.conf, print_gap);
		}
		if (code == EXIT_OK) {
			code = args.check ? print_conf(d.conf) : run(&d, &args);
		}
	}
	arguments_fini(&args);
	closep(&d.log_fd);
	closep(&d.parent_fd);
	free(d.mountpoint);
	(void)conf_free(d.conf);
	return code;
}

/* client WHAT CLIENTS SECONDS PATH...: so many processes do one thing, over and over,
 * for so long, each with the paths in turn:
 *
 *   stat     stat
 *   cat      open, read, close
 *   list     opendir, readdir to the end, closedir
 *   read     open, read to the end by 128 KiB, close
 *   submit   mkdir PATH/NAME, write PATH/NAME/spec.json, close: a job for jobfs
 *   spawn    run PATH, words of a command; "%" in a word becomes a new name
 *
 * Prints "OPERATIONS SECONDS BYTES P50_US P99_US MAX_US". The first failure ends it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, SAMPLES_MAX = 1 << 18, READ_BYTES = 128 << 10 };

static const char spec[] =
	"{ \"inputs\": { \"train\": \"s3://bucket/ds/train.csv\" },\n"
	"  \"run\": \"./train --epochs 3\", \"outputs\": \"s3://bucket/{job}/{id}/\" "
	"}\n";

struct client { /* shared with its process */
	int64_t n, bytes;
	int64_t begin_ns, end_ns;
	uint32_t took_ns[SAMPLES_MAX]; /* the first ones */
};

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Bytes, or -1. */
typedef int64_t act_fn(const char *path);

static int64_t do_stat(const char *path)
{
	struct stat st;

	return stat(path, &st);
}

static int64_t read_file(const char *path, size_t size, int times)
{
	static char data[READ_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int64_t sum = 0;
	ssize_t n = fd < 0 ? -1 : 1;

	for (int i = 0; n > 0 && i < times; i++) {
		n = read(fd, data, size);
		sum += n > 0 ? n : 0;
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return n < 0 ? -1 : sum;
}

static int64_t do_cat(const char *path)
{
	return read_file(path, 4096, 1);
}

static int64_t do_read(const char *path)
{
	return read_file(path, READ_BYTES, INT32_MAX);
}

static int64_t do_list(const char *path)
{
	DIR *dir = opendir(path);

	if (!dir) {
		return -1;
	}
	errno = 0;
	while (readdir(dir)) {
	}
	(void)closedir(dir);
	return errno ? -1 : 0;
}

static int64_t do_submit(const char *path)
{
	static unsigned n;
	char name[4096];
	int fd;
	ssize_t done;

	(void)snprintf(name, sizeof(name), "%s/s-%d-%u", path, (int)getpid(), ++n);
	if (mkdir(name, 0755) < 0) {
		return -1;
	}
	(void)snprintf(name, sizeof(name), "%s/s-%d-%u/spec.json", path, (int)getpid(),
		       n);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		return -1;
	}
	done = write(fd, spec, sizeof(spec) - 1);
	return close(fd) < 0 || done < 0 ? -1 : done;
}

/* The word, "%" replaced; in storage of this call's own. */
static char *expand(const char *word, char *to, size_t size)
{
	static unsigned n;
	const char *mark = strchr(word, '%');

	if (mark) {
		(void)snprintf(to, size, "%.*ss-%d-%u%s", (int)(mark - word), word,
			       (int)getpid(), ++n, mark + 1);
	} else {
		(void)snprintf(to, size, "%s", word);
	}
	return to;
}

static int64_t do_spawn(const char *command)
{
	enum { WORDS_MAX = 16, WORD_MAX = 512 };
	char line[4096], words[WORDS_MAX][WORD_MAX], *argv[WORDS_MAX + 1] = { NULL };
	char *save = NULL, *word;
	posix_spawn_file_actions_t files;
	pid_t pid;
	int n = 0, status = -1;

	(void)snprintf(line, sizeof(line), "%s", command);
	for (word = strtok_r(line, " ", &save); word && n < WORDS_MAX;
	     word = strtok_r(NULL, " ", &save)) {
		argv[n] = expand(word, words[n], WORD_MAX);
		n++;
	}
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	errno = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	if (errno || waitpid(pid, &status, 0) < 0) {
		return -1;
	}
	errno = ECHILD; /* "it said no" */
	return status == 0 ? 0 : -1;
}

static const struct {
	const char *name;
	act_fn *run;
} acts[] = {
	{ "stat", do_stat }, { "cat", do_cat },	      { "list", do_list },
	{ "read", do_read }, { "submit", do_submit }, { "spawn", do_spawn },
};

static act_fn *find_act(const char *name)
{
	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		if (strcmp(acts[i].name, name) == 0) {
			return acts[i].run;
		}
	}
	return NULL;
}

static int run(struct client *c, act_fn *act, int64_t length_ns, char **paths,
	       int n_paths, int first)
{
	int64_t before = now_ns(), end = before + length_ns, after = before;

	c->begin_ns = before;
	for (int i = first; after < end; i++) {
		int64_t bytes = act(paths[i % n_paths]);

		if (bytes < 0) {
			(void)fprintf(stderr, "client: %s: %s\n", paths[i % n_paths],
				      strerror(errno));
			return 1;
		}
		after = now_ns();
		if (c->n < SAMPLES_MAX) {
			c->took_ns[c->n] = after - before > UINT32_MAX
						   ? UINT32_MAX
						   : (uint32_t)(after - before);
		}
		c->n++;
		c->bytes += bytes;
		before = after;
	}
	c->end_ns = after;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void report(const struct client *clients, int n_clients)
{
	uint32_t *all = calloc((size_t)n_clients * SAMPLES_MAX, sizeof(*all));
	int64_t sum = 0, bytes = 0, begin = INT64_MAX, end = 0;
	size_t n = 0;

	for (int i = 0; all && i < n_clients; i++) {
		const struct client *c = &clients[i];
		size_t kept = c->n < SAMPLES_MAX ? (size_t)c->n : SAMPLES_MAX;

		memcpy(all + n, c->took_ns, kept * sizeof(*all));
		n += kept;
		sum += c->n;
		bytes += c->bytes;
		begin = c->begin_ns < begin ? c->begin_ns : begin;
		end = c->end_ns > end ? c->end_ns : end;
	}
	if (n > 0) {
		qsort(all, n, sizeof(*all), compare);
		(void)printf("%lld %.6f %lld %.2f %.2f %.2f\n", (long long)sum,
			     (double)(end - begin) / 1e9, (long long)bytes,
			     all[n / 2] / 1e3, all[n * 99 / 100] / 1e3,
			     all[n - 1] / 1e3);
	}
	free(all);
}

int main(int argc, char **argv)
{
	act_fn *act = argc > 4 ? find_act(argv[1]) : NULL;
	int n = act ? (int)strtol(argv[2], NULL, 10) : 0, failed = 0, status;
	struct client *clients;

	if (n < 1 || n > CLIENTS_MAX) {
		(void)fprintf(stderr, "usage: client WHAT CLIENTS SECONDS PATH...\n");
		return 2;
	}
	clients = mmap(NULL, (size_t)n * sizeof(*clients), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (clients == MAP_FAILED) {
		return 1;
	}
	for (int i = 0; i < n; i++) {
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(run(&clients[i], act,
				  (int64_t)(strtod(argv[3], NULL) * 1e9), argv + 4,
				  argc - 4, i));
		}
	}
	while (wait(&status) > 0) {
		failed |= status;
	}
	if (!failed) {
		report(clients, n);
	}
	return failed != 0;
}

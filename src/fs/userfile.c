#include "fs/userfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	ID_TEXT_MAX = 24,
	KEPT_PART = 16, /* of the disk, but not more than */
	KEPT_BYTES_MAX = 64 << 20,
};

static void id_text(int64_t file, char ret_text[static ID_TEXT_MAX])
{
	(void)snprintf(ret_text, ID_TEXT_MAX, "%lld", (long long)file);
}

int userfile_open(struct fs *fs, int64_t file, int flags)
{
	char name[ID_TEXT_MAX];
	int fd;

	id_text(file, name);
	fd = openat(store_files_fd(fs->store), name, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return errno == EMFILE ? -ENFILE : -errno;
	}
	return fd;
}

/* Three quarters of all: without the others the database could not be written. The
 * kernel gives the lowest one that is free. */
static bool is_of_programs(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	       (rlim_t)fd < limit.rlim_cur - limit.rlim_cur / 4;
}

int userfile_open_for_program(struct fs *fs, int64_t file, int flags)
{
	cleanup_close int fd = userfile_open(fs, file, flags);

	if (fd >= 0 && !is_of_programs(fd)) {
		return -ENFILE;
	}
	return fd < 0 ? fd : steal_fd(&fd);
}

int userfile_may_open(struct fs *fs)
{
	cleanup_close int fd = fcntl(store_files_fd(fs->store), F_DUPFD_CLOEXEC, 0);

	return fd >= 0 && is_of_programs(fd) ? 0 : -ENFILE;
}

static int stat_open(struct fs *fs, int64_t file, struct stat *ret)
{
	cleanup_handle struct handle *h = handle_find_file(&fs->handles, file);

	if (!h) {
		return -ENOENT;
	}
	return fstat(h->fd, ret) < 0 ? -errno : 0;
}

int userfile_stat(struct fs *fs, int64_t file, struct stat *ret)
{
	char name[ID_TEXT_MAX];

	id_text(file, name);
	if (fstatat(store_files_fd(fs->store), name, ret, AT_SYMLINK_NOFOLLOW) == 0) {
		return 0;
	}
	return errno == ENOENT ? stat_open(fs, file, ret) : -errno;
}

int userfile_charge(struct fs *fs, int64_t job, int64_t bytes)
{
	cleanup_record struct job_record *record = engine_get_job(fs->engine, job);

	/* the files of a job that was removed are nobody's any more */
	return record ? usage_charge(&fs->usage, job, record->uid, bytes) : 0;
}

uint64_t userfile_blocks_kept(const struct statvfs *disk)
{
	uint64_t most = disk->f_frsize > 0 ? KEPT_BYTES_MAX / disk->f_frsize : 0;

	return disk->f_blocks / KEPT_PART < most ? disk->f_blocks / KEPT_PART : most;
}

/* fd: of the disk. */
static bool has_room(int fd, int64_t bytes)
{
	struct statvfs disk;

	return fstatvfs(fd, &disk) < 0 || disk.f_frsize == 0 ||
	       disk.f_bavail >=
		       userfile_blocks_kept(&disk) + (uint64_t)bytes / disk.f_frsize;
}

int userfile_reserve(struct fs *fs, int64_t job, int fd, int64_t offset, int64_t len)
{
	struct stat st;
	int64_t end;
	int r;

	if (offset < 0 || len < 0 || __builtin_add_overflow(offset, len, &end)) {
		return -EFBIG;
	}
	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (end <= st.st_size) {
		return 0;
	}
	r = userfile_charge(fs, job, end - st.st_size);
	/* of a hole only what is written needs the disk */
	if (r == 0 && !has_room(fd, len < end - st.st_size ? len : end - st.st_size)) {
		(void)userfile_charge(fs, job, st.st_size - end);
		r = -ENOSPC;
	}
	return r;
}

int userfile_truncate(struct fs *fs, int64_t job, int fd, int64_t size)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	r = userfile_charge(fs, job, size - st.st_size);
	if (r < 0) {
		return r;
	}
	return ftruncate(fd, size) < 0 ? -errno : 0;
}

static int set_times_open(struct fs *fs, int64_t file, const struct timespec times[2])
{
	cleanup_handle struct handle *h = handle_find_file(&fs->handles, file);

	if (!h) {
		return -ENOENT;
	}
	return futimens(h->fd, times) < 0 ? -errno : 0;
}

int userfile_set_times(struct fs *fs, int64_t file, const struct timespec times[2])
{
	char name[ID_TEXT_MAX];

	id_text(file, name);
	if (utimensat(store_files_fd(fs->store), name, times, AT_SYMLINK_NOFOLLOW) ==
	    0) {
		return 0;
	}
	return errno == ENOENT ? set_times_open(fs, file, times) : -errno;
}

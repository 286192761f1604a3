/* SQLite's disk: files in memory, behind SQLite's own table of functions (sqlite3_vfs).
 * It is fast; it can be full, locked by another program, or fail; and a daemon that is
 * dead writes nothing more, in the middle of a commit too. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

enum { REGIONS_MAX = 64 };

struct file {
	LIST_ENTRY(file) link;
	char *name;
	unsigned char *data;
	int64_t size, capacity;
	int n_open, n_shared; /* handles; those with a lock of level SHARED or above */
	int level;	      /* the highest lock that one has */
	/* the memory that connections share (wal-index), and its locks */
	void *regions[REGIONS_MAX];
	int shared[SQLITE_SHM_NLOCK];
	bool exclusive[SQLITE_SHM_NLOCK];
};

struct disk {
	sqlite3_vfs vfs; /* first: SQLite hands it back to us */
	struct sim *sim;
	enum disk_fault fault;
	LIST_HEAD(, file) files;
};

struct handle {
	sqlite3_file base;
	struct disk *disk;
	struct file *file;
	int level;
};

static struct handle *handle_of(sqlite3_file *file)
{
	return (struct handle *)file;
}

/* --- files ------------------------------------------------------------------------ */

static struct file *find_file(struct disk *disk, const char *name)
{
	struct file *f;

	LIST_FOREACH(f, &disk->files, link)
	{
		if (streq(f->name, name)) {
			break;
		}
	}
	return f;
}

static void file_free(struct file *f)
{
	for (int i = 0; i < REGIONS_MAX; i++) {
		free(f->regions[i]);
	}
	LIST_REMOVE(f, link);
	free(f->name);
	free(f->data);
	free(f);
}

/* There is an empty one on the real disk too, for who looks whether it is there. */
static struct file *file_new(struct disk *disk, const char *name)
{
	struct file *f = calloc(1, sizeof(*f));
	cleanup_close int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert(f && fd >= 0);
	f->name = strdup(name);
	LIST_INSERT_HEAD(&disk->files, f, link);
	return f;
}

static int may_write(struct disk *disk)
{
	if (!daemon_touch(disk->sim)) {
		return SQLITE_IOERR_WRITE;
	}
	switch (disk->fault) {
	case DISK_FULL:
		return SQLITE_FULL;
	case DISK_ERROR:
		return SQLITE_IOERR_WRITE;
	case DISK_OK:
	case DISK_LOCKED:
		break;
	}
	return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *data, int n, sqlite3_int64 offset)
{
	const struct file *f = handle_of(file)->file;
	int64_t have = f->size > offset ? f->size - offset : 0;

	if (have >= n) {
		memcpy(data, f->data + offset, (size_t)n);
		return SQLITE_OK;
	}
	memset(data, 0, (size_t)n);
	if (have > 0) {
		memcpy(data, f->data + offset, (size_t)have);
	}
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset)
{
	struct file *f = handle_of(file)->file;
	int r = may_write(handle_of(file)->disk);
	int64_t end = offset + n;

	if (r != SQLITE_OK) {
		return r;
	}
	if (end > f->capacity) {
		f->capacity = end * 2;
		f->data = realloc(f->data, (size_t)f->capacity);
		assert(f->data);
	}
	if (offset > f->size) {
		memset(f->data + f->size, 0, (size_t)(offset - f->size));
	}
	memcpy(f->data + offset, data, (size_t)n);
	f->size = f->size > end ? f->size : end;
	return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct file *f = handle_of(file)->file;
	int r = may_write(handle_of(file)->disk);

	if (r == SQLITE_OK && size < f->size) {
		f->size = size;
	}
	return r;
}

static int file_sync(sqlite3_file *file, int flags)
{
	(void)flags;
	return may_write(handle_of(file)->disk);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	*ret_size = handle_of(file)->file->size;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *file)
{
	(void)file;
	return 4096;
}

static int file_characteristics(sqlite3_file *file)
{
	(void)file;
	return SQLITE_IOCAP_SAFE_APPEND;
}

/* --- locks -------------------------------------------------------------------------
 */

/* SHARED beside all but EXCLUSIVE, one RESERVED, EXCLUSIVE alone. */
static int file_lock(sqlite3_file *file, int level)
{
	struct handle *h = handle_of(file);
	struct file *f = h->file;
	bool others_write = f->level >= SQLITE_LOCK_RESERVED && h->level < f->level;

	if (level <= h->level) {
		return SQLITE_OK;
	}
	if (level == SQLITE_LOCK_SHARED ? f->level >= SQLITE_LOCK_PENDING
					: others_write) {
		return SQLITE_BUSY;
	}
	if (level == SQLITE_LOCK_EXCLUSIVE &&
	    f->n_shared > (h->level >= SQLITE_LOCK_SHARED)) {
		return SQLITE_BUSY;
	}
	f->n_shared += h->level < SQLITE_LOCK_SHARED;
	h->level = level;
	f->level = f->level > level ? f->level : level;
	return SQLITE_OK;
}

static int file_unlock(sqlite3_file *file, int level)
{
	struct handle *h = handle_of(file);
	struct file *f = h->file;

	if (level >= h->level) {
		return SQLITE_OK;
	}
	if (h->level >= SQLITE_LOCK_RESERVED) {
		f->level = SQLITE_LOCK_SHARED;
	}
	if (level == SQLITE_LOCK_NONE) {
		f->n_shared--;
	}
	if (f->n_shared == 0) {
		f->level = SQLITE_LOCK_NONE;
	}
	h->level = level;
	return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *file, int *ret_reserved)
{
	*ret_reserved = handle_of(file)->file->level >= SQLITE_LOCK_RESERVED;
	return SQLITE_OK;
}

static int shm_map(sqlite3_file *file, int page, int size, int extend,
		   void volatile **ret_data)
{
	struct file *f = handle_of(file)->file;

	assert(page < REGIONS_MAX);
	if (!f->regions[page] && extend) {
		f->regions[page] = calloc(1, (size_t)size);
	}
	*ret_data = f->regions[page];
	return SQLITE_OK;
}

/* Which of the locks this handle has, SQLite remembers itself. */
static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	struct handle *h = handle_of(file);
	struct file *f = h->file;
	bool is_exclusive = flags & SQLITE_SHM_EXCLUSIVE;

	if (flags & SQLITE_SHM_UNLOCK) {
		for (int i = offset; i < offset + n; i++) {
			f->exclusive[i] &= !is_exclusive;
			f->shared[i] -= !is_exclusive;
		}
		return SQLITE_OK;
	}
	/* slot 0 is that of the one writer (wal.c: WAL_WRITE_LOCK) */
	if (is_exclusive && offset == 0 && h->disk->fault == DISK_LOCKED) {
		return SQLITE_BUSY;
	}
	for (int i = offset; i < offset + n; i++) {
		if (f->exclusive[i] || (is_exclusive && f->shared[i] > 0)) {
			return SQLITE_BUSY;
		}
	}
	for (int i = offset; i < offset + n; i++) {
		f->exclusive[i] |= is_exclusive;
		f->shared[i] += !is_exclusive;
	}
	return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *file)
{
	(void)file;
}

/* The shared memory goes with the last handle. */
static int shm_unmap(sqlite3_file *file, int delete)
{
	(void)file;
	(void)delete;
	return SQLITE_OK;
}

static int file_close(sqlite3_file *file)
{
	struct file *f = handle_of(file)->file;

	(void)file_unlock(file, SQLITE_LOCK_NONE);
	if (--f->n_open == 0) {
		for (int i = 0; i < REGIONS_MAX; i++) {
			free(f->regions[i]);
			f->regions[i] = NULL;
		}
		memset(f->shared, 0, sizeof(f->shared));
		memset(f->exclusive, 0, sizeof(f->exclusive));
	}
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

/* --- the file system ---------------------------------------------------------------
 */

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		     int *ret_flags)
{
	struct disk *disk = (struct disk *)vfs;
	struct file *f = find_file(disk, name ? name : "");
	struct handle *h = handle_of(file);

	h->base.pMethods = NULL;
	if (!f && !(flags & SQLITE_OPEN_CREATE)) {
		return SQLITE_CANTOPEN;
	}
	*h = (struct handle){ .base = { &methods },
			      .disk = disk,
			      .file = f ? f : file_new(disk, name ? name : "") };
	h->file->n_open++;
	if (ret_flags) {
		*ret_flags = flags;
	}
	return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	struct disk *disk = (struct disk *)vfs;
	struct file *f = find_file(disk, name);

	(void)sync;
	if (!daemon_touch(disk->sim)) {
		return SQLITE_IOERR_DELETE;
	}
	if (!f) {
		return SQLITE_IOERR_DELETE_NOENT;
	}
	(void)unlink(name);
	file_free(f);
	return SQLITE_OK;
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_is_there)
{
	(void)flags;
	*ret_is_there = find_file((struct disk *)vfs, name) != NULL;
	return SQLITE_OK;
}

static int disk_full_name(sqlite3_vfs *vfs, const char *name, int size, char *ret_name)
{
	(void)vfs;
	(void)snprintf(ret_name, (size_t)size, "%s", name);
	return SQLITE_OK;
}

static int disk_sleep(sqlite3_vfs *vfs, int us)
{
	struct sim *sim = ((struct disk *)vfs)->sim;

	sim->now += (us + 999) / 1000; /* the engine waits, and all else is late */
	return us;
}

static int disk_random(sqlite3_vfs *vfs, int n, char *data)
{
	(void)vfs; /* salts: any will do */
	memset(data, 0x5a, (size_t)n);
	return n;
}

int disk_new(struct sim *sim, struct disk **ret_disk)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	const sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	if (!disk || !real) {
		free(disk);
		return -ENOMEM;
	}
	disk->sim = sim;
	LIST_INIT(&disk->files);
	disk->vfs = *real;
	disk->vfs.pNext = NULL;
	disk->vfs.zName = "jobfs-sim";
	disk->vfs.szOsFile = (int)sizeof(struct handle);
	disk->vfs.xOpen = disk_open;
	disk->vfs.xDelete = disk_delete;
	disk->vfs.xAccess = disk_access;
	disk->vfs.xFullPathname = disk_full_name;
	disk->vfs.xSleep = disk_sleep;
	disk->vfs.xRandomness = disk_random;
	if (sqlite3_vfs_register(&disk->vfs, 1) != SQLITE_OK) {
		free(disk);
		return -EIO;
	}
	*ret_disk = disk;
	return 0;
}

struct disk *disk_free(struct disk *disk)
{
	struct file *f;

	if (disk) {
		(void)sqlite3_vfs_unregister(&disk->vfs);
		while ((f = LIST_FIRST(&disk->files))) {
			file_free(f);
		}
		free(disk);
	}
	return NULL;
}

void disk_set_fault(struct disk *disk, enum disk_fault fault)
{
	disk->fault = fault;
}

/* The last frame of the write-ahead log, and with it the last commit. */
void disk_forget(struct disk *disk)
{
	enum { FRAME = 8192 + 24, HEAD = 32 };
	struct file *f;

	LIST_FOREACH(f, &disk->files, link)
	{
		if (has_suffix(f->name, "-wal") && f->size > HEAD + FRAME) {
			f->size -= FRAME;
		}
	}
}

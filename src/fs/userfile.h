/* Contents of the user's own files: plain files below STATE_DIR/files, named by their
 * id. */
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fs/internal.h"

/* flags as for open(2); the caller closes. -ENOENT, ... */
int userfile_open(struct fs *fs, int64_t file, int flags);
/* The same for a program, which may keep it open for long. -ENFILE: programs have as
 * many open as they may; what is left is for the daemon itself. */
int userfile_open_for_program(struct fs *fs, int64_t file, int flags);
/* -ENFILE: that would fail so. */
int userfile_may_open(struct fs *fs);
/* Of the content, even if it was removed but somebody has it open. -ENOENT. */
int userfile_stat(struct fs *fs, int64_t file, struct stat *ret);
/* The job's files grow by so many bytes, or shrink: -EDQUOT. */
int userfile_charge(struct fs *fs, int64_t job, int64_t bytes);
/* Within the limits: -EDQUOT. */
int userfile_truncate(struct fs *fs, int64_t job, int fd, int64_t size);
/* What of the disk is kept for the database: if files could fill all of it, nothing
 * could be removed any more. */
uint64_t userfile_blocks_kept(const struct statvfs *disk);
/* Room for len bytes at offset: they are charged. -EDQUOT, -EFBIG, -ENOSPC. */
int userfile_reserve(struct fs *fs, int64_t job, int fd, int64_t offset, int64_t len);
/* times as for utimensat(2). */
int userfile_set_times(struct fs *fs, int64_t file, const struct timespec times[2]);

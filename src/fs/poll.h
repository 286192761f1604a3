/* poll(2), select(2) and epoll(7): a file is ready when there is something that was not
 * read through this descriptor yet. */
#pragma once

#include <fuse3/fuse_lowlevel.h>

struct fs;

void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	     struct fuse_pollhandle *waker);
/* It changed: who polls it looks again. Any thread; waits for nothing. */
void poll_wake(struct fs *fs, uint64_t ino);

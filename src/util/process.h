/* Other processes of this machine, as /proc shows them. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Is it a program that copies whole directories (cp, mv, rsync, tar), and still at it?
 */
bool process_is_copying(pid_t process);

#include "job/problems.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/buf.h"
#include "util/mem.h"

enum { MORE_MAX = 48 }; /* bytes kept for the line that counts the others */

void problems_fini(struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++) {
		free(problems->list[i].text);
	}
	problems->n = 0;
}

/* Where a problem of the byte `at` goes; PROBLEMS_MAX when the list is full of earlier
 * ones. */
static size_t find_slot(const struct problems *problems, size_t at)
{
	size_t slot = problems->n;

	while (slot > 0 && problems->list[slot - 1].at > at) {
		slot--;
	}
	return slot;
}

bool problems_would_show(const struct problems *problems, size_t at)
{
	return find_slot(problems, at) < PROBLEMS_MAX;
}

static void insert(struct problems *problems, size_t slot, struct problem problem)
{
	struct problem *list = problems->list;

	if (problems->n == PROBLEMS_MAX) {
		free(list[--problems->n].text);
	}
	memmove(&list[slot + 1], &list[slot], (problems->n - slot) * sizeof(*list));
	list[slot] = problem;
	problems->n++;
}

void problems_add(struct problems *problems, const struct json_mark *mark, size_t at,
		  const char *format, ...)
{
	struct problem problem = { .mark = mark, .at = at };
	size_t slot = find_slot(problems, at);
	va_list args;
	int n;

	problems->total++;
	if (slot == PROBLEMS_MAX) {
		return;
	}
	va_start(args, format);
	n = vasprintf(&problem.text, format, args);
	va_end(args);
	if (n < 0) {
		problems->error = -ENOMEM;
		return;
	}
	insert(problems, slot, problem);
}

static int add_line(const struct problem *problem, const struct json_doc *doc,
		    struct buf *out)
{
	(void)json_doc_add_place(doc, problem->mark, problem->at, out);
	return buf_printf(out, ": %s\n", problem->text);
}

int problems_report(const struct problems *problems, const struct json_doc *doc,
		    struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;
	size_t shown = 0;

	if (problems->error || problems->total == 0) {
		return problems->error;
	}
	for (; shown < problems->n; shown++) {
		size_t before = out.len;

		if (add_line(&problems->list[shown], doc, &out) < 0) {
			return -ENOMEM;
		}
		if (shown > 0 && out.len + MORE_MAX > ERR_TEXT_MAX) {
			buf_truncate(&out, before);
			break;
		}
	}
	if (shown < problems->total) {
		(void)buf_printf(&out, "(and %zu more)\n", problems->total - shown);
	}
	if (out.error) {
		return out.error;
	}
	buf_truncate(&out, out.len - 1);
	return err_set(e, -EINVAL, "%s", buf_text(&out));
}

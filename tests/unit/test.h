/* A test program in TAP: names are sentences, a failed check ends the program.
 *
 *     TEST("a done job stays done")
 *     {
 *             CHECK(job_is_final(&job));
 *     }
 *     TEST_MAIN
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

static struct test *tests_first, **tests_last = &tests_first;

#define TEST_JOIN_(a, b) a##b
#define TEST_JOIN(a, b) TEST_JOIN_(a, b)
#define TEST_(title, id)                                                       \
	static void TEST_JOIN(test_run_, id)(void);                            \
	__attribute__((constructor)) static void TEST_JOIN(test_add_, id)(void) \
	{                                                                      \
		static struct test test = { .name = (title),                   \
			                    .run = TEST_JOIN(test_run_, id) }; \
		*tests_last = &test;                                           \
		tests_last = &test.next;                                       \
	}                                                                      \
	static void TEST_JOIN(test_run_, id)(void)
#define TEST(title) TEST_(title, __COUNTER__)

#define CHECK(condition)                                                          \
	do {                                                                      \
		if (!(condition)) {                                               \
			printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__,       \
			       #condition);                                       \
			fflush(stdout);                                           \
			abort();                                                  \
		}                                                                 \
	} while (0)

#define CHECK_STR(have, want)                                                      \
	do {                                                                       \
		const char *have_ = (have), *want_ = (want);                       \
		if (!have_ || strcmp(have_, want_) != 0) {                         \
			printf("Bail out! %s:%d: have \"%s\", want \"%s\"\n",      \
			       __FILE__, __LINE__, have_ ? have_ : "(null)", want_); \
			fflush(stdout);                                            \
			abort();                                                   \
		}                                                                  \
	} while (0)

#define CHECK_INT(have, want)                                                     \
	do {                                                                      \
		long long have_ = (long long)(have), want_ = (long long)(want);   \
		if (have_ != want_) {                                             \
			printf("Bail out! %s:%d: %s is %lld, want %lld\n",        \
			       __FILE__, __LINE__, #have, have_, want_);          \
			fflush(stdout);                                           \
			abort();                                                  \
		}                                                                 \
	} while (0)

#define TEST_MAIN                                                                 \
	int main(void)                                                            \
	{                                                                         \
		int n = 0;                                                        \
		setvbuf(stdout, NULL, _IOLBF, 0);                                 \
		for (struct test *t = tests_first; t; t = t->next) {              \
			t->run();                                                 \
			printf("ok %d - %s\n", ++n, t->name);                     \
		}                                                                 \
		printf("1..%d\n", n);                                             \
		return 0;                                                         \
	}

/* Options that a build with a sanitizer needs; nothing in any other build. */

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(HAS_ASAN)
#define HAS_ASAN
#endif

#ifdef HAS_ASAN
const char *__asan_default_options(void);

/* ASan takes its alternate signal stack down after a cancelled thread's own stack was
 * given back, and reports itself. */
const char *__asan_default_options(void)
{
	return "use_sigaltstack=0";
}
#else
typedef int sanitizers_are_off; /* a file may not be empty */
#endif

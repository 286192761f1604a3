/* Prints a configuration for curl that puts the objects of the tests by signed URLs:
 *   put_urls DATA      DATA/N being a file of N bytes */
#include "objects.h"

#include "s3/sign.h"
#include "util/clock.h"
#include "util/mem.h"

enum { EXPIRES_S = 600 };

static int print_url(const char *key)
{
	const struct s3_request request = {
		.method = "PUT",
		.key = key,
		.time_s = clock_wall_ms() / 1000,
		.expires_s = EXPIRES_S,
	};
	const struct s3_credentials who = owner();
	const struct s3_place place = store();
	cleanup_buf struct buf url = BUF_INIT;
	int r = s3_presign(&place, &who, &request, &url, NULL);

	if (r == 0) {
		printf("url = \"%s\"\noutput = \"/dev/null\"\n", url.data);
	}
	return r;
}

static int print_odd(const char *data)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(odd_keys); i++) {
		if (!has_suffix(odd_keys[i], "/")) {
			printf("upload-file = \"%s/1\"\n", data);
			r = print_url(odd_keys[i]);
		}
	}
	return r;
}

static int print_many(const char *data)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < MANY; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "many/%05zu", i);
		printf("upload-file = \"%s/%zu\"\n", data, i % 3);
		r = print_url(key);
	}
	return r;
}

/* curl takes a URL that ends in / for a directory and adds the file's name. */
static int print_directories(void)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(odd_keys); i++) {
		if (has_suffix(odd_keys[i], "/")) {
			printf("next\nfail\nrequest = PUT\ndata = x\n");
			r = print_url(odd_keys[i]);
		}
	}
	return r;
}

int main(int argc, char **argv)
{
	if (argc != 2 || print_odd(argv[1]) < 0 || print_many(argv[1]) < 0 ||
	    print_directories() < 0) {
		return 1;
	}
	return 0;
}

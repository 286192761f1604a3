/* An S3: objects by their keys, and listings of them. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/multipart.h"
#include "s3/sts.h"
#include "sim.h"
#include "util/clock.h"
#include "util/secret.h"

struct s3_client { /* what the engine holds */
	struct sim *sim;
};

static size_t position(const struct bucket *b, const char *key)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(b->objects[middle].key, key) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static bool is_at(const struct bucket *b, size_t i, const char *key)
{
	return i < b->n && streq(b->objects[i].key, key);
}

/* S3 is many machines, whose clocks are a second apart at most. */
static int64_t clock_s(struct sim *sim)
{
	return (clock_wall_ms() - dice_between(&sim->dice, 0, 1000)) / 1000;
}

int bucket_put(struct sim *sim, const char *key, int64_t size, const char *writer,
	       bool *ret_lost)
{
	struct bucket *b = &sim->bucket;
	size_t i = position(b, key);

	*ret_lost = false;
	if (b->is_down || b->is_denied ||
	    dice_chance(&sim->dice, sim->faults.s3_busy)) {
		return 1;
	}
	if (!is_at(b, i, key)) {
		if (b->n == b->capacity) {
			b->capacity = b->capacity ? b->capacity * 2 : 64;
			b->objects =
				realloc(b->objects, b->capacity * sizeof(*b->objects));
			assert(b->objects);
		}
		memmove(&b->objects[i + 1], &b->objects[i],
			(b->n - i) * sizeof(*b->objects));
		b->n++;
		/* what it would be: only who believes everything sees it */
		b->objects[i] = (struct bucket_object){ .key = strdup(key),
							.size = size,
							.modified_s = clock_s(sim),
							.is_lost = true };
	}
	*ret_lost = dice_chance(&sim->dice, sim->faults.lost_upload);
	if (!*ret_lost) { /* else what was there stays */
		b->objects[i].size = size;
		b->objects[i].is_lost = false;
		b->objects[i].modified_s = clock_s(sim);
		(void)snprintf(b->objects[i].writer, sizeof(b->objects[i].writer), "%s",
			       writer);
	}
	return 0;
}

bool bucket_has(const struct bucket *b, const char *key, int64_t size,
		const char *writer)
{
	size_t i = position(b, key);

	return is_at(b, i, key) && !b->objects[i].is_lost &&
	       b->objects[i].size == size && streq(b->objects[i].writer, writer);
}

int bucket_get(struct sim *sim, const char *uri)
{
	const struct bucket *b = &sim->bucket;

	if (b->is_down || b->is_denied ||
	    dice_chance(&sim->dice, sim->faults.s3_busy)) {
		return 1;
	}
	return strstr(uri, "/none/") ? 1 : 0;
}

/* --- what the engine asks --------------------------------------------------------- */

static enum s3_fault ask(struct sim *sim, struct err *e)
{
	if (sim->bucket.is_down || dice_chance(&sim->dice, sim->faults.s3_busy)) {
		(void)err_set(e, -EIO, "the simulated S3 does not answer");
		return dice_chance(&sim->dice, 500) ? S3_UNREACHABLE : S3_THROTTLED;
	}
	if (sim->bucket.is_denied) {
		(void)err_set(e, -EACCES, "the simulated S3 does not know the key");
		return S3_CREDENTIALS;
	}
	return S3_OK;
}

/* Inputs are not kept: "data/have/..." is there, "data/none/..." is not. */
static enum s3_fault list_input(const struct s3_listing *listing)
{
	char key[256];

	if (strstr(listing->prefix, "none/")) {
		return S3_OK;
	}
	(void)snprintf(key, sizeof(key), "%s%s", listing->prefix,
		       has_suffix(listing->prefix, "/") ? "part-1" : "");
	return listing->each(
		       listing->arg,
		       &(struct s3_object){ .key = key, .etag = "e", .size = 1000 })
		       ? S3_STOPPED
		       : S3_OK;
}

static enum s3_fault list(struct s3_client *client, const struct s3_place *place,
			  const struct s3_credentials *credentials,
			  const struct s3_listing *listing, struct err *e)
{
	struct sim *sim = client->sim;
	const struct bucket *b = &sim->bucket;
	enum s3_fault fault = ask(sim, e);
	size_t skip = strlen(place->bucket) + 1;
	char first[512];

	(void)credentials;
	trace(sim, "s3 list %s/%s: %s", place->bucket, listing->prefix,
	      s3_fault_name(fault));
	if (fault != S3_OK) {
		return fault;
	}
	if (listing->ret_now_s) {
		*listing->ret_now_s = clock_s(sim);
	}
	if (streq(place->bucket, "data")) {
		return list_input(listing);
	}
	(void)snprintf(first, sizeof(first), "%s/%s", place->bucket, listing->prefix);
	for (size_t i = position(b, first); i < b->n; i++) {
		const struct bucket_object *o = &b->objects[i];
		int64_t modified_s = sim->options.mutant == MUTANT_OLD_OUTPUTS
					     ? clock_wall_ms() / 1000
					     : o->modified_s;

		if (!has_prefix(o->key, first)) {
			break;
		}
		if (o->is_lost && sim->options.mutant != MUTANT_BLIND_VERIFY) {
			continue;
		}
		if (listing->each(listing->arg,
				  &(struct s3_object){ .key = o->key + skip,
						       .etag = "e",
						       .size = o->size,
						       .modified_s = modified_s })) {
			return S3_STOPPED;
		}
	}
	return S3_OK;
}

static enum s3_fault try_write(struct s3_client *client,
			       const struct s3_object_name *name, struct err *e)
{
	enum s3_fault fault = ask(client->sim, e);

	trace(client->sim, "s3 may write %s: %s", name->key, s3_fault_name(fault));
	return fault;
}

/* Keys that hold for a while that a run may well outlast. */
static enum s3_fault assume_role(struct s3_client *client, const struct s3_role *role,
				 const struct s3_credentials *credentials,
				 struct s3_keys *ret_keys, struct err *e)
{
	static const char text[] = "temporary";
	enum s3_fault fault = ask(client->sim, e);

	(void)credentials;
	trace(client->sim, "sts %s: %s", role->session, s3_fault_name(fault));
	if (fault == S3_OK) {
		*ret_keys = (struct s3_keys){
			.access_key = secret_copy(text, strlen(text)),
			.secret_key = secret_copy(text, strlen(text)),
			.session_token = secret_copy(text, strlen(text)),
			.life_s = dice_scale(&client->sim->dice, 5, role->duration_s),
		};
	}
	return fault;
}

static int client_open(void *world, struct s3_client **ret_client)
{
	struct s3_client *client = calloc(1, sizeof(*client));

	if (!client) {
		return -ENOMEM;
	}
	client->sim = world;
	*ret_client = client;
	return 0;
}

static struct s3_client *client_free(struct s3_client *client)
{
	free(client);
	return NULL;
}

static void client_cancel(struct s3_client *client)
{
	(void)client; /* nothing runs when it is asked: there is one thread */
}

void bucket_init(struct sim *sim, struct s3_ops *ret_ops)
{
	*ret_ops = (struct s3_ops){ .world = sim,
				    .open = client_open,
				    .free = client_free,
				    .cancel = client_cancel,
				    .list = list,
				    .try_write = try_write,
				    .assume_role = assume_role };
}

void bucket_fini(struct bucket *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->objects[i].key);
	}
	free(b->objects);
}

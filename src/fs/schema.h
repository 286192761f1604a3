#pragma once

#include <stddef.h>

/* src/job/schema.json, built in by meson: the JSON Schema of spec.json. */
extern const char spec_schema[];
extern const size_t spec_schema_len;

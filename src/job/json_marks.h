/* The strict reader: from bytes to marks, without json-c's values. For json.c only. */
#pragma once

#include "job/json.h"

/* As json_doc_read; -ENOMEM comes without a text. */
int json_marks_read(struct json_doc *doc, struct err *e);

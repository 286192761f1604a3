/* What the rows of the table of nodes hold, see node.h. Each appends to out and returns
 * 0 or negative errno. */
#pragma once

#include "fs/node.h"

int content_readme(const struct node_view *view, struct buf *out);
int content_version(const struct node_view *view, struct buf *out);
int content_config(const struct node_view *view, struct buf *out);
int content_queue(const struct node_view *view, struct buf *out);
int content_schema(const struct node_view *view, struct buf *out);
int content_metrics(const struct node_view *view, struct buf *out);
int content_host_status(const struct node_view *view, struct buf *out);
int content_host_status_json(const struct node_view *view, struct buf *out);
int content_status(const struct node_view *view, struct buf *out);
int content_status_json(const struct node_view *view, struct buf *out);
int content_progress(const struct node_view *view, struct buf *out);
int content_exit_code(const struct node_view *view, struct buf *out);
int content_outputs_s3(const struct node_view *view, struct buf *out);
int content_attempt_status_json(const struct node_view *view, struct buf *out);
int content_attempt_exit_code(const struct node_view *view, struct buf *out);
int content_link(const struct node_view *view, struct buf *out);
int content_error(const struct node_view *view, struct buf *out);

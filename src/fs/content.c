#include "fs/content.h"

#include "fs/metrics.h"
#include "fs/readme.h"
#include "fs/render.h"
#include "fs/schema.h"

int content_readme(const struct node_view *view, struct buf *out)
{
	(void)view;
	return buf_add_str(out, readme_text);
}

int content_version(const struct node_view *view, struct buf *out)
{
	(void)view;
	return buf_add_str(out, JOBFS_VERSION "\n");
}

int content_config(const struct node_view *view, struct buf *out)
{
	return conf_render(engine_conf(view->engine), out);
}

int content_queue(const struct node_view *view, struct buf *out)
{
	return engine_render_queue(view->engine, out);
}

int content_schema(const struct node_view *view, struct buf *out)
{
	(void)view;
	return buf_add(out, spec_schema, spec_schema_len);
}

int content_metrics(const struct node_view *view, struct buf *out)
{
	return metrics_render(view->engine, out);
}

int content_host_status(const struct node_view *view, struct buf *out)
{
	struct engine_host host;

	engine_get_host(view->engine, view->host, &host);
	return render_host_status(&host, out);
}

int content_host_status_json(const struct node_view *view, struct buf *out)
{
	struct engine_host host;

	engine_get_host(view->engine, view->host, &host);
	return render_host_status_json(&host, out);
}

static size_t queue_position(const struct node_view *view)
{
	if (view->record->state != JOB_QUEUED) {
		return 0;
	}
	return engine_queue_position(view->engine, view->record->id);
}

int content_status(const struct node_view *view, struct buf *out)
{
	return render_status(view->record, out);
}

int content_status_json(const struct node_view *view, struct buf *out)
{
	return render_status_json(view->record, queue_position(view), out);
}

int content_progress(const struct node_view *view, struct buf *out)
{
	return render_progress(view->record, queue_position(view), out);
}

int content_exit_code(const struct node_view *view, struct buf *out)
{
	return buf_printf(out, "%d\n", view->record->exit_code);
}

int content_outputs_s3(const struct node_view *view, struct buf *out)
{
	return render_line(view->record->outputs_uri, out);
}

int content_attempt_status_json(const struct node_view *view, struct buf *out)
{
	return render_attempt_json(view->attempt, out);
}

int content_attempt_exit_code(const struct node_view *view, struct buf *out)
{
	return buf_printf(out, "%d\n", job_attempt_exit_code(view->attempt));
}

int content_link(const struct node_view *view, struct buf *out)
{
	return render_link(view->record, out);
}

int content_error(const struct node_view *view, struct buf *out)
{
	return render_line(view->record->error, out);
}

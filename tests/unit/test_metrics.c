#include "test.h"

#include "fs/metrics.h"

TEST("a family says what it is before its samples")
{
	cleanup_buf struct buf out = BUF_INIT;

	metrics_add_family(&out, &(struct metrics_family){ "a_total", "counter",
							   "What it counts." });
	CHECK_STR(buf_text(&out),
		  "# HELP a_total What it counts.\n# TYPE a_total counter\n");
}

TEST("a sample has a label or none, and what is special in it is escaped")
{
	cleanup_buf struct buf out = BUF_INIT;

	metrics_add_int(&out, "a", NULL, NULL, -3);
	metrics_add_int(&out, "a", "host", "gpu-a", INT64_MAX);
	metrics_add_int(&out, "a", "host", "a\"b\\c\nd", 0);
	metrics_add_real(&out, "b", 1.5);
	CHECK_STR(buf_text(&out), "a -3\n"
				  "a{host=\"gpu-a\"} 9223372036854775807\n"
				  "a{host=\"a\\\"b\\\\c\\nd\"} 0\n"
				  "b 1.500000\n");
}

TEST("buckets are cumulative and include their bounds")
{
	cleanup_buf struct buf out = BUF_INIT;
	struct meter meter = { .sum_us = 0 };

	meter_add(&meter, 0);
	meter_add(&meter, 100);
	meter_add(&meter, 101);
	meter_add(&meter, 1000000);
	meter_add(&meter, 3600000000);
	metrics_add_meter(&out, "t_seconds", &meter);
	CHECK_STR(buf_text(&out), "t_seconds_bucket{le=\"0.0001\"} 2\n"
				  "t_seconds_bucket{le=\"0.0005\"} 3\n"
				  "t_seconds_bucket{le=\"0.001\"} 3\n"
				  "t_seconds_bucket{le=\"0.005\"} 3\n"
				  "t_seconds_bucket{le=\"0.01\"} 3\n"
				  "t_seconds_bucket{le=\"0.05\"} 3\n"
				  "t_seconds_bucket{le=\"0.1\"} 3\n"
				  "t_seconds_bucket{le=\"0.5\"} 3\n"
				  "t_seconds_bucket{le=\"1\"} 4\n"
				  "t_seconds_bucket{le=\"5\"} 4\n"
				  "t_seconds_bucket{le=\"10\"} 4\n"
				  "t_seconds_bucket{le=\"30\"} 4\n"
				  "t_seconds_bucket{le=\"60\"} 4\n"
				  "t_seconds_bucket{le=\"+Inf\"} 5\n"
				  "t_seconds_sum 3601.000201\n"
				  "t_seconds_count 5\n");
}

TEST("the clock of a meter goes on")
{
	int64_t a = meter_clock_us();

	CHECK(a > 0 && meter_clock_us() >= a);
}

TEST_MAIN

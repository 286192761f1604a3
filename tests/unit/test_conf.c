#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/comment.h"
#include "conf/conf.h"
#include "conf/option.h"
#include "test.h"
#include "util/buf.h"
#include "util/mem.h"

/* ---- help ---- */

static char dir[] = "/tmp/test-conf-XXXXXX";

/* The environment that the kernel shows is the one of execve(2): the test begins again
 * with secrets in it. */
static void begin_again(void)
{
	char self[4096] = "";
	char *const argv[] = { self, NULL };

	/* By its name: below valgrind the link itself leads to valgrind. */
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) {
		abort();
	}
	(void)setenv("TEST_CONF_CANARY", "kept", 1);
	(void)setenv("AWS_ACCESS_KEY_ID", "CANARY-1", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "CANARY-2", 1);
	(void)setenv("AWS_SESSION_TOKEN", "CANARY-3", 1);
	(void)setenv("JOBFS_SSH_PASSPHRASE", "CANARY-4", 1);
	(void)execv(self, argv);
	abort();
}

/* Everything happens in a directory of its own, so that messages hold short names. */
__attribute__((constructor)) static void set_up(void)
{
	if (!getenv("TEST_CONF_CANARY")) {
		begin_again();
	}
	if (!mkdtemp(dir) || chdir(dir) < 0) {
		abort();
	}
}

__attribute__((destructor)) static void tear_down(void)
{
	static const char *const names[] = { "c.json", "env", ".ssh/id_rsa", ".ssh" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)remove(names[i]);
	}
	(void)rmdir(dir);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(fchmod(fd, mode) == 0);
	(void)close(fd);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define NO_ENV	  LIST("HOME=/nonexistent", "USER=alice")

static struct err err;

static struct conf *load(const char *json, const char *const *env,
			 const char *const *set)
{
	struct conf *conf = NULL;

	err = (struct err)ERR_INIT;
	if (json) {
		write_file("c.json", json, 0600);
	}
	if (conf_load(json ? "c.json" : NULL, env, set, &conf, &err) < 0) {
		CHECK(!conf && err.code < 0);
		return NULL;
	}
	CHECK(conf && !err.code);
	return conf;
}

static struct conf *load_good(const char *json)
{
	struct conf *conf = load(json, NO_ENV, NULL);

	CHECK_STR(err.text, "");
	CHECK(conf);
	return conf;
}

static void check_refused(const char *json, const char *text)
{
	struct conf *conf = load(json, NO_ENV, NULL);

	CHECK(!conf);
	CHECK_STR(err.text, text);
	CHECK_INT(err.code, -EINVAL);
}

static void check_setting_refused(const char *setting, const char *text)
{
	CHECK(!load(NULL, NO_ENV, LIST(setting)));
	CHECK_STR(err.text, text);
}

/* ---- defaults, types ---- */

TEST("without a file everything has its default")
{
	cleanup_conf struct conf *c = load(NULL, NO_ENV, NULL);

	CHECK(c && !c->config_file && c->n_hosts == 0);
	CHECK_STR(c->state_dir, geteuid() == 0 ? "/var/lib/jobfs"
					       : "/nonexistent/.local/state/jobfs");
	CHECK(c->ssh.identity && !c->ssh.identity[0]);
	CHECK_STR(c->ssh.known_hosts, "/nonexistent/.ssh/known_hosts");
	CHECK_INT(c->ssh.host_key, CONF_HOST_KEY_STRICT);
	CHECK(c->ssh.agent);
	CHECK_INT(c->ssh.connect_timeout_ms, 10000);
	CHECK_INT(c->ssh.auth_timeout_ms, 30000);
	CHECK_INT(c->ssh.keepalive_ms, 15000);
	CHECK_INT(c->ssh.max_channels, 8);
	CHECK(!c->s3.bucket && !c->s3.region && !c->s3.endpoint_url);
	CHECK_STR(c->s3.credentials, "env");
	CHECK(!c->s3.environment_file && !c->aws.bundle);
	CHECK_STR(c->aws.install_url,
		  "https://awscli.amazonaws.com/awscli-exe-linux-{arch}.zip");
	CHECK_INT(c->limits.files_bytes, INT64_C(1) << 30);
	CHECK_INT(c->limits.poll_interval_ms, 2000);
	CHECK_INT(c->limits.connect_patience_ms, 30000);
	CHECK_INT(c->limits.s3_patience_ms, 60000);
	CHECK_INT(c->limits.stop_grace_ms, 30000);
	CHECK_INT(c->log.level, CONF_LOG_INFO);
	CHECK(!c->secrets.access_key && !c->secrets.secret_key &&
	      !c->secrets.session_token && !c->secrets.ssh_passphrase);
}

TEST("every type of value is read, comments are skipped")
{
	cleanup_conf struct conf *c = load_good(
		"// the configuration of /* this */ machine\n"
		"{ \"state_dir\": \"/s//p/*x*/\", /* \"log\": { */\n"
		"  \"x-mine\": [ 1, { \"a\": null } ],\n"
		"  \"ssh\": { \"identity\": [ \"~/k\", \"/etc/k\" ], \"agent\": "
		"false,\n"
		"    \"host_key\": \"accept-new\", \"max_channels\": 64,\n"
		"    \"connect_timeout\": 5, \"keepalive\": \"2m\" },\n"
		"  \"s3\": { \"bucket\": \"b.1\", \"region\": \"eu-west-1\",\n"
		"    \"endpoint_url\": \"http://[::1]:9000\" },\n"
		"  \"limits\": { \"files_bytes\": \"64KiB\",\n"
		"    \"poll_interval\": \"1500ms\" },\n"
		"  \"log\": { \"level\": \"debug\" } // end\n"
		"}\n"
		"/* and\n more */");

	CHECK_STR(c->state_dir, "/s//p/*x*/");
	CHECK_STR(c->ssh.identity[0], "/nonexistent/k");
	CHECK_STR(c->ssh.identity[1], "/etc/k");
	CHECK(!c->ssh.identity[2] && !c->ssh.agent);
	CHECK_INT(c->ssh.host_key, CONF_HOST_KEY_ACCEPT_NEW);
	CHECK_INT(c->ssh.max_channels, 64);
	CHECK_INT(c->ssh.connect_timeout_ms, 5000);
	CHECK_INT(c->ssh.keepalive_ms, 120000);
	CHECK_STR(c->s3.bucket, "b.1");
	CHECK_STR(c->s3.region, "eu-west-1");
	CHECK_STR(c->s3.endpoint_url, "http://[::1]:9000");
	CHECK_INT(c->limits.files_bytes, 65536);
	CHECK_INT(c->limits.poll_interval_ms, 1500);
	CHECK_INT(c->log.level, CONF_LOG_DEBUG);
	CHECK(has_prefix(c->config_file, "/") && has_suffix(c->config_file, "/c.json"));
}

TEST("null is the default")
{
	cleanup_conf struct conf *c =
		load_good("{ \"state_dir\": null, \"s3\": { \"credentials\": null, "
			  "\"endpoint_url\": null }, \"ssh\": { \"identity\": null, "
			  "\"agent\": null } }");

	CHECK(c->state_dir && c->ssh.agent && !c->s3.endpoint_url && c->ssh.identity);
	CHECK_STR(c->s3.credentials, "env");
}

TEST("hosts have names, defaults and labels, in the order of the file")
{
	cleanup_conf struct conf *c = load_good(
		"{ \"hosts\": { \"gpu-b\": {}, \"x-1\": { \"address\": \"10.0.0.5\", "
		"\"port\": 2222, \"user\": \"ubuntu\", \"gpus\": 8, \"slots\": 4, "
		"\"labels\": { \"gpu\": \"h100\", \"rack\": \"a=1\" } } } }");
	const struct conf_host *x = conf_find_host(c, "x-1");

	CHECK_INT(c->n_hosts, 2);
	CHECK_STR(c->hosts[0].name, "gpu-b");
	CHECK_STR(c->hosts[0].address, "gpu-b");
	CHECK_STR(c->hosts[0].user, "alice");
	CHECK(c->hosts[0].port == 22 && c->hosts[0].gpus == 0 &&
	      c->hosts[0].slots == 1);
	CHECK(c->hosts[0].labels && !c->hosts[0].labels[0]);
	CHECK(x == &c->hosts[1] && !conf_find_host(c, "x-2"));
	CHECK_STR(x->address, "10.0.0.5");
	CHECK_STR(x->user, "ubuntu");
	CHECK(x->port == 2222 && x->gpus == 8 && x->slots == 4);
	CHECK_STR(x->labels[0], "gpu=h100");
	CHECK_STR(x->labels[1], "rack=a=1");
	CHECK(!x->labels[2]);
}

TEST("the default identity is those key files that exist")
{
	cleanup_buf struct buf home = BUF_INIT;
	cleanup_conf struct conf *c = NULL;

	(void)buf_printf(&home, "HOME=%s", dir);
	CHECK(mkdir(".ssh", 0700) == 0);
	write_file(".ssh/id_rsa", "", 0600);
	c = load(NULL, LIST(home.data), NULL);
	CHECK(c && c->ssh.identity[0] && !c->ssh.identity[1]);
	CHECK(has_suffix(c->ssh.identity[0], "/.ssh/id_rsa"));
}

TEST("an empty list of identities stays empty")
{
	cleanup_buf struct buf home = BUF_INIT;
	cleanup_conf struct conf *c = NULL, *d = NULL;

	(void)buf_printf(&home, "HOME=%s", dir);
	c = load("{ \"ssh\": { \"identity\": [] } }", LIST(home.data), NULL);
	CHECK(c && !c->ssh.identity[0]);
	d = load(NULL, LIST(home.data), LIST("ssh.identity="));
	CHECK(d && !d->ssh.identity[0]);
}

/* ---- precedence ---- */

TEST("command line wins over environment, environment over file")
{
	static const char json[] = "{ \"s3\": { \"region\": \"r-file\", \"bucket\": "
				   "\"b-file\", \"endpoint_url\": \"http://file\" } }";
	const char *const *env =
		LIST("HOME=/h", "AWS_REGION=r-env", "BUCKET_NAME=b-env", "USER=u");
	cleanup_conf struct conf *c = load(json, env, LIST("s3.region=r-set"));

	CHECK(c);
	CHECK_STR(c->s3.region, "r-set");
	CHECK_STR(c->s3.bucket, "b-env");
	CHECK_STR(c->s3.endpoint_url, "http://file");
}

TEST("the last --set of an option wins")
{
	cleanup_conf struct conf *c =
		load(NULL, NO_ENV, LIST("log.level=error", "log.level=debug"));

	CHECK(c && c->log.level == CONF_LOG_DEBUG);
}

TEST("AWS_REGION wins over AWS_DEFAULT_REGION, an empty variable is none")
{
	cleanup_conf struct conf *c = load(
		NULL, LIST("HOME=/h", "AWS_DEFAULT_REGION=d", "AWS_REGION=r"), NULL);
	cleanup_conf struct conf *d =
		load(NULL,
		     LIST("HOME=/h", "AWS_DEFAULT_REGION=d", "AWS_REGION=",
			  "AWS_ENDPOINT_URL=http://a", "AWS_ENDPOINT_URL_S3=http://s3"),
		     NULL);

	CHECK(c && d);
	CHECK_STR(c->s3.region, "r");
	CHECK_STR(d->s3.region, "d");
	CHECK_STR(d->s3.endpoint_url, "http://s3");
}

TEST("--set knows every type but hosts")
{
	cleanup_conf struct conf *c =
		load(NULL, NO_ENV,
		     LIST("state_dir=~/s", "ssh.agent=false", "ssh.max_channels=2",
			  "ssh.identity=/a:~/b", "limits.files_bytes=2GiB",
			  "limits.stop_grace=0", "ssh.host_key=accept-new"));

	CHECK(c);
	CHECK_STR(c->state_dir, "/nonexistent/s");
	CHECK(!c->ssh.agent && c->ssh.max_channels == 2 && !c->ssh.identity[2]);
	CHECK_STR(c->ssh.identity[1], "/nonexistent/b");
	CHECK_INT(c->limits.files_bytes, INT64_C(2) << 30);
	CHECK_INT(c->limits.stop_grace_ms, 0);
}

/* ---- errors ---- */

TEST("a value of a wrong type says what was found and expected")
{
	check_refused("{ \"state_dir\": 5 }",
		      "c.json:1:16: $.state_dir: found a number; expected an absolute "
		      "path, or one that begins with ~/");
	check_refused("{\"ssh\": []}",
		      "c.json:1:9: $.ssh: found an array; expected an object");
	check_refused(
		"{\"ssh\": {\"agent\": \"yes\"}}",
		"c.json:1:19: $.ssh.agent: found a string; expected true or false");
	check_refused("{\"ssh\": {\"identity\": \"~/k\"}}",
		      "c.json:1:22: $.ssh.identity: found a string; expected a list of "
		      "paths, each absolute or beginning with ~/");
	check_refused(
		"{\"ssh\": {\"identity\": [\"/k\", 1, \"k\"]}}",
		"c.json:1:29: $.ssh.identity[1]: found a number; expected a string\n"
		"c.json:1:32: $.ssh.identity[2]: found a relative path; expected an "
		"absolute path, or one that begins with ~/");
	check_refused("{\"ssh\": {\"max_channels\": 1.5}}",
		      "c.json:1:26: $.ssh.max_channels: found a number; expected an "
		      "integer from 1 to 64");
	check_refused(
		"{\"ssh\": {\"keepalive\": true}}",
		"c.json:1:23: $.ssh.keepalive: found a boolean; expected a duration "
		"from 1s to 1h, such as 90, \"90s\" or \"10m\"");
	check_refused(
		"{\"limits\": {\"files_bytes\": {}}}",
		"c.json:1:28: $.limits.files_bytes: found an object; expected a size "
		"from 0 to 1TiB, such as 4096 or \"64MiB\"");
	check_refused("{\"hosts\": 1}",
		      "c.json:1:11: $.hosts: found a number; expected an "
		      "object with a member for each host");
	check_refused("{\"hosts\": {\"a\": null}}",
		      "c.json:1:17: $.hosts.a: found null; expected an object");
	check_refused(
		"{\"hosts\": {\"a\": {\"labels\": [1]}}}",
		"c.json:1:28: $.hosts.a.labels: found an array; expected an object "
		"of strings");
	check_refused(
		"{\"hosts\": {\"a\": {\"labels\": {\"b\": 1, \"c=\": \"\"}}}}",
		"c.json:1:34: $.hosts.a.labels.b: found a number; expected a string\n"
		"c.json:1:37: $.hosts.a.labels[\"c=\"]: found a label without a name "
		"or with \"=\" in it; expected a name");
}

TEST("a value out of range says what was found and expected")
{
	check_refused(
		"{\"ssh\": {\"max_channels\": 65, \"connect_timeout\": \"11m\"}}",
		"c.json:1:26: $.ssh.max_channels: found 65; expected an integer from "
		"1 to 64\n"
		"c.json:1:49: $.ssh.connect_timeout: found \"11m\"; expected a "
		"duration from 1s to 10m, such as 90, \"90s\" or \"10m\"");
	check_refused(
		"{\"limits\": {\"stop_grace\": -1, \"files_bytes\": \"2TiB\"}}",
		"c.json:1:27: $.limits.stop_grace: found -1; expected a duration "
		"from 0s to 1d, such as 90, \"90s\" or \"10m\"\n"
		"c.json:1:46: $.limits.files_bytes: found \"2TiB\"; expected a size "
		"from 0 to 1TiB, such as 4096 or \"64MiB\"");
	check_refused(
		"{\"ssh\": {\"host_key\": \"no\"}, \"log\": {\"level\": \"all\"}}",
		"c.json:1:22: $.ssh.host_key: found \"no\"; expected \"strict\" or "
		"\"accept-new\"\n"
		"c.json:1:46: $.log.level: found \"all\"; expected \"error\", "
		"\"warning\", \"info\" or \"debug\"");
	check_refused(
		"{\"hosts\": {\"a\": {\"port\": 0, \"user\": \"a b\", "
		"\"address\": \"-o\"}}}",
		"c.json:1:26: $.hosts.a.port: found 0; expected an integer from 1 to "
		"65535\n"
		"c.json:1:37: $.hosts.a.user: found \"a b\"; expected a user name\n"
		"c.json:1:55: $.hosts.a.address: found \"-o\"; expected a host name "
		"or an IP address");
}

TEST("temporary credentials are those of a role, which must be named")
{
	cleanup_conf struct conf *c =
		load_good("{ \"s3\": { \"credentials\": \"sts\", \"sts_role_arn\": "
			  "\"arn:aws-cn:iam::123456789012:role/of/jobs\", "
			  "\"sts_duration\": \"12h\" } }");

	CHECK_STR(c->s3.credentials, "sts");
	CHECK_STR(c->s3.sts_role_arn, "arn:aws-cn:iam::123456789012:role/of/jobs");
	CHECK_INT(c->s3.sts_duration_ms, 12 * 3600000);
	CHECK(!c->s3.sts_endpoint_url);
	c = conf_free(c);
	c = load_good("{}"); /* a spec may ask for it where it is not the rule */
	CHECK_INT(c->s3.sts_duration_ms, 3600000);
	check_refused("{\"s3\": {\"credentials\": \"sts\"}}",
		      "s3.credentials: found \"sts\" without s3.sts_role_arn; expected "
		      "the role too");
	check_refused(
		"{\"s3\": {\"sts_role_arn\": \"jobs\"}}",
		"c.json:1:25: $.s3.sts_role_arn: found \"jobs\"; expected the ARN "
		"of a role such as \"arn:aws:iam::123456789012:role/jobs\"");
	check_refused("{\"s3\": {\"sts_duration\": \"14m\"}}",
		      "c.json:1:25: $.s3.sts_duration: found \"14m\"; expected a "
		      "duration from 15m to 12h, such as 90, \"90s\" or \"10m\"");
	check_refused("{\"s3\": {\"credentials\": \"aws\"}}",
		      "c.json:1:24: $.s3.credentials: found \"aws\"; expected \"env\", "
		      "\"sts\" or \"presigned\"");
}

TEST("an engine is one of three words, and auto unless it is said")
{
	cleanup_conf struct conf *c = load_good("{}");

	CHECK_INT(c->s3.engine, CONF_ENGINE_AUTO);
	c = conf_free(c);
	c = load_good("{ \"s3\": { \"engine\": \"presigned\", "
		      "\"credentials\": \"presigned\" } }");
	CHECK_INT(c->s3.engine, CONF_ENGINE_PRESIGNED);
	CHECK_STR(c->s3.credentials, "presigned");
	check_refused("{\"s3\": {\"engine\": \"s5cmd\"}}",
		      "c.json:1:19: $.s3.engine: found \"s5cmd\"; expected \"auto\", "
		      "\"aws\", \"presigned\", \"rclone\" or \"s3cmd\"");
}

TEST("what is verified is one of three words, and auto unless it is said")
{
	cleanup_conf struct conf *c = load_good("{}");

	CHECK_INT(c->s3.verify, CONF_VERIFY_AUTO);
	c = conf_free(c);
	c = load_good("{ \"s3\": { \"verify\": \"never\" } }");
	CHECK_INT(c->s3.verify, CONF_VERIFY_NEVER);
	check_refused("{\"s3\": {\"verify\": \"size\"}}",
		      "c.json:1:19: $.s3.verify: found \"size\"; expected \"auto\", "
		      "\"always\" or \"never\"");
}

TEST("an address with a password in it is refused and not shown")
{
	check_refused(
		"{\"s3\": {\"endpoint_url\": \"http://u:SECRET@h\"}}",
		"c.json:1:25: $.s3.endpoint_url: found a text with \"@\" in it; "
		"expected http:// or https://, a host, and no user name or query");
}

TEST("an unknown key is refused with the nearest one, or with all")
{
	check_refused(
		"{\"hots\": {}}",
		"c.json:1:2: $.hots: unknown key \"hots\"; did you mean \"hosts\"?");
	check_refused("{\"s3\": {\"regin\": 1}}",
		      "c.json:1:9: $.s3.regin: unknown key \"regin\"; did you mean "
		      "\"region\"?");
	check_refused("{\"hosts\": {\"a\": {\"prot\": 1}}}",
		      "c.json:1:18: $.hosts.a.prot: unknown key \"prot\"; did you mean "
		      "\"port\"?");
	check_refused("{\"zebra\": 1}",
		      "c.json:1:2: $.zebra: unknown key \"zebra\"; expected one of: "
		      "state_dir, hosts, ssh, s3, aws, limits, log");
	check_refused(
		"{\"aws\": {\"zebra\": 1}}",
		"c.json:1:10: $.aws.zebra: unknown key \"zebra\"; expected one of: "
		"install_url, bundle");
}

TEST("a secret in the file is refused and not shown")
{
	check_refused(
		"{\"s3\": {\"secret_access_key\": \"SECRET\"}}",
		"c.json:1:9: $.s3.secret_access_key: unknown key "
		"\"secret_access_key\"; expected no secrets here: they are taken from "
		"the environment or from s3.environment_file");
}

TEST("a host name is checked")
{
	check_refused(
		"{\"hosts\": {\"-a\": {}, \"a b\": {}, \"\": {}}}",
		"c.json:1:12: $.hosts[\"-a\"]: found the host name \"-a\"; expected 1 "
		"to 64 letters, digits, \".\", \"_\" and \"-\", of which the first is "
		"a letter or a digit\n"
		"c.json:1:22: $.hosts[\"a b\"]: found the host name \"a b\"; expected "
		"1 to 64 letters, digits, \".\", \"_\" and \"-\", of which the first "
		"is a letter or a digit\n"
		"c.json:1:33: $.hosts[\"\"]: found the host name \"\"; expected 1 to "
		"64 letters, digits, \".\", \"_\" and \"-\", of which the first is a "
		"letter or a digit");
}

TEST("equal keys, broken JSON and open comments are refused")
{
	CHECK(!load("{\"log\": {},\n \"log\": {}}", NO_ENV, NULL));
	CHECK(has_prefix(err.text, "c.json:2:2: $.log: "));
	CHECK(!load("{\n\"log\": {\n", NO_ENV, NULL));
	CHECK(has_prefix(err.text, "c.json:3:1: $.log: "));
	CHECK(!load("[]", NO_ENV, NULL));
	CHECK(has_prefix(err.text, "c.json:1:1: $: "));
	CHECK(!load("", NO_ENV, NULL));
	CHECK(has_prefix(err.text, "c.json:1:1: $: "));
	check_refused("{}\n  /* no end",
		      "c.json:2:3: found a comment without an end; expected */");
}

TEST("a place behind comments is still right")
{
	check_refused("/* one\n two */ {\n  // three\n  \"log\": /**/ 7 }",
		      "c.json:4:15: $.log: found a number; expected an object");
}

TEST("a comment in a string is none, and a slash alone is left")
{
	char text[] = "\"//\" /*a*/ / \"\\\"/*\"//x\n\"/*\n*";

	CHECK_INT(comment_blank(text, strlen(text)), strlen(text));
	CHECK_STR(text, "\"//\"       / \"\\\"/*\"   \n\"/*\n*");
}

TEST("a file that cannot be read says why")
{
	struct conf *conf = NULL;

	CHECK_INT(conf_load("none.json", NO_ENV, NULL, &conf, &err), -ENOENT);
	CHECK_STR(err.text, "none.json: No such file or directory");
	CHECK_INT(conf_load(".", NO_ENV, NULL, &conf, &err), -EISDIR);
	CHECK_STR(err.text, ".: Is a directory");
	CHECK(!conf);
}

TEST("--set says what is wrong with it")
{
	check_setting_refused("log.level=loud",
			      "--set log.level: found \"loud\"; expected \"error\", "
			      "\"warning\", \"info\" or \"debug\"");
	check_setting_refused("log", "--set: found \"log\"; expected NAME=VALUE");
	check_setting_refused(
		"log.leve=1",
		"--set: unknown option \"log.leve\"; did you mean \"log.level\"?");
	check_setting_refused("=1", "--set: unknown option \"\"; expected one of those "
				    "that jobfs --help lists");
	check_setting_refused("hosts.a.port=1",
			      "--set: found \"hosts.a.port\"; expected hosts in the "
			      "configuration file only");
	check_setting_refused("hosts.*.port=1",
			      "--set: found \"hosts.*.port\"; expected hosts in the "
			      "configuration file only");
	check_setting_refused(
		"state_dir=here",
		"--set state_dir: found \"here\"; expected an absolute path, "
		"or one that begins with ~/");
}

TEST("the environment says what is wrong with it")
{
	CHECK(!load(NULL, LIST("HOME=/h", "AWS_REGION=a b", "BUCKET_NAME=x"), NULL));
	CHECK_STR(err.text,
		  "environment: BUCKET_NAME: found \"x\"; expected the name of a "
		  "bucket: 3 "
		  "to 63 letters, digits, \".\", \"_\" and \"-\"\n"
		  "environment: AWS_REGION: found \"a b\"; expected a region such as "
		  "\"ap-south-1\"");
}

TEST("all problems of all places are told in one run")
{
	CHECK(!load("{\n\"x\": 1,\n\"log\": {\"level\": 1}}",
		    LIST("HOME=/h", "AWS_REGION=a b", "AWS_ACCESS_KEY_ID=k"),
		    LIST("a=b")));
	CHECK_STR(
		err.text,
		"c.json:2:1: $.x: unknown key \"x\"; expected one of: state_dir, "
		"hosts, "
		"ssh, s3, aws, limits, log\n"
		"c.json:3:18: $.log.level: found a number; expected \"error\", "
		"\"warning\", \"info\" or \"debug\"\n"
		"--set: unknown option \"a\"; expected one of those that jobfs --help "
		"lists\n"
		"environment: AWS_REGION: found \"a b\"; expected a region such as "
		"\"ap-south-1\"\n"
		"environment: found AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY; "
		"expected both or none");
}

TEST("more problems than fit are counted")
{
	const char *set[201];

	for (size_t i = 0; i < 200; i++) {
		set[i] = "nothing.like.this=1";
	}
	set[200] = NULL;
	CHECK(!load(NULL, NO_ENV, set));
	CHECK(strlen(err.text) < sizeof(err.text) - 1);
	CHECK(has_suffix(err.text, " more)"));
	CHECK(strstr(err.text, "\n(and 1"));
}

TEST("without USER a host's user is the one of the user database")
{
	cleanup_conf struct conf *c =
		load("{\"hosts\": {\"a\": {}}}", LIST("HOME=/h", "USER="), NULL);

	CHECK(c && c->hosts[0].user && *c->hosts[0].user);
}

/* ---- secrets ---- */

#define KEY    "AWS_ACCESS_KEY_ID=AKIDEXAMPLE"
#define SECRET "AWS_SECRET_ACCESS_KEY=wJalr/+SECRET="

TEST("secrets are taken from the environment")
{
	cleanup_conf struct conf *c =
		load(NULL,
		     LIST("HOME=/h", KEY, SECRET, "AWS_SESSION_TOKEN=tok",
			  "JOBFS_SSH_PASSPHRASE=pass phrase"),
		     NULL);

	CHECK(c);
	CHECK_STR(c->secrets.access_key, "AKIDEXAMPLE");
	CHECK_STR(c->secrets.secret_key, "wJalr/+SECRET=");
	CHECK_STR(c->secrets.session_token, "tok");
	CHECK_STR(c->secrets.ssh_passphrase, "pass phrase");
	CHECK_INT(conf_lock_secrets(c), 0);
}

TEST("half a pair of credentials is refused")
{
	CHECK(!load(NULL, LIST("HOME=/h", SECRET), NULL));
	CHECK_STR(err.text, "environment: found AWS_SECRET_ACCESS_KEY without "
			    "AWS_ACCESS_KEY_ID; expected both or none");
	CHECK(!load(NULL, LIST("HOME=/h", KEY, "AWS_SECRET_ACCESS_KEY="), NULL));
	CHECK_STR(err.text, "environment: found AWS_ACCESS_KEY_ID without "
			    "AWS_SECRET_ACCESS_KEY; expected both or none");
	CHECK(!load(NULL, LIST("HOME=/h", "AWS_SESSION_TOKEN=SECRET"), NULL));
	CHECK_STR(err.text, "environment: found AWS_SESSION_TOKEN without "
			    "AWS_ACCESS_KEY_ID; expected both or none");
}

TEST("a secret that would break a line is refused and not shown")
{
	CHECK(!load(NULL, LIST("HOME=/h", KEY, "AWS_SECRET_ACCESS_KEY=SEC\nRET"),
		    NULL));
	CHECK_STR(err.text, "environment: AWS_SECRET_ACCESS_KEY: found a space, a "
			    "control character "
			    "or a character that is not ASCII; expected none");
}

static struct conf *load_env_file(const char *text, mode_t mode, const char *const *env)
{
	cleanup_buf struct buf set = BUF_INIT;

	write_file("env", text, mode);
	(void)buf_printf(&set, "s3.environment_file=%s/env", dir);
	return load(NULL, env, LIST(set.data));
}

TEST("the environment file fills in what the environment lacks")
{
	cleanup_conf struct conf *c = load_env_file("# comment\n\n; comment\n"
						    "  AWS_ACCESS_KEY_ID = x\n",
						    0600, NO_ENV);

	CHECK(!c); /* no space before = */
	c = load_env_file("# comment\n\n; comment\r\n"
			  "AWS_ACCESS_KEY_ID=  key \t\r\n"
			  "export AWS_SECRET_ACCESS_KEY='a\\b c' \n",
			  0600, NO_ENV);
	CHECK(!c); /* a space in a key */
	c = load_env_file("# comment\n\n; comment\r\n"
			  "AWS_ACCESS_KEY_ID=  key \t\r\n"
			  "export AWS_SECRET_ACCESS_KEY='a\\b$c'\n"
			  "AWS_SESSION_TOKEN=\"q\\\"\\\\\\$x\\y\"\n"
			  "BUCKET_NAME=first\nBUCKET_NAME=second\n"
			  "AWS_REGION=from-file\nAWS_DEFAULT_REGION=\n"
			  "SOMETHING_ELSE=\n"
			  "JOBFS_SSH_PASSPHRASE=a b = c",
			  0600, LIST("HOME=/h", "AWS_DEFAULT_REGION=from-env"));
	CHECK_STR(err.text, "");
	CHECK(c);
	CHECK_STR(c->secrets.access_key, "key");
	CHECK_STR(c->secrets.secret_key, "a\\b$c");
	CHECK_STR(c->secrets.session_token, "q\"\\$x\\y");
	CHECK_STR(c->secrets.ssh_passphrase, "a b = c");
	CHECK_STR(c->s3.bucket, "second");
	CHECK_STR(c->s3.region, "from-env");
}

TEST("credentials of two places are never mixed")
{
	cleanup_conf struct conf *c = load_env_file(
		"AWS_ACCESS_KEY_ID=f\nAWS_SECRET_ACCESS_KEY=f\nAWS_SESSION_TOKEN=f\n"
		"JOBFS_SSH_PASSPHRASE=f\n",
		0600, LIST("HOME=/h", KEY, SECRET));

	CHECK(c);
	CHECK_STR(c->secrets.access_key, "AKIDEXAMPLE");
	CHECK(!c->secrets.session_token);
	CHECK_STR(c->secrets.ssh_passphrase, "f");
	CHECK(!load_env_file("AWS_ACCESS_KEY_ID=f\n", 0600, LIST("HOME=/h", SECRET)));
}

static void check_env_file(const char *text, mode_t mode, const char *problem)
{
	cleanup_buf struct buf want = BUF_INIT;

	(void)buf_printf(&want, problem, dir, dir);
	CHECK(!load_env_file(text, mode, NO_ENV));
	CHECK_STR(err.text, want.data);
}

TEST("an environment file that others may read is refused")
{
	check_env_file(
		"A=b\n", 0640,
		"%s/env: found mode 0640; expected no access for group and others: "
		"chmod 600 %s/env");
	check_env_file(
		"A=b\n", 0604,
		"%s/env: found mode 0604; expected no access for group and others: "
		"chmod 600 %s/env");
}

TEST("an environment file of somebody else is refused")
{
	cleanup_buf struct buf want = BUF_INIT;

	write_file("env", "", 0600);
	if (geteuid() != 0 || chown("env", 12345, 0) < 0) {
		return; /* only root can make such a file */
	}
	CHECK(!load_env_file("", 0600, NO_ENV));
	(void)buf_printf(
		&want, "%s/env: found the owner with uid 12345; expected root or uid 0",
		dir);
	CHECK_STR(err.text, want.data);
	CHECK(unlink("env") == 0);
}

TEST("lines of an environment file are checked, values are not shown")
{
	check_env_file(
		"\nSECRET\n", 0600,
		"%s/env:2: found no NAME= at the beginning; expected NAME=VALUE");
	check_env_file("A='SECRET\n", 0600,
		       "%s/env:1: found a quote that is not closed; expected the same "
		       "quote in this line");
	check_env_file(
		"A=\"b\"SECRET\n", 0600,
		"%s/env:1: found text behind the closing quote; expected the end of "
		"the line");
	check_env_file(
		"A=b\nB=SEC\\RET\n", 0600,
		"%s/env:2: found a backslash outside of quotes; expected the value "
		"in single quotes");
	CHECK(!load(NULL, NO_ENV, LIST("s3.environment_file=/dev/null")));
	CHECK_STR(err.text, "/dev/null: found something else than a file; expected a "
			    "regular file");
	CHECK(!load(NULL, NO_ENV, LIST("s3.environment_file=/nonexistent/env")));
	CHECK_STR(err.text, "/nonexistent/env: No such file or directory");
}

static bool kernel_shows(const char *text)
{
	int fd = open("/proc/self/environ", O_RDONLY);
	cleanup_buf struct buf environment = BUF_INIT;
	ssize_t n;

	CHECK(fd >= 0);
	do {
		char *room = buf_reserve(&environment, 4096);

		CHECK(room);
		n = read(fd, room, 4096);
		CHECK(n >= 0);
		environment.len += (size_t)n;
	} while (n > 0);
	(void)close(fd);
	return memmem(environment.data, environment.len, text, strlen(text));
}

TEST("the scrubbed environment shows no secret")
{
	CHECK(kernel_shows("CANARY-1") && kernel_shows("CANARY-4"));
	conf_scrub_environment();
	CHECK(!kernel_shows("CANARY-"));
	CHECK(kernel_shows("TEST_CONF_CANARY=kept"));
	CHECK(!getenv("AWS_ACCESS_KEY_ID") && !getenv("AWS_SECRET_ACCESS_KEY") &&
	      !getenv("AWS_SESSION_TOKEN") && !getenv("JOBFS_SSH_PASSPHRASE"));
}

/* ---- rendering ---- */

TEST("what is rendered can be read again, and holds no secret")
{
	cleanup_conf struct conf *c = load(
		"{\"hosts\": {\"a\": {\"labels\": {\"k\": \"v\\n\"}}, \"b\": {}}, "
		"\"ssh\": "
		"{\"identity\": [\"/k1\", \"/k\\\"2\"]}, \"limits\": {\"stop_grace\": "
		"0, "
		"\"files_bytes\": 0, \"s3_patience\": \"36h\"}}",
		LIST("HOME=/h", "USER=u", KEY, SECRET), NULL);
	cleanup_conf struct conf *d = NULL;
	cleanup_buf struct buf first = BUF_INIT;
	cleanup_buf struct buf second = BUF_INIT;

	CHECK(!c); /* a control character in a label */
	c = load("{\"hosts\": {\"a\": {\"labels\": {\"k\": \"v\"}}, \"b\": {}}, "
		 "\"ssh\": "
		 "{\"identity\": [\"/k1\", \"/k\\\"2\"]}, \"limits\": {\"stop_grace\": "
		 "0, "
		 "\"files_bytes\": 0, \"s3_patience\": \"36h\"}}",
		 LIST("HOME=/h", "USER=u", KEY, SECRET), NULL);
	CHECK(c);
	CHECK_INT(conf_render(c, &first), 0);
	CHECK(!strstr(first.data, "AKID") && !strstr(first.data, "SECRET="));
	CHECK(strstr(first.data, "\"AWS_SECRET_ACCESS_KEY\": \"(set)\""));
	CHECK(strstr(first.data, "\"AWS_SESSION_TOKEN\": null"));
	CHECK(strstr(first.data, "\"s3_patience\": \"36h\""));
	CHECK(strstr(first.data, "\"stop_grace\": \"0s\""));
	d = load(first.data, LIST("HOME=/h", "USER=u", KEY, SECRET), NULL);
	CHECK_STR(err.text, "");
	CHECK_INT(conf_render(d, &second), 0);
	CHECK_STR(second.data, first.data);
}

TEST("help has a paragraph for every option, in 78 columns")
{
	cleanup_buf struct buf help = BUF_INIT;
	size_t paragraphs = 0, options = 0;

	CHECK_INT(conf_render_help(&help), 0);
	for (char *next = help.data, *line; (line = strsep(&next, "\n"));) {
		CHECK(strlen(line) <= 78);
		paragraphs += has_prefix(line, "  ") && line[2] != ' ';
	}
	while (option_at(options)) {
		options++;
	}
	CHECK_INT(paragraphs, options);
}

TEST("the default of every option is one of its values")
{
	for (size_t i = 0; option_at(i); i++) {
		const struct option *o = option_at(i);
		struct conf_host host = { .name = NULL };
		struct conf conf = { .state_dir = NULL };
		void *base = option_is_of_host(o) ? (void *)&host : (void *)&conf;

		CHECK(o->help && has_suffix(o->help, "."));
		CHECK(o->type != OPTION_STRING || o->expected);
		if (o->default_text) {
			CHECK_INT(option_set(o, o->default_text, "/h", base), 0);
			option_clear(o, base);
		}
	}
}

/* ---- where the file is ---- */

TEST("JOBFS_CONFIG names the file, whether it exists or not")
{
	cleanup_free char *file = NULL;

	CHECK_INT(conf_find_file(LIST("JOBFS_CONFIG=/nonexistent/c"), &file), 0);
	CHECK_STR(file, "/nonexistent/c");
}

TEST("a default file that does not exist is none")
{
	cleanup_free char *file = NULL;

	if (geteuid() == 0 && access("/etc/jobfs/config.json", F_OK) == 0) {
		return;
	}
	CHECK_INT(conf_find_file(LIST("HOME=/nonexistent"), &file), 0);
	CHECK(!file);
	CHECK_INT(conf_find_file(LIST("XDG_CONFIG_HOME=/nonexistent"), &file), 0);
	CHECK(!file);
}

/* ---- mutations ---- */

static const char sample[] =
	"{ \"state_dir\": \"/var/lib/x\", // one\n"
	"  \"hosts\": { \"gpu-a\": { \"address\": \"10.0.0.5\", \"port\": 22,\n"
	"    \"user\": \"ubuntu\", \"gpus\": 8, \"slots\": 8,\n"
	"    \"labels\": { \"gpu\": \"h100\" } } },\n"
	"  \"ssh\": { \"identity\": [\"~/.ssh/k\"], \"agent\": true,\n"
	"    \"connect_timeout\": \"5s\" }, /* two */\n"
	"  \"s3\": { \"bucket\": \"my-bucket\", \"endpoint_url\": null },\n"
	"  \"limits\": { \"files_bytes\": \"1GiB\" }, \"log\": { } }\n";

/* xorshift: the same numbers on every machine */
static unsigned next_random(unsigned *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void mutate(struct buf *text, unsigned *random)
{
	static const char bytes[] = "{}[]\",:\\/*0-9nt\n x\x01\xff";
	size_t at = next_random(random) % text->len;
	size_t len = next_random(random) % 8;

	switch (next_random(random) % 4) {
	case 0: /* another byte */
		text->data[at] = bytes[next_random(random) % (sizeof(bytes) - 1)];
		return;
	case 1: /* some bytes less */
		len = len < text->len - at ? len : text->len - at - 1;
		memmove(text->data + at, text->data + at + len, text->len - at - len);
		buf_truncate(text, text->len - len);
		return;
	case 2: /* the end is missing */
		buf_truncate(text, at + 1);
		return;
	default: /* something twice */
		len = len < text->len - at ? len : text->len - at;
		CHECK(buf_add(text, text->data + at, len) == 0);
	}
}

/* "c.json:LINE:COLUMN: $", or a comment that has no end. */
static bool names_a_place(const char *line)
{
	unsigned row, column;
	int end = 0;

	return sscanf(line, "c.json:%u:%u: %n", &row, &column, &end) == 2 && end > 0 &&
	       row > 0 && column > 0 &&
	       (line[end] == '$' || has_prefix(line + end, "found a comment"));
}

TEST("mutated configurations are refused with a place, or read")
{
	unsigned random = 20240607, refused = 0;

	for (unsigned i = 0; i < 2000; i++) {
		cleanup_buf struct buf text = BUF_INIT;
		cleanup_conf struct conf *c = NULL;

		(void)buf_add_str(&text, sample);
		for (unsigned n = next_random(&random) % 3 + 1; n > 0; n--) {
			mutate(&text, &random);
		}
		c = load(text.data, NO_ENV, NULL);
		if (c) {
			continue;
		}
		refused++;
		for (char *next = err.text, *line; (line = strsep(&next, "\n"));) {
			CHECK(names_a_place(line) || has_prefix(line, "(and "));
		}
	}
	CHECK(refused > 1000);
}

/* Every value of the sample replaced by one of another kind: one problem, at its path.
 */
TEST("every value of a wrong kind is named by its path")
{
	static const char *const places[][2] = {
		{ "\"/var/lib/x\"", "$.state_dir: " },
		{ "\"10.0.0.5\"", "$.hosts[\"gpu-a\"].address: " },
		{ "22", "$.hosts[\"gpu-a\"].port: " },
		{ "\"ubuntu\"", "$.hosts[\"gpu-a\"].user: " },
		{ "\"h100\"", "$.hosts[\"gpu-a\"].labels.gpu: " },
		{ "[\"~/.ssh/k\"]", "$.ssh.identity: " },
		{ "\"~/.ssh/k\"", "$.ssh.identity[0]: " },
		{ "true", "$.ssh.agent: " },
		{ "\"5s\"", "$.ssh.connect_timeout: " },
		{ "\"my-bucket\"", "$.s3.bucket: " },
		{ "\"1GiB\"", "$.limits.files_bytes: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		cleanup_buf struct buf text = BUF_INIT;
		const char *at = strstr(sample, places[i][0]);

		CHECK(at);
		(void)buf_add(&text, sample, (size_t)(at - sample));
		(void)buf_printf(&text, "-1.5%s", at + strlen(places[i][0]));
		CHECK(!load(text.data, NO_ENV, NULL));
		CHECK(strstr(err.text, places[i][1]) && !strchr(err.text, '\n'));
	}
}

TEST_MAIN

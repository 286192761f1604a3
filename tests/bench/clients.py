"""The S3 clients that `data` measures jobfs against: what each needs to move one large object,
or a directory of small ones, as a shell script for the GPU host.

A script gets its secrets on the standard input of `sh -s`, as all of it; it runs in an empty
directory of the user's. `big` is the file of the object, `many/` the directory."""

import datetime
import hashlib
import hmac
import urllib.parse
from dataclasses import dataclass

from bed import ACCESS_KEY, BUCKET, SECRET_KEY

RANGES = 8


def presign(endpoint, method, key, query=None):
    """A URL that is good for an hour (SigV4 in the query string)."""
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    scope = f"{day}/us-east-1/s3/aws4_request"
    host = urllib.parse.urlsplit(endpoint).netloc.removesuffix(":80")  # as curl sends it
    query = {**(query or {}), "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{ACCESS_KEY}/{scope}",
             "X-Amz-Date": stamp, "X-Amz-Expires": "3600", "X-Amz-SignedHeaders": "host"}
    path = "/" + urllib.parse.quote(f"{BUCKET}/{key}")
    text = "&".join(f"{k}={urllib.parse.quote(v, safe='')}" for k, v in sorted(query.items()))
    request = "\n".join([method, path, text, f"host:{host}\n", "host", "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    signing_key = ("AWS4" + SECRET_KEY).encode()
    for part in (day, "us-east-1", "s3", "aws4_request", to_sign):
        signing_key = hmac.new(signing_key, part.encode(), hashlib.sha256).digest()
    return f"{endpoint}{path}?{text}&X-Amz-Signature={signing_key.hex()}"


def aws(endpoint, config=""):
    return (f"export AWS_ACCESS_KEY_ID='{ACCESS_KEY}' AWS_SECRET_ACCESS_KEY='{SECRET_KEY}' AWS_DEFAULT_REGION=us-east-1\n"
            f"printf '{config}' >config; export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=$PWD/config\n"
            f"s3() {{ aws --endpoint-url {endpoint} s3 cp --quiet \"$@\"; }}\n")


def rclone(endpoint):
    return (f"export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_S_TYPE=s3 RCLONE_CONFIG_S_PROVIDER=Other "
            f"RCLONE_CONFIG_S_ACCESS_KEY_ID='{ACCESS_KEY}' RCLONE_CONFIG_S_SECRET_ACCESS_KEY='{SECRET_KEY}' "
            f"RCLONE_CONFIG_S_ENDPOINT={endpoint} RCLONE_CONFIG_S_FORCE_PATH_STYLE=true\n"
            "copy() { rclone --s3-no-head --s3-no-check-bucket --buffer-size 0 \"$@\"; }\n")


def s3cmd(endpoint):
    host = urllib.parse.urlsplit(endpoint).netloc
    https = endpoint.startswith("https:")
    return (f"printf '[default]\\naccess_key = {ACCESS_KEY}\\nsecret_key = {SECRET_KEY}\\nhost_base = {host}\\n"
            f"host_bucket = {host}\\nuse_https = {https}\\n' >s3cfg\ns3() {{ s3cmd -q -c s3cfg \"$@\"; }}\n")


CURL = "curl -q -sS -f -g --path-as-is"
SMALL = "16 --checkers 16 --no-check-dest"


@dataclass
class Client:
    name: str
    big_down: object  # (endpoint, key, size) to a script; None: it cannot
    big_up: object
    many_down: object  # (endpoint, prefix, names)
    many_up: object


def of_tool(name, setup, big_down, big_up, many_down, many_up):
    """One whose commands name the object as {o}, the prefix as {p}."""
    def script(command):
        return lambda endpoint, key, _: setup(endpoint) + command.format(o=f"{BUCKET}/{key}", p=f"{BUCKET}/{key}") + "\n"
    return Client(name, script(big_down), script(big_up), script(many_down), script(many_up))


def curl_ranges(endpoint, key, size):
    step = -(-size // RANGES)
    one = "(dd bs=1 count=0 seek={0} conv=notrunc if=/dev/null >&9 2>/dev/null; " + CURL + " -r {0}-{1} -K - <url >&9) 9<>big &\n"
    return (f"echo 'url = \"{presign(endpoint, 'GET', key)}\"' >url\n"
            + "".join(one.format(first, min(first + step, size) - 1) for first in range(0, size, step)) + "wait\n")


def curl_parts(endpoint, key, size, upload_id):
    step = -(-size // RANGES)
    text = ""
    for number, first in enumerate(range(0, size, step), 1):
        url = presign(endpoint, "PUT", key, {"partNumber": str(number), "uploadId": upload_id})
        length = min(step, size - first)
        text += (f"echo 'url = \"{url}\"' >url{number}; dd if=../big bs=1M iflag=skip_bytes,count_bytes,fullblock "
                 f"skip={first} count={length} 2>/dev/null | {{ {CURL} -T /proc/self/fd/3 -H Expect: "
                 f"-H Transfer-Encoding: -H 'Content-Length: {length}' -K url{number} 3<&0; }} &\n")
    return text + "wait\n"


def many(method, one, parallel):
    """All of them by one curl; the list comes on its standard input."""
    def script(endpoint, prefix, names):
        items = "".join(one.format(n=n, u=presign(endpoint, method, prefix + n)) for n in names)
        z = f"-Z --parallel-immediate --parallel-max {parallel}" if parallel > 1 else ""
        return f"mkdir -p many\n{CURL} -H Expect: --no-progress-meter {z} -K - >/dev/null <<'END'\n{items}END\n"
    return script


def get_many(parallel):
    return many("GET", 'url = "{u}"\noutput = "many/{n}"\n', parallel)


def put_many(parallel):
    return many("PUT", 'upload-file = "../many/{n}"\nurl = "{u}"\n', parallel)


def one_stream_down(endpoint, key, _):
    return f"echo 'url = \"{presign(endpoint, 'GET', key)}\"' | {CURL} -o big -K -\n"


def one_stream_up(endpoint, key, _):
    return f"echo 'url = \"{presign(endpoint, 'PUT', key)}\"' | {CURL} -H Expect: -T ../big -K -\n"


AWS_WORDS = ("s3 s3://{o} big", "s3 ../big s3://{o}", "s3 --recursive s3://{p} many", "s3 --recursive ../many s3://{p}")
CLIENTS = [
    of_tool("aws classic", aws, *AWS_WORDS),
    of_tool("aws CRT", lambda e: aws(e, "[default]\\ns3 =\\n  preferred_transfer_client = crt\\n"), *AWS_WORDS),
    of_tool("rclone tuned", rclone, "copy copyto --multi-thread-streams 8 s:{o} big",
            "copy copyto --s3-upload-concurrency 8 --s3-chunk-size 16M --s3-disable-checksum ../big s:{o}",
            f"copy copy --transfers {SMALL} s:{{p}} many", f"copy copy --transfers {SMALL} ../many s:{{p}}"),
    of_tool("s3cmd", s3cmd, "s3 get s3://{o} big", "s3 put ../big s3://{o}", "mkdir many && s3 get -r s3://{p} many/",
            "s3 put -r ../many/ s3://{p}"),
    Client("curl, one stream", one_stream_down, one_stream_up, get_many(1), put_many(1)),
    Client("curl, 8 streams", curl_ranges, None, get_many(8), put_many(8)),
]
NOT_HERE = "aws v1, s5cmd, Mountpoint (not in Debian 12), sbatch (no cluster)"

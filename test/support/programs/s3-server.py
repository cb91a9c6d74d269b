"""OpenStack Swift with its S3 front on loopback, in one process: account, container, object and proxy servers.

Usage: s3-server.py FOLDER. Prints {"port": …, "conditional": …} when it takes requests. On the second port Swift is asked
to judge If-None-Match on PUT, which it can and its S3 front otherwise answers with 501. The folder's file system has
extended attributes. Access key "test:tester", secret "testing".
"""

import json
import os
import sys
import time

import eventlet

eventlet.monkey_patch()

from swift.common import utils

FOLDER = sys.argv[1]
KINDS = ("account", "container", "object")


def write(name, text):
    path = os.path.join(FOLDER, name)
    with open(path, "w") as file:
        file.write(text)
    return path


# Before anything else of Swift is loaded: it reads this file, and nothing in /etc.
utils.SWIFT_CONF_FILE = write(
    "swift.conf",
    "[swift-hash]\nswift_hash_path_suffix = test\nswift_hash_path_prefix = test\n"
    "[storage-policy:0]\nname = only\ndefault = yes\n",
)

from eventlet import listen, wsgi
from swift.common.middleware.s3api.s3request import S3Request
from swift.common.ring import RingBuilder
from swift.common.wsgi import loadapp

COMMON = f"[DEFAULT]\nswift_dir = {FOLDER}\ndevices = {FOLDER}\nmount_check = false\nlog_level = ERROR\n"
PROXY = """[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
auth_pipeline_check = false
location = us-east-1
max_bucket_listing = 10
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
"""


class Cache:
    """What memcached would be, for one process."""

    def __init__(self):
        self.entries = {}

    def get(self, key, **_):
        value, until = self.entries.get(key, (None, 0))
        return value if until == 0 or until > time.time() else None

    def set(self, key, value, time=0, **_):
        self.entries[key] = (value, time and time + globals()["time"].time())

    def delete(self, key, **_):
        self.entries.pop(key, None)


def cached(app):
    cache = Cache()

    def with_cache(environ, start_response):
        environ["swift.cache"] = cache
        return app(environ, start_response)

    return with_cache


refuse_conditions = S3Request._validate_headers


def validate_headers(request):
    """The front's own check, without the condition that Swift itself judges."""
    condition = request.headers.pop("If-None-Match", None) if request.environ["SERVER_PORT"] == CONDITIONAL else None
    refuse_conditions(request)
    if condition is not None:
        request.headers["If-None-Match"] = condition


S3Request._validate_headers = validate_headers

sockets = {kind: listen(("127.0.0.1", 0)) for kind in (*KINDS, "proxy", "conditional")}
CONDITIONAL = str(sockets["conditional"].getsockname()[1])
os.makedirs(os.path.join(FOLDER, "disk"), exist_ok=True)
for kind in KINDS:
    port = sockets[kind].getsockname()[1]
    ring = RingBuilder(2, 1, 0)
    device = {"id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "disk", "meta": ""}
    ring.add_dev({**device, "ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port})
    ring.rebalance()
    ring.get_ring().save(os.path.join(FOLDER, f"{kind}.ring.gz"))
    conf = write(f"{kind}.conf", f"{COMMON}[pipeline:main]\npipeline = app\n[app:app]\nuse = egg:swift#{kind}\n")
    eventlet.spawn(wsgi.server, sockets[kind], loadapp(conf, global_conf={"log_name": kind}), log_output=False)
proxy = loadapp(write("proxy.conf", COMMON + PROXY), global_conf={"log_name": "proxy"})
app = cached(proxy)
for kind in ("proxy", "conditional"):
    eventlet.spawn(wsgi.server, sockets[kind], app, log_output=False)
print(json.dumps({"port": sockets["proxy"].getsockname()[1], "conditional": int(CONDITIONAL)}), flush=True)
while True:
    eventlet.sleep(3600)

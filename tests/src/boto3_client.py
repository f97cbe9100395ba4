# The commands of the boto3 client: `python boto3_client.py COMMAND KEY [PATH]`. Endpoint and credentials come from the
# environment, as for any program that uses boto3.
import concurrent.futures
import os
import sys

import boto3
import botocore.config

BUCKET = "workspaces"
THREADS = 16

s3 = boto3.client("s3", config=botocore.config.Config(max_pool_connections=THREADS))


def cp(key, path):
    s3.upload_file(path, BUCKET, key)


def put(key):
    s3.put_object(Bucket=BUCKET, Key=key, Body=sys.stdin.buffer.read())


def sync(prefix, folder):
    files = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        uploads = [pool.submit(cp, prefix + "/" + os.path.relpath(path, folder), path) for path in files]
        for upload in uploads:
            upload.result()


def rm(prefix):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix + "/"):
        keys = [{"Key": found["Key"]} for found in page.get("Contents", [])]
        if keys:
            answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
            assert not answer.get("Errors"), answer["Errors"]


def rm_one(key):
    s3.delete_object(Bucket=BUCKET, Key=key)


def ls(prefix):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for found in page.get("Contents", []):
            print(found["Key"])


{"cp": cp, "put": put, "sync": sync, "rm": rm, "rm_one": rm_one, "ls": ls}[sys.argv[1]](*sys.argv[2:])

# Makes the two buckets. Runs inside LocalStack when it is ready, and may be run by hand against any S3 server:
# AWS_ENDPOINT_URL=http://127.0.0.1:8333 python3 10-buckets.py
import os

import boto3

# LocalStack says where it listens; as a client, one asks for the loopback.
listens = os.environ.get("GATEWAY_LISTEN", "127.0.0.1:4566").split(",")[0].replace("0.0.0.0", "127.0.0.1")
settings = {
    "endpoint_url": os.environ.get("AWS_ENDPOINT_URL", "http://" + listens),
    "region_name": os.environ.get("AWS_REGION", "us-east-1"),
    "aws_access_key_id": os.environ.get("AWS_ACCESS_KEY_ID", "test"),
    "aws_secret_access_key": os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
}
s3 = boto3.client("s3", **settings)

there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
for bucket in ["workspaces", "cloudyknight"]:
    if bucket not in there:
        s3.create_bucket(Bucket=bucket)

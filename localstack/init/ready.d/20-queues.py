# Makes the queues, and has the bucket `workspaces` tell the first of them what changes. After 10-buckets.py; runs inside
# LocalStack when it is ready, and may be run by hand against any server that speaks S3 and SQS:
# AWS_ENDPOINT_URL=http://127.0.0.1:4566 python3 20-queues.py
import json
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
sqs = boto3.client("sqs", **settings)
s3 = boto3.client("s3", **settings)

RECEIVES_BEFORE_DEAD = "5"
FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "false"}
events, events_dead, commands, commands_dead = "events", "events-dead", "commands.fifo", "commands-dead.fifo"


def made(name, attributes):
    """The URL of a queue that has these attributes, and its ARN."""
    # A queue of that name may be there, with other attributes; which would be an error.
    created = {key: value for key, value in attributes.items() if key == "FifoQueue"}
    url = sqs.create_queue(QueueName=name, Attributes=created)["QueueUrl"]
    changed = {key: value for key, value in attributes.items() if key != "FifoQueue"}
    if changed:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


for name, dead, attributes in [(events, events_dead, {}), (commands, commands_dead, FIFO)]:
    dead_letters = made(dead, attributes)[1]
    redrive = {"deadLetterTargetArn": dead_letters, "maxReceiveCount": RECEIVES_BEFORE_DEAD}
    made(name, attributes | {"RedrivePolicy": json.dumps(redrive)})

url, arn = made(events, {})
statement = {
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": arn,
    "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::workspaces"}},
}
policy = {"Version": "2012-10-17", "Statement": [statement]}
sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
# What a lifecycle rule deletes is gone as well, and is told of in a family of its own.
families = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"]
wanted = {"QueueArn": arn, "Events": families}
s3.put_bucket_notification_configuration(
    Bucket="workspaces", NotificationConfiguration={"QueueConfigurations": [wanted]}
)

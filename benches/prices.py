"""What AWS asks for requests, in dollars: read where it is written down for people, in infra/README.md."""

import re

from own_platform import ROOT

LISTED = ROOT / "infra/README.md"


class Prices:
    def __init__(self):
        text = LISTED.read_text()
        write, read = found(text, r"S3: PUT and LIST / GET.*?\| \$([\d.]+) / \$([\d.]+) per 1,000;")
        standard, fifo = found(text, r"SQS: standard / FIFO \| \$([\d.]+) / \$([\d.]+) per million")
        self.s3_write, self.s3_read = write / 1_000, read / 1_000
        self.sqs_standard, self.sqs_fifo = standard / 1_000_000, fifo / 1_000_000

    def of(self, operation):
        """Of one request. The meter does not tell queues apart: of what is received and taken off, half is of each
        kind, since a message on the events queue becomes one on the commands queue, and there is a dead-letter queue
        behind each."""
        service, name = operation.split()
        match service, name:
            case "s3", "PutObject" | "ListObjectsV2" | "CopyObject":
                return self.s3_write
            case "s3", "GetObject" | "HeadObject" | "HeadBucket":
                return self.s3_read
            case "sqs", "SendMessageBatch":
                return self.sqs_fifo
            case "sqs", "SendMessage":
                return self.sqs_standard
            case "sqs", _:
                return (self.sqs_standard + self.sqs_fifo) / 2
        raise SystemExit(f"there is no price for {operation!r}")

    def together(self, counts):
        return sum(count * self.of(operation) for operation, count in counts.items())


def found(text, pattern):
    match = re.search(pattern, text)
    if not match:
        raise SystemExit(f"{LISTED} does not say a price as it did: {pattern}")
    return [float(price) for price in match.groups()]

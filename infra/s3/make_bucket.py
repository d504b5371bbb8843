"""Create the bucket for artifacts of MLflow and DVC; an existing one does not change.

    python infra/s3/make_bucket.py lorag

The server and its keys come from the environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
"""

import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main() -> int:
    """Run the command line; return the exit status."""
    if len(sys.argv) != 2:
        print("usage: make_bucket.py NAME", file=sys.stderr)
        return 2
    try:
        client = boto3.client("s3")
        if sys.argv[1] not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=sys.argv[1])
    except (BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 5
    print(f"the bucket {sys.argv[1]} is there")
    return 0


if __name__ == "__main__":
    sys.exit(main())

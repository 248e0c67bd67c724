"""Rotates an API key in CI without ever losing or showing the new token.

    python examples/rotate_key.py --key ci-pipeline --output token.txt
    python examples/rotate_key.py --key ci-pipeline --github-output LOKI_API_TOKEN

The token goes to a file that only its owner can read, or to the masked output of a GitHub Actions step, and is
tried before the script says that all is well. If anything goes wrong the exit status is 1, the message says what
happened and which key works, and the old key keeps working for the grace period.

LOKI_BASE_URL and LOKI_API_TOKEN (an admin key's token) come from the environment.
"""

import argparse
import os
import sys
import tempfile

from loki_mode_sdk import APIConnectionError, AutonomiClient, AutonomiError, KeyRotationError

BASE_URL = os.environ.get("LOKI_BASE_URL", "http://localhost:57374")
TOKEN = os.environ.get("LOKI_API_TOKEN")


def arguments():
    parser = argparse.ArgumentParser(description="Rotates an API key and stores the new token safely.")
    parser.add_argument("--key", required=True, help="identifier or name of the key")
    parser.add_argument("--grace-hours", type=int, default=24, help="hours the old token keeps working (default 24)")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--output", metavar="FILE", help="write the token to this file, mode 0600")
    target.add_argument("--github-output", metavar="NAME", help="set this step output, masked in the log")
    parser.add_argument("--delete-old", action="store_true", help="delete the old key once the new one was tried")
    args = parser.parse_args()
    if args.grace_hours < 1:
        parser.error("--grace-hours must be at least 1: without it a failure would leave no working key")
    if args.github_output and not os.environ.get("GITHUB_OUTPUT"):
        parser.error("--github-output needs GITHUB_OUTPUT, which GitHub Actions sets")
    return args


class FileStore:
    """A file of mode 0600 that appears complete or not at all."""

    def __init__(self, path):
        # A device or a pipe, such as /dev/stdout, must not be replaced by a file, and a folder cannot be.
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(f"{path} is no regular file")
        self.path = os.path.realpath(path)
        # Made before the rotation, so that a folder that cannot be written to stops everything while the
        # old token is the only one. mkstemp creates with mode 0600.
        handle, self.temporary = tempfile.mkstemp(prefix=".token-", dir=os.path.dirname(self.path))
        self.file = os.fdopen(handle, "w")

    def store(self, token):
        with self.file:
            self.file.write(token + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())
        os.replace(self.temporary, self.path)

    def discard(self):
        self.file.close()
        if os.path.exists(self.temporary):
            os.remove(self.temporary)


class GitHubStore:
    """The output of a GitHub Actions step, masked before it is set."""

    def __init__(self, name):
        self.name = name
        self.file = open(os.environ["GITHUB_OUTPUT"], "a")  # noqa: SIM115 - closed by store or discard

    def store(self, token):
        # The runner takes this line as a command and shows *** for the token from here on.
        print(f"::add-mask::{token}", flush=True)
        with self.file:
            self.file.write(f"{self.name}={token}\n")

    def discard(self):
        self.file.close()


def rotate(client, args, target):
    def store(token):
        target.store(token)
        # Tried before anything is deleted: what this raises leaves the old key as it is.
        with AutonomiClient(base_url=BASE_URL, token=token) as renewed:
            renewed.list_api_keys()

    try:
        return client.rotate_and_store(args.key, store, grace_period_hours=args.grace_hours, delete_old=args.delete_old)
    except KeyRotationError as error:
        raise SystemExit(f"error: {error}. Mend the cause and rotate again.") from None
    except APIConnectionError as error:
        if error.maybe_executed:
            raise SystemExit(
                f"error: {error}\nThe key may have been rotated although no answer arrived. The old token keeps "
                f"working for {args.grace_hours} h; look at list_api_keys() before you rotate again."
            ) from None
        raise


def main():
    args = arguments()
    try:
        target = FileStore(args.output) if args.output else GitHubStore(args.github_output)
    except OSError as error:
        raise SystemExit(f"error: nothing was rotated, the output cannot be written: {error}") from None
    try:
        with AutonomiClient(base_url=BASE_URL, token=TOKEN) as client:
            rotation = rotate(client, args, target)
    except AutonomiError as error:
        raise SystemExit(f"error: {error}") from None
    finally:
        target.discard()
    where = args.output or f"step output {args.github_output}"
    end = "was deleted" if rotation.old_key_deleted else f"works until {rotation.old_key_expires_at}"
    print(f"rotated {args.key}: the new token works and is in {where}; the old key ({rotation.old_key_id}) {end}")


if __name__ == "__main__":
    sys.exit(main())

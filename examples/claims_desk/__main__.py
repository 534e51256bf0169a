"""Talks to the desk at PERDURE_URL: from a script, or with ``--talk`` as you type.

``--model`` lets the model at CLAIMS_DESK_MODEL_URL listen, ``--register PORT`` only serves the
register, for those who upload the dialog themselves.
"""

import argparse
import os
import sys
import threading
from collections.abc import Iterator

from cli.client import Client, ClientError
from cli.run import INTERRUPTED, report
from examples.claims_desk.desk import SCRIPT, Conversation, Model, dialog
from examples.claims_desk.register import Register, register


def main() -> int:
    """Hold one conversation; 0 if it came to its end."""
    wanted = _arguments()
    try:
        if wanted.register is not None:
            return _serve(wanted.register)
        model = Model.from_environment(os.environ) if wanted.model else None
        with register() as desk, Client.from_environment() as client:
            talk = Conversation(client, dialog(desk.url, model))
            _hold(talk, _typed() if wanted.talk else _read_out())
            _say_what_came_of_it(client, talk, desk)
    except KeyError as missing:
        sys.stderr.write(f"{missing.args[0]} is not set\n")
        return 2
    except ClientError as error:
        report(error, as_json=False)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0 if talk.is_over else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.claims_desk", description=__doc__)
    parser.add_argument("--talk", action="store_true", help="say the caller's part yourself")
    parser.add_argument("--model", action="store_true", help="let a model listen")
    parser.add_argument("--register", type=int, metavar="PORT", help="only serve the register")
    return parser.parse_args()


def _hold(talk: Conversation, caller: Iterator[str]) -> None:
    """Let both sides speak until the desk ends it, or the caller has nothing more to say."""
    _print("desk", talk.turn())
    for said in caller:
        _print("desk", talk.turn(said))
        if talk.is_over:
            return


def _read_out() -> Iterator[str]:
    """Yield the caller's part of the script, and print it."""
    for said in SCRIPT:
        _print("caller", [said])
        yield said


def _typed() -> Iterator[str]:
    """Yield lines until there are no more."""
    while True:
        sys.stdout.write("caller  ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        yield line.rstrip("\n")


def _print(who: str, texts: list[str]) -> None:
    for text in texts:
        sys.stdout.write(f"{who:<7} {text}\n")


def _say_what_came_of_it(client: Client, talk: Conversation, desk: Register) -> None:
    for key, number in desk.claims.items():
        sys.stdout.write(f"\nThe register opened {number} under Idempotency-Key {key}.\n")
    sys.stdout.write(f"The run: {client.url}/v1/workflow-runs/{talk.run_id}\n")


def _serve(port: int) -> int:
    """Serve the register until Ctrl-C."""
    with register(port) as desk:
        sys.stdout.write(f"policies and claims at {desk.url}\n")
        sys.stdout.flush()
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs the example against the platform at PERDURE_URL, with live progress.

``--receiver PORT`` only serves what the flow reports to, for those who start the flow themselves.
"""

import os
import sys
import threading
from urllib.parse import quote

from rich.console import Console

from cli.client import Client, ClientError
from cli.documents import flow_input
from cli.following import Execution, start
from cli.registration import registered
from cli.run import INTERRUPTED, follow_to_end, report
from examples.document_intake import DOCUMENT, FLOW
from examples.document_intake.receiver import receiver


def main() -> int:
    """Run the flow on the document; 0 if it completed."""
    console = Console()
    try:
        with receiver() as desk, Client.from_environment() as client:
            flow = registered(client, str(FLOW))
            execution = start(client, flow, flow_input(DOCUMENT, {"report_to": desk.url}))
            _print_links(console, client, execution)
            status = follow_to_end(client, execution, console, may_ask=False)
            accepted = [each for each in desk.reports if each.status < 400]
            refused = len(desk.reports) - len(accepted)
            for each in accepted:
                console.print(
                    f"{each.path} took the report after refusing it {refused} times, "
                    f"always with Idempotency-Key {each.idempotency_key}",
                    highlight=False,
                    soft_wrap=True,
                )
    except ClientError as error:
        report(error, as_json=False)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def serve(port: int) -> int:
    """Serve the receiver until Ctrl-C."""
    with receiver(port) as desk:
        sys.stdout.write(f"receiving reports at {desk.url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


def _print_links(console: Console, client: Client, execution: Execution) -> None:
    """Print where this execution can be looked at."""
    rows = {
        "Execution": f"{client.url}/api/flow-executions/{execution.id}",
        "API reference": f"{client.url}/docs",
    }
    ui = os.environ.get("PERDURE_TEMPORAL_UI_URL")
    if ui:
        workflow = quote(f"flow-execution:{execution.id}:1", safe="")
        rows["History"] = f"{ui}/namespaces/default/workflows/{workflow}"
    rows["API key"] = os.environ["PERDURE_API_KEY"]
    for name, value in rows.items():
        console.print(f"  {name:<14} {value}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--receiver"]:
        sys.exit(serve(int(sys.argv[2]) if len(sys.argv) > 2 else 8765))
    sys.exit(main())

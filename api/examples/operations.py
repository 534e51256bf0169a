"""Bodies that are no schema of a name, and parameters that every call needs."""

from collections.abc import Mapping

from api.examples import story
from api.examples.composing import FIELDS
from api.examples.story import Example

REQUESTS: Mapping[tuple[str, str], Example] = {
    ("put", "/api/flows/{flow_id}/task"): story.DEFINITION["tasks"][2],
    ("post", "/api/webhooks/{flow_id}/{task_name}"): {"claim_number": "C-2041"},
}
"""Method and path of an operation, and the body that it takes."""

ANSWERS: Mapping[tuple[str, str], Example] = {
    ("get", "/api/flows/available-tags"): ["claims", "invoices"],
    ("get", "/api/flows/{flow_id}/tags"): ["priority"],
    ("get", "/v1/workflows/schema"): {"type": "object", "title": "Workflow"},
    ("get", "/v1/workflows/dynamic-variables/{workflow_id}"): {"company": "Harbour Mutual"},
    ("get", "/v1/workflows/{workflow_id}/export"): FIELDS["bundle"],
    ("get", "/v1/super-nodes/{workflow_id}/schema"): {"type": "object", "properties": {}},
}
"""Method and path of an operation, and what it answers when all is well."""

PARAMETERS: Mapping[str, Example] = {
    "api_key_id": story.THING,
    "credential_id": story.THING,
    "event_id": "ev_0",
    "flow_execution_id": story.EXECUTION,
    "flow_id": story.FLOW,
    "group_id": story.ADJUSTERS,
    "key": "claim_number",
    "logical_id": "comment_1",
    "organization_id": story.ORGANIZATION,
    "other_number": 1,
    "service_account_id": story.MACHINE,
    "status": "completed",
    "task_execution_id": story.THING,
    "task_id": story.THING,
    "task_name": "facts",
    "task_output_id": story.THING,
    "token": "abc",
    "turn_index": 0,
    "uri": "file:0f1e2d3c4b5a4697889",
    "variable_id": story.DOCUMENT,
    "version": 3,
    "version_number": 1,
    "workflow_id": story.WORKFLOW,
    "workflow_run_id": story.RUN,
}
"""Names of parameters that cannot be left out."""

"""Who and what the examples speak of."""

from typing import Any

Example = Any
"""A JSON value; FastAPI types the document with Any as well."""

ORGANIZATION = "1d0e9a52-7c7b-4b43-9a3c-52d1c3a7f0b1"
TEAM = "64c8e3d2f0a1b29c3d4e5f60"
FLOW = "7f3c2a10-5d8e-4c1b-9f27-0a6b8c4d2e91"
EXECUTION = "b2a4d6f8-1c3e-4a5b-8d7f-9e0c1b2a3d4f"
ANN = "3a9f5c7e-2b1d-4e6f-a8c0-d4b2f6e81a35"
BOB = "c5e7a9b1-4d3f-4286-9b0a-7f1e3d5c2a68"
ADJUSTERS = "e1c3b5a7-9d8f-4b6a-8c2e-0f4d6b8a1c3e"
MACHINE = "8d6f4b2a-0e1c-4d3b-a5f7-9c8e7d6b5a43"
THING = "0f1e2d3c-4b5a-4697-8897-a6b5c4d3e2f1"
"""Whatever else has an id."""

WORKFLOW = "66f1a2b3c4d5e6f708192a3b"
RUN = "6741f0c2a9b8d7e6f5a4b3c2"
DOCUMENT = "6741f0c2a9b8d7e6f5a4b3c3"
"""An interactive document of any kind."""

AT = "2025-11-22T20:41:00.123000Z"
LATER = "2025-11-22T20:41:07.480000Z"
TOMORROW = "2025-11-23T20:41:00.123000Z"

REPORT = {
    "filename": "report.pdf",
    "mime_type": "application/pdf",
    "document_url": "https://files.example.com/report.pdf",
}
FOUND = {"claim_number": "C-2041", "amount": 1250.5, "currency": "EUR"}
FIELDS = [{"id": "filename"}, {"id": "mime_type"}, {"id": "document_url"}]
DEFINITION = {
    "name": "claim intake",
    "tasks": [
        {
            "name": "report",
            "task_executor_name": "receive_file",
            "parameters": {},
        },
        {
            "name": "text",
            "task_executor_name": "doc_to_text",
            "parameters": {"document_url": "{{report.output.document_url}}"},
        },
        {
            "name": "facts",
            "task_executor_name": "format_data",
            "parameters": {"template": {"text": "{{text.output.text}}"}},
        },
    ],
    "edges": [],
}
OBJECT_SCHEMA = {"type": "object", "properties": {"claim_number": {"type": "string"}}}
GREETING = {
    "type": "say_static",
    "logical_id": "node_greeting",
    "name": "Greeting",
    "is_start": True,
    "static_messages_config": {"static_messages": ["This is {{company}}. Your policy number?"]},
}
THANKS = {
    "type": "end",
    "logical_id": "node_thanks",
    "name": "Thanks",
    "static_messages_config": {"static_messages": ["Thank you."]},
}
ANSWERED = {
    "type": "direct",
    "logical_id": "edge_answered",
    "source_node_logical_id": "node_greeting",
    "target_node_logical_id": "node_thanks",
}
GRAPH = {
    "workflow_config": {"logical_id": "workflow_claims", "llms_config": {"type": "no_llm"}},
    "node_configs": [GREETING, THANKS],
    "edge_configs": [ANSWERED],
    "dynamic_variables": {"company": "Harbour Mutual"},
    "runtime_variables": {},
}
SAID = {"type": "human", "content": "My policy is P-1001."}

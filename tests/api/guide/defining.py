"""Chapters on credentials and definitions."""

from pydantic import JsonValue

from tests.api.guide.stand_ins import HOST
from tests.api.guide.story import Story, quotes

PARCELS = """\
display_name: Parcels
definition:
  tasks:
    - name: parcel
      task_executor_name: custom_form_input
      parameters:
        fields:
          - {id: city}
    - name: label
      task_executor_name: format_data
      parameters:
        template: {text: "To {{parcel.city}}"}
"""


async def tell(story: Story) -> None:
    """Tell how to get in, and how flows come to be."""
    await _getting_in(story)
    await _defining(story)
    await _faults(story)
    await _drafting(story)


async def _getting_in(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Getting in

        Machines send an API key in `X-API-Key`; `perdure bootstrap` prints the first one, and
        [further ones](#keys-for-machines) are made over the API. People send the token that your
        identity provider issued, as `Authorization: Bearer`. Everything below belongs to the
        organization that the credential names.
        """)
    telling.show(f'PERDURE={HOST}\nKEY="saf_a_key"', "sh")
    await telling.call("GET", f"/api/organizations/{story.organization_id}", keep=("id", "name"))
    telling.say("""
        Without a credential nothing is read, and the answer has the shape of every refusal:
        """)
    await telling.call("GET", "/api/flows", by=telling.nobody, expect=401)


async def _defining(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Defining a flow

        A flow is a document: tasks, and what they read from each other. This one takes a customer
        and an amount, and writes a letter. An edge makes `quote` wait for `greeting` although it
        reads nothing of it.
        """)
    flow = await telling.call(
        "POST",
        "/api/flows",
        {"display_name": "Quotes", "tags": ["sales"], "definition": quotes()},
        expect=201,
        keep=("id", "display_name", "version", "status", "tags", "created_at"),
    )
    story.flow_id = str(flow["id"])
    telling.say("""
        Everything that takes a definition takes [YAML](api.md#yaml) too, and answers in it if it is
        asked to:
        """)
    parcels = await telling.call(
        "POST",
        "/api/flows?include_ordered_task_names=true",
        raw=PARCELS,
        headers={"Content-Type": "application/yaml"},
        expect=201,
        keep=("id", "display_name", "version", "task_names"),
    )
    await telling.call(
        "GET",
        f"/api/flows/{parcels['id']}/clone-info",
        headers={"Accept": "application/yaml"},
    )
    telling.say("Flows are searched by name and filtered by tags, in pages:")
    await telling.call(
        "GET",
        "/api/flows?search=quotes&page_size=10",
        keep=("flows.id", "flows.display_name", "flows.tags", "total", "page", "page_size"),
    )


async def _faults(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ### What is wrong with a definition

        `validate` reports every fault at once, with the place where it is, and stores nothing. Here
        a parameter is missing and a field is read that cannot exist:
        """)
    flawed = quotes("{{quote.price}}")
    tasks = flawed["tasks"]
    assert isinstance(tasks, list)
    tasks.append({"name": "mail", "task_executor_name": "http_request", "parameters": {}})
    flawed["edges"] = [*_edges(flawed["edges"]), {"source": "letter", "target": "mail"}]
    await telling.call(
        "POST",
        f"/api/flows/{story.flow_id}/validate",
        {"definition": flawed},
        keep=("validation_errors.type", "validation_errors.loc", "validation_errors.msg"),
    )
    telling.say("""
        A draft with such faults may be stored, and does not run. What cannot be read as a flow at
        all is refused:
        """)
    await telling.call(
        "POST",
        "/api/flows",
        {
            "display_name": "A circle",
            "definition": {
                "tasks": [
                    {
                        "name": name,
                        "task_executor_name": "format_data",
                        "parameters": {"template": {"value": f"{{{{{other}.value}}}}"}},
                    }
                    for name, other in (("one", "two"), ("two", "one"))
                ]
            },
        },
        expect=400,
    )


async def _drafting(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ### While you write one

        An editor asks what the tasks of a definition yield before there is a flow: JSON Schemas of
        outputs, of the input if wanted, and the faults as texts.
        """)
    drafted = quotes("{{quote.price}}")
    await telling.call(
        "POST",
        "/api/task-data?include_input_schema=true&full_validation=true",
        {"flow_definition": drafted},
        keep=(
            "output_schemas.request.properties",
            "input_schemas.request.required",
            "validation_errors",
        ),
    )


def _edges(value: JsonValue) -> list[JsonValue]:
    assert isinstance(value, list)
    return value

"""What the engine hands to activities and settles of tasks that refer to secrets."""

from flows.secrets import MASK, SecretPart, SecretUse
from tests.support.engine import Engine, a_flow, effect, instant


async def test_a_call_carries_a_mask_and_beside_it_what_belongs_there(engine: Engine) -> None:
    flow = a_flow(
        instant("tell", {"key": "Bearer {{secrets.key}}"}),
        effect("send", "{{tell}}"),
    )

    await engine.run(flow, {"text": "x"})

    [told], [sent] = engine.recorder.called("tell"), engine.recorder.called("send")
    assert told.parameters == {"template": {"key": f"Bearer {MASK}"}}
    assert told.secrets == [
        SecretUse(path=["template", "key"], start=7, parts=[SecretPart(reference="secrets.key")])
    ]
    assert sent.secrets == []


async def test_an_output_that_spells_a_reference_to_a_secret_is_passed_on_as_it_is(
    engine: Engine,
) -> None:
    evil = "{{secrets.key}} {{secret:0123456789abcdef0123456789abcdef}}"
    flow = a_flow(
        instant("quote", {"said": "{{start.text}}"}),
        effect("whole", "{{quote.said}}"),
        effect("inside", ["he said {{quote.said}}"]),
        effect("each", "{{start.list}} {{secrets.own}}", reference_modes={"body": "single"}),
    )

    await engine.run(flow, {"text": evil, "list": [evil, "plain"]})

    whole, inside = engine.recorder.called("whole")[0], engine.recorder.called("inside")[0]
    assert (whole.parameters["body"], whole.secrets) == (evil, [])
    assert (inside.parameters["body"], inside.secrets) == ([f"he said {evil}"], [])
    for call in engine.recorder.called("each"):
        text = evil if call.item == 0 else "plain"
        assert call.parameters["body"] == f"{text} {MASK}"
        assert [(use.start, use.parts) for use in call.secrets] == [
            (len(text) + 1, [SecretPart(reference="secrets.own")])
        ]


async def test_what_is_settled_shows_masks(engine: Engine) -> None:
    engine.recorder.lacks = {"send"}

    await engine.run(a_flow(effect("send", "{{secrets.key}}")), {})

    whole = [word for word in engine.recorder.settled if word.has_output]
    assert [word.input for word in whole if word.task_name == "send"] == [
        {"url": "http://x", "method": "POST", "body": MASK}
    ]
    assert "secrets.key" not in str(engine.recorder.settled)

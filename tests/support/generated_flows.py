"""Random definitions that are accepted, with flow input that fits: for "whatever validates, runs".

Only executors that need nothing from outside are used. Flows may fail, e.g. when lists that are
iterated together differ in length; they never fail to end.
"""

from copy import deepcopy
from dataclasses import dataclass

from hypothesis import strategies as st
from pydantic import JsonValue

from flows.references import read_reference

Json = dict[str, JsonValue]

_ODD_NAMES = (
    "a",
    "a.b",
    "a-b",
    "a.output",
    "output",
    "1",
    "task 1",
    "task 1.x",
    "Prüfung",
    "3f0c2a9e-5b1d-4c77-9a42-0d6e8f41b2c5",
    'with, comma: and "quotes"',
    "日本語",
    "😀",
    "x[0]",
    "$where",
    "../up",
    "a/b:c#d",
    "null",
)
_NAME_CHARS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="{}")
_PATHS = ("", ".output", ".output", ".items", ".output.items", ".rows", ".n", ".output.n", ".text")
_MORE_PATHS = (".a", ".output.b", ".items[0]", ".rows[1].id", ".value", ".output.value", ".case")
_INPUT_FIELDS: list[JsonValue] = [
    {"id": "text", "data_type": "str", "required": False},
    {"id": "n", "data_type": "int", "required": False},
    {"id": "items", "data_type": "list", "required": False},
    {
        "id": "rows",
        "data_type": "table",
        "required": False,
        "columns": [{"id": "id", "data_type": "int"}],
    },
]
_CODE = "result = {'n': len(str(input_data)), 'items': [1, 2]}"


@dataclass(frozen=True, slots=True)
class GeneratedFlow:
    """A definition as an author might send it, and what starts it."""

    definition: Json
    input: Json
    input_task_name: str


@st.composite
def generated_flows(
    draw: st.DrawFn, *, max_tasks: int = 7, with_code: bool = False
) -> GeneratedFlow:
    """Draw a definition of one to ``max_tasks`` tasks behind one or two input tasks."""
    count = draw(st.integers(1, max_tasks))
    names = draw(
        st.lists(_names(), min_size=count + 2, max_size=count + 2, unique=True), label="names"
    )
    fired, idle, *others = names
    has_idle = draw(st.booleans())
    # A copy of their own: some tests change what they drew.
    inputs: list[JsonValue] = [
        _task(fired, "custom_form_input", {"fields": deepcopy(_INPUT_FIELDS)})
    ]
    if has_idle:
        inputs.append(_task(idle, "receive_file", {}))
    sources = [fired, idle] if has_idle else [fired]
    tasks: list[JsonValue] = []
    edges: list[JsonValue] = []
    cases: dict[str, list[str]] = {}
    for name in others:
        parameters, made = draw(_tasks(name, sources, frozenset(names), with_code))
        edges.extend(draw(_edges(name, sources, cases)))
        if made["task_executor_name"] == "branch":
            cases[name] = ["x", "y", *(["other"] if "default" in parameters else [])]
        tasks.append(made)
        sources = [*sources, name]
    shuffled = draw(st.permutations([*inputs, *tasks]))
    return GeneratedFlow(
        definition=draw(_shaped(list(shuffled), edges)),
        input=draw(_inputs()),
        input_task_name=fired,
    )


def _names() -> st.SearchStrategy[str]:
    """Draw a task name, odd more often than not."""
    random = st.text(_NAME_CHARS, min_size=1, max_size=12).map(str.strip).filter(bool)
    return st.one_of(st.sampled_from(_ODD_NAMES), random)


@st.composite
def _inputs(draw: st.DrawFn) -> Json:
    """Draw flow input that fits the fields."""
    chosen: Json = {
        "text": draw(st.text(max_size=8).filter(lambda text: "\x00" not in text)),
        "n": draw(st.integers(-(2**70), 2**70)),
        "items": draw(st.lists(_scalars(), max_size=3)),
        "rows": [{"id": number} for number in draw(st.lists(st.integers(0, 9), max_size=3))],
    }
    kept = draw(st.sets(st.sampled_from(sorted(chosen))))
    return {key: value for key, value in chosen.items() if key in kept}


def _scalars() -> st.SearchStrategy[JsonValue]:
    """Draw a scalar; some look like references, which they are not."""
    return st.sampled_from([None, True, 0, 1, 2**53 + 1, 1.5, "", "text", "{{a.output}}", "ß"])


@st.composite
def _references(draw: st.DrawFn, sources: list[str], names: frozenset[str]) -> str:
    """Draw a template with one reference to one of the sources."""
    source = draw(st.sampled_from(sources))
    blank = draw(st.sampled_from(["", "", " "]))
    path = draw(st.sampled_from(_PATHS + _MORE_PATHS))
    for text in (source + path, source + ".output" + path, source):
        read = read_reference(text, names)
        if read is not None and read.task_name == source:
            return f"{{{{{blank}{text}{blank}}}}}"
    return "no way to name it"


@st.composite
def _templates(draw: st.DrawFn, sources: list[str], names: frozenset[str]) -> JsonValue:
    """Draw any JSON with up to two references in it."""
    first, second = (draw(_references(sources, names)) for _ in range(2))
    scalar = draw(_scalars().filter(lambda value: value != "{{a.output}}"))
    forms: list[JsonValue] = [
        first,
        {"a": first, "b": scalar},
        {"a": {"items": [first, scalar]}, "items": [1, 2, scalar]},
        {"a": f"text {first} and {second}", "n": scalar},
        [first, [second], scalar],
        f"{first}{second}",
        {"value": first, "rows": [{"id": second}]},
        {"items": ["p", "q"], "a": scalar},
        scalar,
    ]
    return draw(st.sampled_from(forms))


@st.composite
def _tasks(
    draw: st.DrawFn, name: str, sources: list[str], names: frozenset[str], with_code: bool
) -> tuple[Json, Json]:
    """Draw a task that reads some of the sources; its parameters, and all of it."""
    kinds = ["format_data", "format_data", "format_data", "branch", "validation"]
    kind = draw(st.sampled_from([*kinds, "python_code"] if with_code else kinds))
    iterates = False
    parameters: Json
    if kind == "format_data":
        parameters = {"template": draw(_templates(sources, names))}
        iterates = draw(st.booleans())
    elif kind == "branch":
        parameters = draw(_branches(sources, names))
    elif kind == "validation":
        parameters = draw(_validations(sources, names))
        iterates = draw(st.booleans())
    else:
        parameters = {"code": _CODE, "input_data": draw(_templates(sources, names))}
        iterates = draw(st.booleans())
    made = _task(name, kind, parameters)
    if iterates:
        mode = draw(st.sampled_from(["single", "single", "collection"]))
        made["reference_modes"] = dict.fromkeys(parameters.keys() - {"code", "strict"}, mode)
        made["concurrency"] = draw(st.sampled_from([1, 2, 20, None]))
    made.update(draw(_limits()))
    return parameters, made


@st.composite
def _limits(draw: st.DrawFn) -> Json:
    """Draw a retry policy and a timeout, or neither."""
    if draw(st.booleans()):
        return {}
    policy: Json = {"max_attempts": draw(st.integers(1, 2)), "initial_interval_seconds": 0.001}
    return {"retry_policy": policy, "timeout_seconds": 30, "task_title": "Titled"}


@st.composite
def _branches(draw: st.DrawFn, sources: list[str], names: frozenset[str]) -> Json:
    """Draw the parameters of a branch."""
    first, second = (draw(_conditions(sources, names)) for _ in range(2))
    default = draw(st.sampled_from([{}, {"default": "other"}]))
    return {
        "target": draw(_references(sources, names)),
        "cases": [{"name": "x", "condition": first}, {"name": "y", "condition": second}],
        **default,
    }


@st.composite
def _validations(draw: st.DrawFn, sources: list[str], names: frozenset[str]) -> Json:
    """Draw the parameters of a validation, now and then a strict one."""
    return {
        "target": draw(_references(sources, names)),
        "rules": [{"field": "a", "condition": draw(_conditions(sources, names))}],
        "strict": draw(st.integers(0, 9)) == 0,
    }


@st.composite
def _conditions(draw: st.DrawFn, sources: list[str], names: frozenset[str]) -> Json:
    """Draw a condition."""
    operators = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "exists"]
    rights: list[JsonValue] = [None, 0, 1.5, "text", ["text", 1], {"a": 1}]
    one: Json = {
        "left": draw(_references(sources, names)),
        "operator": draw(st.sampled_from(operators)),
        "right": draw(st.sampled_from(rights)),
    }
    return draw(st.sampled_from([one, {"all": [one]}, {"any": [one, {"all": []}]}]))


@st.composite
def _edges(
    draw: st.DrawFn, name: str, sources: list[str], cases: dict[str, list[str]]
) -> list[Json]:
    """Draw edges to a task, so that an input task leads to it, by whatever way."""
    edges: list[Json] = []
    for source in draw(st.lists(st.sampled_from(sources), min_size=1, max_size=2, unique=True)):
        edge: Json = {"source": source, "target": name}
        branch = draw(st.sampled_from([None, *cases.get(source, [])]))
        edges.append(edge if branch is None else {**edge, "branch": branch})
    return edges


@st.composite
def _shaped(draw: st.DrawFn, tasks: list[JsonValue], edges: list[JsonValue]) -> Json:
    """Draw one of the published shapes."""
    shape = draw(st.sampled_from(["nested", "flat", "edges"]))
    if shape == "edges":
        return {"tasks": tasks, "edges": edges, "version": 1}
    if shape == "flat":
        return {"name": "generated", "tasks": tasks, "connections": edges, "config": {}}
    config: Json = {"groups": [], "notes": [], "tasks": tasks, "edges": edges}
    return {
        "flow": {"author_uuid": "", "created_at": ""},
        "flow_configs": [{"meta": {"name": "generated", "description": ""}, "config": config}],
    }


def _task(name: str, executor: str, parameters: Json) -> Json:
    """Return a task."""
    return {"name": name, "task_executor_name": executor, "parameters": parameters}

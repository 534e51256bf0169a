"""``format_data``, ``branch`` and ``validation``: pure, and done in milliseconds."""

from pydantic import JsonValue
from temporalio import activity

from activities.parameters import parameters_of
from contracts.messages import TaskCall
from flows.conditions import holds
from flows.errors import TaskFailedError
from flows.executors.branch import BRANCH, BranchParameters
from flows.executors.format_data import FORMAT_DATA, FormatDataParameters
from flows.executors.validation import VALIDATION, Rule, ValidationParameters

_SHOWN_ERRORS = 5


class DataActivities:
    """Shapes, routes and checks data that earlier tasks produced."""

    @activity.defn(name=FORMAT_DATA.name)
    async def format_data(self, call: TaskCall) -> JsonValue:
        """Return the resolved template: an object as it is, anything else under ``value``."""
        template = parameters_of(call, FormatDataParameters).template
        return template if isinstance(template, dict) else {"value": template}

    @activity.defn(name=BRANCH.name)
    async def branch(self, call: TaskCall) -> JsonValue:
        """Choose the first case that holds, else the default or none; pass the target through."""
        parameters = parameters_of(call, BranchParameters)
        target = parameters.target
        chosen = (case.name for case in parameters.cases if holds(case.condition, target))
        return {"case": next(chosen, parameters.default), "value": target}

    @activity.defn(name=VALIDATION.name)
    async def validation(self, call: TaskCall) -> JsonValue:
        """Return the target with ``is_valid`` and ``errors``; these two win over its own.

        Raises:
            TaskFailedError: Type ``ValidationFailed``; strict, and a rule does not hold.
        """
        parameters = parameters_of(call, ValidationParameters)
        target = parameters.target
        errors: list[JsonValue] = [
            {"field": rule.field, "message": _message(rule)}
            for rule in parameters.rules
            if not holds(rule.condition, _value_at(target, rule.field))
        ]
        if errors and parameters.strict:
            raise _failure(parameters.rules, errors)
        data = target if isinstance(target, dict) else {"value": target}
        return {**data, "is_valid": not errors, "errors": errors}


def _message(rule: Rule) -> str:
    """Return what the author says about a rule that does not hold, or what can be said without."""
    return rule.message or f"{rule.field or 'the value'} does not satisfy its rule"


def _failure(rules: list[Rule], errors: list[JsonValue]) -> TaskFailedError:
    """Return the failure of a strict validation, naming the first few rules."""
    messages = [str(error["message"]) for error in errors if isinstance(error, dict)]
    shown = "; ".join(messages[:_SHOWN_ERRORS])
    more = f"; and {len(messages) - _SHOWN_ERRORS} more" if len(messages) > _SHOWN_ERRORS else ""
    return TaskFailedError(
        f"{len(errors)} of {len(rules)} rules do not hold: {shown}{more}",
        type="ValidationFailed",
        errors=errors,
    )


def _value_at(target: JsonValue, path: str) -> JsonValue:
    """Return the value at a dotted path; null where there is none. Digits index a list."""
    value = target
    for part in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and len(part) < 10:
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value

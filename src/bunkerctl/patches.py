"""Changes to a record: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902)."""

from __future__ import annotations

from bunkerctl.errors import Conflict, Invalid
from bunkerctl.jsontext import Json, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check(patch: Json) -> None:
    """Raise Invalid unless this is a patch: an object or an array, well formed, not empty."""
    if not isinstance(patch, dict | list):
        raise Invalid("a patch must be a JSON object (merge) or array (operations)")
    if not patch:
        raise Invalid("an empty patch changes nothing", hint="leave the command out")
    if isinstance(patch, list):
        _json_patch(patch)


def apply(record: dict[str, Any], patch: Json) -> dict[str, Any]:
    """Return the patched record; the given one is left as it was.

    Raises:
        Conflict: an operation does not fit this record (a missing path, a failed test).
        Invalid: the result is not an object.
    """
    if isinstance(patch, dict):
        return _merge(record, patch)
    import jsonpatch

    try:
        result = _json_patch(patch).apply(record)
    except RecursionError:
        raise Invalid("the patched record is nested too deep") from None
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):
        raise Conflict("an operation of the patch does not fit this record") from None
    if not isinstance(result, dict):
        raise Invalid("the patched record is not a JSON object")
    return result


def changed_fields(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the root-level names whose values differ; `1`, `1.0` and `true` are not the same."""
    return sorted(
        name
        for name in before.keys() | after.keys()
        if name not in before
        or name not in after
        or dumps(before[name], sort_keys=True) != dumps(after[name], sort_keys=True)
    )


def _merge(target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = _merge(merged.get(name), value)
        else:
            merged[name] = value
    return merged


def _json_patch(operations: Any) -> Any:
    import jsonpatch

    try:
        patch = jsonpatch.JsonPatch(operations)
        for operation in operations:  # what the library looks at only when it applies them
            if operation["op"] in ("add", "replace", "test"):
                operation["value"]
            elif operation["op"] in ("move", "copy"):
                jsonpatch.JsonPointer(operation["from"])
        return patch
    except (
        jsonpatch.JsonPatchException,
        jsonpatch.JsonPointerException,
        KeyError,
        TypeError,
        ValueError,
    ):
        raise Invalid("malformed JSON Patch", hint="a list of operations as in RFC 6902") from None

"""What a model says against data, as sentences with a place and, for a word it does not know, the word that was meant.
Lives here: pydantic's errors as ours. Not here: which data (scenario, asking)."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from worldtick.contracts.errors import Faulty
from worldtick.control.documents import FAULTS_MAX, Document, Path

Model = TypeVar("Model", bound=BaseModel)
WORDS_MAX = 12  # named where nothing is near


def validated(
    model: type[Model], document: Document, data: Any, at: Path, faults: list[str], context: Any = None
) -> Model | None:
    """`data` (which stands at a path of the document) as the model; else None, and every fault is added.

    Keys that the model does not know are faults, whatever the model itself says of them.
    """
    try:
        return model.model_validate(data, extra="forbid", context=context)
    except ValidationError as broken:
        for error in broken.errors(include_url=False)[:FAULTS_MAX]:
            path = at + _within(error["loc"], data)
            faults.append(f"{document.place(path)}: {_sentence(error, model)}")
        return None


def asked(model: type[Model], what: str, args: Mapping[str, Any], context: Any = None) -> Model:
    """The arguments of something that is asked for. Raises Faulty, which names `what` and every fault."""
    faults: list[str] = []
    read = validated(model, Document("args", dict(args)), dict(args), (), faults, context)
    if read is None:
        raise Faulty(what, faults)
    return read


def near(word: str, words: Iterable[str]) -> str:
    """` (did you mean X?)`, or what there is: the end of a sentence that refuses a word."""
    known = sorted(words)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f" (did you mean {close[0]}?)"
    if not known:
        return " (there is none)"
    more = f" and {len(known) - WORDS_MAX} more" if len(known) > WORDS_MAX else ""
    return f" (there are: {', '.join(known[:WORDS_MAX])}{more})"


def _sentence(error: Mapping[str, Any], model: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden":
        word = str(error["loc"][-1])
        return f"there is no such key{near(word, _fields(model, error['loc'][:-1]))}"
    if error["type"] == "missing":
        return "is missing"
    said = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    return (
        f"{said} (it is {given!r})" if isinstance(given, str | int | float | bool) and len(str(given)) <= 80 else said
    )


def _within(loc: tuple[str | int, ...], data: Any) -> Path:
    """The part of a location that is in the data: pydantic puts names of union members and functions between."""
    path: list[str | int] = []
    here = data
    for index, part in enumerate(loc):
        if isinstance(here, dict) and (part in here or index == len(loc) - 1):
            here = here.get(part)
            path.append(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
            path.append(part)
    return tuple(path)


def _fields(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The names of the fields of the model at a location, as they are written."""
    here = {model}
    for part in loc:
        stepped: set[type[BaseModel]] = set()
        for each in here:
            if isinstance(part, str):
                stepped.update(
                    *(_models(f.annotation) for name, f in each.model_fields.items() if _said(name, f) == part)
                )
        here = stepped or here  # an index, a mapping's key or a union member's name leads to the same models
    return [_said(name, f) for each in here for name, f in each.model_fields.items()]


def _said(name: str, field: Any) -> str:
    return str(field.alias or name)


def _models(annotation: Any) -> set[type[BaseModel]]:
    """The models that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {found for part in get_args(annotation) for found in _models(part)}

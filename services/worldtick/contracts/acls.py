"""Who may do what on Kafka, as topics/acls.yaml declares it.
Lives here: its reading, and the ACLs that it comes to in a deployment. Not here: a cluster's ACLs (runtime/acls)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from worldtick.contracts.deadletter import SUFFIX
from worldtick.contracts.errors import Faulty
from worldtick.contracts.shipped import shipped
from worldtick.contracts.topics import topic_specs

CLUSTER: Final = "kafka-cluster"  # what Kafka calls the one resource of its kind
EACH_SERVICE: Final = "{service}"
_OF_SERVICES: Final = ("{topic}", "{topic}" + SUFFIX, "{stream}")  # topics that only a service's entry may name
_RUNTIME_NAME: Final = r"^[a-z][a-z0-9_.-]*(\{service\}[a-z0-9_.-]*)?\*?$"  # of groups and transactional ids

Resource = Literal["topic", "group", "transactional_id", "cluster"]
TopicOperation = Literal["read", "write", "create", "delete", "alter", "describe", "alter_configs", "describe_configs"]
ClusterOperation = Literal["create", "alter", "describe", "alter_configs", "describe_configs", "idempotent_write"]


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One right on a cluster; what is declared is always allowed, and from any host."""

    principal: str  # such as User:worldtick-ticker
    resource: Resource
    name: str  # whole, with the deployment's prefix
    prefixed: bool  # whether it holds for all names that begin so
    operation: str
    host: str = "*"
    allows: bool = True

    def __str__(self) -> str:
        what = self.resource.replace("_", " ")
        which = "" if self.resource == "cluster" else f" {self.name}{'*' if self.prefixed else ''}"
        may = f"{self.principal} {'may' if self.allows else 'must not'} {self.operation} {what}{which}"
        return may if self.host == "*" else f"{may} from {self.host}"


class Served(NamedTuple):
    """A service, as far as its rights go. Topics are named without the deployment's prefix."""

    name: str
    topic: str  # what its workers read
    stream: str  # the tick topic that its ticks come on


class Rights(NamedTuple):
    """What one principal may do."""

    role: str
    principal: str
    description: str
    acls: tuple[Acl, ...]


def _topic(name: str, info: ValidationInfo) -> str:
    declared = (info.context or {}).get("topics", ())
    if name not in _OF_SERVICES and not any(fnmatchcase(topic, name) for topic in declared):
        raise ValueError("no topic of topics.yaml is named so")
    return name


_Topics = Annotated[list[Annotated[str, AfterValidator(_topic)]], Field(min_length=1)]
_Names = Annotated[list[Annotated[str, Field(pattern=_RUNTIME_NAME)]], Field(min_length=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_-]{0,62}|\{service\})$")]
    only: Literal["slices"] | None = None
    description: str
    topics: dict[TopicOperation, _Topics] = {}
    groups: dict[Literal["read", "describe", "delete"], _Names] = {}
    transactional_ids: dict[Literal["write", "describe"], _Names] = {}
    cluster: list[ClusterOperation] = []

    @model_validator(mode="after")
    def _placed(self) -> "_Entry":
        named = [name for rights in (self.topics, self.groups, self.transactional_ids) for name in _all(rights)]
        strange = sorted({name for name in named if "{" in name})
        if self.role != EACH_SERVICE and (strange or self.only):
            raise ValueError(f"only the role {EACH_SERVICE} may say {', '.join(strange) or '`only`'}")
        return self


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    principals: Annotated[list[_Entry], Field(min_length=1, max_length=1_000)]


def _all(rights: Mapping[Any, list[str]]) -> list[str]:
    return [name for names in rights.values() for name in names]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a file of ACLs says."""

    entries: tuple[_Entry, ...]

    def roles(self, services: Iterable[Served]) -> list[str]:
        """Every role, each once; the services' by their names. Raises Faulty if a service has another role's name."""
        own = {entry.role for entry in self.entries} - {EACH_SERVICE}
        names = [service.name for service in services]
        if taken := sorted(own.intersection(names)):
            raise Faulty("acls.yaml", [f"service {name} has the name of another role" for name in taken])
        found = [names if entry.role == EACH_SERVICE else [entry.role] for entry in self.entries]
        return list(dict.fromkeys(role for roles in found for role in roles))

    def rights(
        self, prefix: str, services: Sequence[Served], principals: Mapping[str, Sequence[str]]
    ) -> tuple[Rights, ...]:
        """What each principal may do in a deployment. principals: role -> whoever has it, for every role."""
        return tuple(
            Rights(role, principal, "; ".join(said), tuple(sorted(acls)))
            for role in self.roles(services)
            for principal in principals[role]
            for said, acls in [self._of(role, principal, prefix, services)]
        )

    def _of(
        self, role: str, principal: str, prefix: str, services: Iterable[Served]
    ) -> tuple[list[str], frozenset[Acl]]:
        service = next((each for each in services if each.name == role), None)
        said, acls = list[str](), set[Acl]()
        for entry in self.entries:
            if entry.role != (role if service is None else EACH_SERVICE):
                continue
            if entry.only == "slices" and (service is None or service.topic == service.stream):
                continue
            said.append(entry.description.replace(EACH_SERVICE, role))
            acls.update(_acls(entry, principal, prefix, service))
        return said, frozenset(acls)


def _acls(entry: _Entry, principal: str, prefix: str, service: Served | None) -> Iterator[Acl]:
    for topic_operation, names in entry.topics.items():
        for topic in (topic for name in names for topic in _topics(name, service)):
            yield Acl(principal, "topic", prefix + topic, False, topic_operation)
    made: tuple[tuple[Resource, Mapping[Any, list[str]]], ...] = (
        ("group", entry.groups),
        ("transactional_id", entry.transactional_ids),
    )
    for resource, rights in made:
        for operation, names in rights.items():
            for name in names:
                whole = prefix + name.replace(EACH_SERVICE, entry.role if service is None else service.name)
                yield Acl(principal, resource, whole.removesuffix("*"), whole.endswith("*"), operation)
    for cluster_operation in entry.cluster:
        yield Acl(principal, "cluster", CLUSTER, False, cluster_operation)


def _topics(name: str, service: Served | None) -> list[str]:
    """The declared topics, without prefix, that a name in the file stands for."""
    if service is not None:
        name = name.replace("{topic}", service.topic).replace("{stream}", service.stream)
    return [spec.base for spec in topic_specs() if fnmatchcase(spec.base, name)]


def read_acls(file: Path, topics: Iterable[str]) -> Declaration:
    """A declaration of ACLs. topics: all that are declared, with dead letters. Raises Faulty naming every fault."""
    try:
        said = yaml.safe_load(file.read_text("utf-8"))
        declared = _File.model_validate(said, context={"topics": tuple(topics)})
    except yaml.YAMLError as broken:
        raise Faulty(file.name, [f"is no YAML: {broken}"]) from broken
    except ValidationError as broken:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in broken.errors()]
        raise Faulty(file.name, faults) from broken
    return Declaration(tuple(declared.principals))


@lru_cache(maxsize=1)
def declared_acls() -> Declaration:
    """What topics/acls.yaml declares."""
    return read_acls(shipped("topics") / "acls.yaml", [spec.base for spec in topic_specs()])

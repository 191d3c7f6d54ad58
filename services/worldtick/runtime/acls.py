"""ACLs on a cluster: what differs from their declaration, and mending it; whether a topic is guarded at all.
Lives here: the comparison and the admin calls. Not here: the declaration (contracts/acls)."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from worldtick.contracts.acls import CLUSTER, Acl, Resource
from worldtick.contracts.errors import Refused, Unavailable
from worldtick.runtime.topics import each_answer

TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.05
_TYPES: Final[Mapping[str, ResourceType]] = MappingProxyType(
    {
        "topic": ResourceType.TOPIC,
        "group": ResourceType.GROUP,
        "transactional_id": ResourceType.TRANSACTIONAL_ID,
        "cluster": ResourceType.BROKER,  # librdkafka's word for it
    }
)
_NAMES: Final = MappingProxyType({kind: name for name, kind in _TYPES.items()})
_NOT_OURS: Final = frozenset({AclOperation.DELETE, AclOperation.ALTER, AclOperation.ALTER_CONFIGS})
_REMEDIES: Final = MappingProxyType(
    {
        KafkaError.SECURITY_DISABLED: "the brokers have no authorizer, so everybody may do everything and ACLs mean"
        " nothing: set authorizer.class.name and super.users in their configuration, and start them again",
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: "we may not: log in as one of the brokers' super.users"
        " (to look, the right to describe the cluster is enough)",
    }
)

Kind = Literal["grant", "extra", "notice"]


@dataclass(frozen=True, slots=True)
class AclChange:
    """One difference: a right that is missing, or one that nobody declared. A notice is never acted upon."""

    kind: Kind
    acl: Acl

    def __str__(self) -> str:
        declared = {"grant": "it does not yet", "extra": "not declared", "notice": "not declared, nor one of ours"}
        return f"{self.kind} {self.acl}: {declared[self.kind]}"


def diff(
    admin: AdminClient, declared: Iterable[Acl], prefix: str, topics: Sequence[str], timeout_s: float = TIMEOUT_S
) -> list[AclChange]:
    """Rights that are missing; extra ones of our principals; notices: what others may do with our topics.

    declared: with all our principals. topics: whole names of all that are declared. What our principals may do under
    another prefix than this deployment's is another one's. Raises Refused where the brokers have no authorizer or we
    may not ask, Unavailable.
    """
    wanted, held = set(declared), list_acls(admin, timeout_s)
    ours = {acl.principal for acl in wanted}
    missing, others = sorted(wanted - held), sorted(held - wanted)
    extra = [
        acl for acl in others if acl.principal in ours and (acl.resource == "cluster" or acl.name.startswith(prefix))
    ]
    foreign = [acl for acl in others if acl.principal not in ours and acl.resource == "topic" and _reaches(acl, topics)]
    kinds: tuple[tuple[Kind, list[Acl]], ...] = (("grant", missing), ("extra", extra), ("notice", foreign))
    return [AclChange(kind, acl) for kind, acls in kinds for acl in acls]


def _reaches(acl: Acl, topics: Sequence[str]) -> bool:
    if acl.prefixed:
        return any(topic.startswith(acl.name) for topic in topics)
    return acl.name == "*" or acl.name in topics


def apply(
    admin: AdminClient,
    declared: Iterable[Acl],
    prefix: str,
    topics: Sequence[str],
    *,
    prune: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> list[AclChange]:
    """Create what is missing; with `prune` delete what is extra. Returns what `diff` said.

    Waits until the cluster shows it. Raises Refused, Unavailable.
    """
    wanted = tuple(declared)
    changes = diff(admin, wanted, prefix, topics, timeout_s)
    missing = [_binding(change.acl) for change in changes if change.kind == "grant"]
    extra = [_filter(change.acl) for change in changes if change.kind == "extra" and prune]
    if missing:
        _each(admin.create_acls(missing, request_timeout=timeout_s), "set", timeout_s)
    if extra:
        _each(admin.delete_acls(extra, request_timeout=timeout_s), "delete", timeout_s)
    if missing or extra:
        _await(admin, wanted, prefix, topics, prune, timeout_s)
    return changes


def _await(
    admin: AdminClient, wanted: Sequence[Acl], prefix: str, topics: Sequence[str], prune: bool, timeout_s: float
) -> None:
    """Wait until the broker that we ask has learnt of them: others may be behind it for a moment."""
    deadline = time.monotonic() + timeout_s
    open_kinds = ("grant", "extra") if prune else ("grant",)
    while left := [change for change in diff(admin, wanted, prefix, topics, timeout_s) if change.kind in open_kinds]:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"after {timeout_s:.0f} s the cluster still does not show: {'; '.join(map(str, left[:5]))}"
            )
        time.sleep(_POLL_S)


def list_acls(admin: AdminClient, timeout_s: float = TIMEOUT_S) -> set[Acl]:
    """All ACLs of the kinds of resources that we have. Raises Refused where there are none to see, Unavailable."""
    kinds = {kind: AclBindingFilter(kind, None, *_ANY) for kind in _TYPES.values()}
    asked = {kind: admin.describe_acls(wanted, request_timeout=timeout_s) for kind, wanted in kinds.items()}
    held = {_acl(binding) for found in _each(asked, "list", timeout_s).values() for binding in found}
    if not held:
        _explain_nothing(admin, timeout_s)
    return held


def _explain_nothing(admin: AdminClient, timeout_s: float) -> None:
    """librdkafka shows no ACLs where the broker refuses to tell of any: find out. Raises Refused, Unavailable."""
    asked = admin.describe_cluster(include_authorized_operations=True, request_timeout=timeout_s)
    described = _each({CLUSTER: asked}, "list", timeout_s)[CLUSTER]
    allowed = set(described.authorized_operations or ())
    if AclOperation.DESCRIBE not in allowed:
        raise Refused(f"Kafka would not list ACLs: {_REMEDIES[KafkaError.CLUSTER_AUTHORIZATION_FAILED]}")
    if AclOperation.DESCRIBE_CONFIGS not in allowed:
        return  # something is forbidden, so somebody decides
    broker = ConfigResource(ResourceType.BROKER, str(described.nodes[0].id))
    (entries,) = _each(admin.describe_configs([broker], request_timeout=timeout_s), "list", timeout_s).values()
    authorizer = entries.get("authorizer.class.name")
    if authorizer is not None and not authorizer.value:
        raise Refused(f"Kafka would not list ACLs: {_REMEDIES[KafkaError.SECURITY_DISABLED]}")


_ANY: Final = (ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)


def _acl(binding: AclBinding) -> Acl:
    return Acl(
        principal=binding.principal,
        resource=cast(Resource, _NAMES[binding.restype]),
        name=binding.name,
        prefixed=binding.resource_pattern_type == ResourcePatternType.PREFIXED,
        operation=binding.operation.name.lower(),
        host=binding.host,
        allows=binding.permission_type == AclPermissionType.ALLOW,
    )


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(*_parts(acl))


def _filter(acl: Acl) -> AclBindingFilter:
    return AclBindingFilter(*_parts(acl))


def _parts(acl: Acl) -> tuple[Any, ...]:
    return (
        _TYPES[acl.resource],
        acl.name,
        ResourcePatternType.PREFIXED if acl.prefixed else ResourcePatternType.LITERAL,
        acl.principal,
        acl.host,
        AclOperation[acl.operation.upper()],
        AclPermissionType.ALLOW if acl.allows else AclPermissionType.DENY,
    )


def is_guarded(admin: AdminClient, topics: Sequence[str], timeout_s: float = TIMEOUT_S) -> bool:
    """Whether Kafka decides who may do what with each of these topics, as far as it shows in what we may do there.

    Where no authorizer is, or nothing is said of a topic and everybody is let in, everything is allowed to us; so it is
    to a super user, who cannot tell. Raises Unavailable.
    """
    try:
        asked = admin.describe_topics(
            TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=timeout_s
        )
        allowed = [set(future.result(timeout_s + 5.0).authorized_operations or _NOT_OURS) for future in asked.values()]
    except (KafkaException, TimeoutError) as away:
        raise Unavailable(f"Kafka does not say what we may do with {', '.join(topics)}: {away}") from away
    return all(not allowed_there >= _NOT_OURS for allowed_there in allowed)


def _each(asked: Mapping[Any, Future[Any]], what: str, timeout_s: float) -> dict[Any, Any]:
    """All answers. Raises Refused with what to do, Unavailable."""

    def refusal(_which: Any, error: KafkaError) -> str:
        return f"Kafka would not {what} ACLs: {_REMEDIES.get(error.code(), error.str())}"

    return each_answer(asked, timeout_s, about="ACLs", refusal=refusal)

"""`worldtick topics acls`: who may do what on Kafka; and ACLs as the other verbs of topics compare and mend them.
Lives here: the verb, who is who, printing. Not here: the declaration (contracts/acls), clusters (runtime/acls)."""

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

import click

from worldtick.cli.catalogue import catalogue
from worldtick.cli.settings import Settings
from worldtick.contracts.acls import Acl, Rights, Served, declared_acls
from worldtick.contracts.errors import Faulty
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM, topic_specs
from worldtick.runtime import acls as cluster
from worldtick.runtime import topics as cluster_topics
from worldtick.runtime.acls import AclChange
from worldtick.runtime.service import Service

TEMPLATE = "User:worldtick-{name}"
PLACE = "{name}"
_OPTION = {"topic": "--topic", "group": "--group", "transactional_id": "--transactional-id"}  # of kafka-acls.sh
_Command = TypeVar("_Command", bound=Callable[..., Any])

principals_option = click.option(
    "--principal",
    "principals",
    multiple=True,
    metavar="[ROLE=]TYPE:NAME",
    help=f"Who is who, may be repeated: a template for all roles, {TEMPLATE} by default, or who has one role, such as"
    " admin=User:ann.",
)


def acl_options(command: _Command) -> _Command:
    """The options of a verb that may look at ACLs, too."""
    return principals_option(click.option("--acls", is_flag=True, help="ACLs, too.")(command))


@click.command()
@principals_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "kafka-acls"]),
    default="text",
    help="kafka-acls: lines for a shell, which pass its arguments on to Kafka's own tool.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def acls(settings: Settings, principals: tuple[str, ...], form: str, as_json: bool) -> None:
    """What topics/acls.yaml lets whom do, of all services that are installed here. No broker is asked."""
    rights = declared_rights(settings, principals)
    if as_json:
        for row in (as_object(acl) | {"role": each.role} for each in rights for acl in each.acls):
            click.echo(json.dumps(row))
        return
    for line in tool_lines(rights) if form == "kafka-acls" else _text(rights):
        click.echo(line)


def declared_rights(settings: Settings, principals: Sequence[str]) -> tuple[Rights, ...]:
    """What every principal of this installation may do. Raises Faulty naming every fault of --principal."""
    services = [served(service) for service in catalogue().values()]
    declaration = declared_acls()
    named = named_principals(principals, declaration.roles(services))
    return declaration.rights(settings.topic_prefix, services, named)


def served(service: Service[Any]) -> Served:
    """A service, as far as its rights go."""
    return Served(service.name, service.topic, TICK_TOPIC_OF_STREAM[service.stream])


def named_principals(given: Sequence[str], roles: Sequence[str]) -> dict[str, list[str]]:
    """role -> its principals, by what --principal says; the last template counts. Raises Faulty with every fault."""
    template, own, faults = TEMPLATE, dict[str, list[str]](), list[str]()
    for text in given:
        role, mark, name = text.partition("=") if "=" in text.partition(":")[0] else ("", "", text)
        kind, colon, rest = name.partition(":")
        if not (kind and colon and rest):
            faults.append(f"{text!r} is no principal: Kafka's look like User:name")
        elif mark and role not in roles:
            faults.append(f"{text!r} names no role: there are {', '.join(roles)}")
        elif mark:
            own.setdefault(role, []).append(name)
        else:
            template = name
    if faults:
        raise Faulty("--principal", faults)
    return {role: own.get(role, [template.replace(PLACE, role)]) for role in roles}


def as_object(acl: Acl) -> dict[str, Any]:
    """A right as --json prints it."""
    return {
        "principal": acl.principal,
        "permission": "allow" if acl.allows else "deny",
        "operation": acl.operation,
        "resource": acl.resource,
        "name": acl.name,
        "pattern": "prefixed" if acl.prefixed else "literal",
        "host": acl.host,
    }


def _text(rights: Iterable[Rights]) -> Iterator[str]:
    for each in rights:
        yield f"{each.principal}: {each.description}"
        for (operation, resource, prefixed), acls in groupby(_by_operation(each.acls), _operation_of):
            names = "" if resource == "cluster" else " " + ", ".join(acl.name + "*" * prefixed for acl in acls)
            yield f"    {operation} {resource.replace('_', ' ')}{names}"


def tool_lines(rights: Iterable[Rights]) -> Iterator[str]:
    """Lines of a shell that say the same to kafka-acls.sh; the shell's arguments say where the broker is."""
    for each in rights:
        for (operation, resource, prefixed), acls in groupby(_by_operation(each.acls), _operation_of):
            words = ["--add", "--force", "--allow-principal", each.principal]
            words += ["--operation", "".join(word.title() for word in operation.split("_"))]
            words += ["--resource-pattern-type", "prefixed"] if prefixed else []
            for acl in acls:
                words += ["--cluster"] if resource == "cluster" else [_OPTION[resource], acl.name]
            yield f'kafka-acls.sh "$@" {shlex.join(words)}'


def _operation_of(acl: Acl) -> tuple[str, str, bool]:
    return acl.operation, acl.resource, acl.prefixed


def _by_operation(acls: Iterable[Acl]) -> list[Acl]:
    return sorted(acls, key=lambda acl: (acl.resource != "topic", acl.resource, *_operation_of(acl), acl.name))


def diff(settings: Settings, principals: Sequence[str]) -> list[AclChange]:
    """Where the cluster's ACLs differ from what is declared. Raises Faulty, Refused, Unavailable."""
    declared, topics = _wanted(settings, principals)
    return cluster.diff(cluster_topics.admin_client(settings.kafka), declared, settings.topic_prefix, topics)


def apply(settings: Settings, principals: Sequence[str], prune: bool) -> list[AclChange]:
    """Create what is missing; with `prune` delete what is extra. Raises Faulty, Refused, Unavailable."""
    declared, topics = _wanted(settings, principals)
    admin = cluster_topics.admin_client(settings.kafka)
    return cluster.apply(admin, declared, settings.topic_prefix, topics, prune=prune)


def _wanted(settings: Settings, principals: Sequence[str]) -> tuple[list[Acl], list[str]]:
    """(all rights that are declared, the whole names of all topics that are)."""
    rights = declared_rights(settings, principals)
    return [acl for each in rights for acl in each.acls], [spec.name for spec in topic_specs(settings.topic_prefix)]

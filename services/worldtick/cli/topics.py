"""`worldtick topics`: what is declared, where the cluster differs, and mending it.
Lives here: the verbs. Not here: comparing (runtime/topics), what is declared (contracts/topics), ACLs (cli/acls)."""

import json
from collections.abc import Sequence
from typing import Any

import click
from confluent_kafka.admin import AdminClient

from worldtick.cli import acls as acl_verbs
from worldtick.cli.settings import Settings
from worldtick.contracts.topics import TopicSpec, topic_specs
from worldtick.runtime import topics as cluster
from worldtick.runtime.acls import AclChange
from worldtick.runtime.topics import Change

profile = click.option(
    "--profile",
    type=click.Choice(["declared", "local"]),
    help="local: no more replicas than there are brokers. Chosen by itself, with a notice, where brokers are too few.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def topics() -> None:
    """Declared topics and the cluster's, and who may do what with them."""


topics.add_command(acl_verbs.acls)


@topics.command("list")
@as_json
@click.pass_obj
def list_topics(settings: Settings, as_json: bool) -> None:
    """What topics/topics.yaml declares."""
    for spec in topic_specs(settings.topic_prefix):
        if as_json:
            row = {"topic": spec.name, "partitions": spec.partitions, "replication_factor": spec.replication_factor}
            click.echo(
                json.dumps({**row, "key": spec.key, "configs": spec.configs(), "dead_letters": spec.dead_letters})
            )
        else:
            click.echo(
                f"{spec.name}: {spec.partitions} partitions, replication {spec.replication_factor}; {spec.description}"
            )


@topics.command()
@profile
@acl_verbs.acl_options
@as_json
@click.pass_obj
def diff(settings: Settings, profile: str | None, acls: bool, principals: tuple[str, ...], as_json: bool) -> None:
    """Where the cluster differs from what is declared. Ends with 1 if `apply` would change anything, pruning included.

    With --acls every right that somebody else has on our topics is shown as a notice.
    """
    admin = cluster.admin_client(settings.kafka)
    changes: list[Change | AclChange] = [*cluster.diff(admin, wanted(admin, settings.topic_prefix, profile))]
    changes += acl_verbs.diff(settings, principals) if acls else []
    report(changes, as_json, "no difference")
    if any(change.kind != "notice" for change in changes):
        click.get_current_context().exit(1)


@topics.command()
@profile
@click.option("--drained", is_flag=True, help="The pipeline is drained: partitions of topics with keys may be raised.")
@acl_verbs.acl_options
@click.option("--prune", is_flag=True, help="With --acls: delete what our principals may do and nobody declared.")
@as_json
@click.pass_obj
def apply(
    settings: Settings,
    profile: str | None,
    drained: bool,
    acls: bool,
    principals: tuple[str, ...],
    prune: bool,
    as_json: bool,
) -> None:
    """Create topics, raise partitions, correct configurations. No topic is ever shrunk or deleted.

    With --acls rights that are missing are created, too, and others of our principals are shown; one of the brokers'
    super.users has to ask for it.
    """
    if prune and not acls:
        raise click.UsageError("--prune is about ACLs: give --acls, too")
    admin = cluster.admin_client(settings.kafka)
    specs = wanted(admin, settings.topic_prefix, profile)
    changes: list[Change | AclChange] = [*cluster.apply(admin, specs, drained=drained)]
    changes += acl_verbs.apply(settings, principals, prune) if acls else []
    report(changes, as_json, "no change")


def wanted(admin: AdminClient, prefix: str, profile: str | None) -> Sequence[TopicSpec]:
    """The declared topics, their replication lowered where the profile says so or brokers are too few."""
    specs = topic_specs(prefix)
    brokers, needed = cluster.brokers(admin), max(spec.replication_factor for spec in specs)
    if profile == "declared" or (profile is None and brokers >= needed):
        return specs
    if profile is None:
        click.echo(f"notice: {brokers} of {needed} brokers are there, so replication is lowered to {brokers}", err=True)
    return cluster.for_brokers(specs, brokers)


def report(changes: Sequence[Change | AclChange], as_json: bool = False, nothing: str = "") -> None:
    """One line for each change; `nothing` if there is none but notices."""
    for change in changes:
        click.echo(json.dumps(_as_object(change)) if as_json else str(change))
    if nothing and not as_json and all(change.kind == "notice" for change in changes):
        click.echo(nothing)


def _as_object(change: Change | AclChange) -> dict[str, Any]:
    if isinstance(change, AclChange):
        return {"kind": change.kind, **acl_verbs.as_object(change.acl)}
    row = {"kind": change.kind, "topic": change.topic, "what": change.what}
    return {**row, "has": change.has, "wants": change.wants}

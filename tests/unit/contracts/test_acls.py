"""The declaration of ACLs: what it comes to, and faults all at once.
Lives here: acls.yaml and its reading. Not here: a cluster (integration/test_acls)."""

from pathlib import Path

import pytest
import yaml

from worldtick.contracts.acls import CLUSTER, Acl, Rights, Served, declared_acls, read_acls
from worldtick.contracts.errors import Faulty
from worldtick.contracts.shipped import shipped

PLAIN = Served("weather", "world.tick.hourly", "world.tick.hourly")
SPLIT = Served("npc", "npc.slice", "world.tick")
TOPICS = ("world.tick", "world.tick.dlq", "simulation.event")


def _rights(prefix: str = "") -> dict[str, Rights]:
    roles = declared_acls().roles([PLAIN, SPLIT])
    made = declared_acls().rights(prefix, [PLAIN, SPLIT], {role: [f"User:{role}"] for role in roles})
    return {each.role: each for each in made}


def test_a_service_of_a_third_party_gets_what_the_template_says() -> None:
    assert {str(acl) for acl in _rights()["weather"].acls} == {
        "User:weather may read topic world.tick.hourly",
        "User:weather may write topic world.tick.hourly",
        "User:weather may write topic world.tick.hourly.dlq",
        "User:weather may write topic simulation.event",
        "User:weather may read group worldtick.weather",
        "User:weather may write transactional id worldtick.weather.*",
    }


def test_only_services_that_are_rung_slice_by_slice_split() -> None:
    rights = _rights("p.")
    assert Acl("User:npc", "group", "p.worldtick.npc.split", False, "read") in rights["npc"].acls
    assert Acl("User:npc", "topic", "p.world.tick", False, "read") in rights["npc"].acls
    assert not any("split" in acl.name for acl in rights["weather"].acls)


def test_the_prefix_stands_before_every_name() -> None:
    acls = [acl for each in _rights("p.").values() for acl in each.acls]
    assert {acl.name for acl in acls if not acl.name.startswith("p.")} == {CLUSTER}


def test_nobody_may_do_what_nobody_needs() -> None:
    """The doors that matter, whoever edits the file."""
    may: dict[tuple[str, str], list[str]] = {}
    for each in _rights().values():
        for acl in each.acls:
            may.setdefault((acl.operation, acl.name), []).append(each.role)
    assert may["write", "simulation.event"] == ["weather", "npc"]
    assert may["write", "world.control.reply"] == ["control"]
    assert may["write", "world.control"] == ["admin"]
    assert may["write", "world.tick"] == ["ticker", "control", "admin", "paste"]
    assert not {operation for operation, _ in may} & {"delete", "all", "idempotent_write"}
    assert [key for key in may if key[1] == CLUSTER] == [("describe", CLUSTER)]


def test_a_principal_may_have_several_roles_and_a_role_several_principals() -> None:
    roles = declared_acls().roles([PLAIN])
    names = {role: ["User:one"] for role in roles} | {"admin": ["User:ann", "User:bob"]}
    made = declared_acls().rights("", [PLAIN], names)
    assert [each.principal for each in made if each.role == "admin"] == ["User:ann", "User:bob"]
    assert {each.principal for each in made if each.role != "admin"} == {"User:one"}


def test_a_service_may_not_have_another_roles_name() -> None:
    with pytest.raises(Faulty, match="service admin has the name of another role"):
        declared_acls().roles([Served("admin", "world.tick", "world.tick")])


def test_every_fault_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "acls.yaml"
    entry = {"role": "ticker", "description": "", "topics": {"write": ["world.tock"], "steal": ["world.tick"]}}
    groups = {"role": "reader", "description": "", "groups": {"read": ["*"]}, "hosts": ["a"]}
    placed = {"role": "paste", "description": "", "only": "slices", "topics": {"write": ["{topic}"]}}
    file.write_text(yaml.safe_dump({"principals": [entry, groups, placed]}, sort_keys=False), "utf-8")
    with pytest.raises(Faulty) as faulty:
        read_acls(file, TOPICS)
    said = list(faulty.value.faults)
    assert [fault.split(":")[0] for fault in said] == [
        "principals.0.topics.write.0",
        "principals.0.topics.steal.[key]",
        "principals.1.groups.read.0",
        "principals.1.hosts",
        "principals.2",
    ]
    assert "no topic of topics.yaml is named so" in said[0]
    assert "only the role {service} may say {topic}" in said[-1]


def test_what_is_no_yaml_is_one_fault(tmp_path: Path) -> None:
    file = tmp_path / "acls.yaml"
    file.write_text("principals: [", "utf-8")
    with pytest.raises(Faulty, match="is no YAML"):
        read_acls(file, TOPICS)


def test_the_file_goes_out_with_the_code() -> None:
    assert (shipped("topics") / "acls.yaml").is_file()

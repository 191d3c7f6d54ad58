-- Relations between factions for SQL readers: a row when a pair changed, so a pair's newest row is how it stands.
create table relation (
    world_key   integer not null,
    seq         bigint not null,
    faction_a   text not null,
    faction_b   text not null,
    state       text not null,
    score_milli integer not null,
    reason      text not null,
    slot_us     bigint not null,
    primary key (world_key, faction_a, faction_b, seq)
);
create index relation_by_tick on relation (world_key, seq);

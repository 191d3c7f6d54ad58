-- What became of timers, for SQL readers and for replies that count them: one row each time that something did.
create table timer_fate (
    world_key integer not null,
    seq       bigint not null,  -- the tick
    ordinal   integer not null,  -- the order within the tick
    timer     text not null,
    fate      text not null check (fate in ('fired', 'skipped', 'cancelled', 'refused')),
    at_us     bigint,  -- the world time at which it was due; null for one that never was
    times     bigint not null,  -- more than 1 where a recurring one was skipped over several of its times
    reason    text,
    primary key (world_key, seq, ordinal)
);
create index timer_fate_by_timer on timer_fate (world_key, timer, seq desc);

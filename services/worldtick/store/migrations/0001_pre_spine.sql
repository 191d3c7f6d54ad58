-- The spine: worlds and clocks, the tick log, slices with their ledger, what ticks carry, what readers see.
create table world (
    world_key  integer generated always as identity primary key,
    world_id   text not null unique check (world_id ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    owner      text not null,
    status     text not null default 'active' check (status in ('active', 'archived')),
    seed       bigint not null,
    scenario   text not null check (octet_length(scenario) <= 1048576),  -- canonical JSON
    services   text[] not null,
    budgets    jsonb not null default '{}',  -- service -> budget -> operations; absent = the service's default
    created_at timestamptz not null default now(),
    version    bigint not null default 1
);

-- One row per world, locked by whoever seals. World times in microseconds since the epoch, firings in Unix microseconds.
create table clock (
    world_key        integer primary key references world on delete cascade,
    epoch_s          bigint not null,
    driver           text not null check (driver in ('scheduled', 'auto', 'event', 'manual')),
    scale_num        bigint not null default 1 check (scale_num > 0),
    scale_den        bigint not null default 1 check (scale_den > 0),
    paused           boolean not null default false,
    hourly           boolean not null default true,
    daily            boolean not null default true check (hourly or daily),
    period_us        bigint not null check (period_us > 0),  -- wall time between two firings of the finest grid
    last_firing_us   bigint not null,
    catch_up         text not null check (catch_up in ('each', 'coalesce')),
    catch_up_max     integer not null check (catch_up_max > 0),
    facts            text not null check (facts in ('lag', 'latest')),
    lag_ticks        integer not null default 1 check (lag_ticks > 0),
    now_us           bigint not null default 0,
    daily_us         bigint not null default 0,  -- slot of the latest daily tick: midnight's is owed while now_us is a later midnight
    seq              bigint not null default 0,
    hourly_seq       bigint not null default 0,
    daily_seq        bigint not null default 0,
    published_seq    bigint not null default 0,
    rung_at          timestamptz
) with (fillfactor = 50);

create table tick (
    world_key    integer not null,
    seq          bigint not null,
    kind         smallint not null,  -- 1 step, 2 hourly, 3 daily
    kind_seq     bigint not null,
    slot_us      bigint not null,
    tick_id      uuid not null,
    triggered_by text not null,
    sealed_at    timestamptz not null default clock_timestamp(),
    body         bytea not null,  -- contracts/sealed.py
    primary key (world_key, seq)
);
create unique index tick_by_kind on tick (world_key, kind, kind_seq);
create unique index tick_by_slot on tick (world_key, kind, slot_us);

-- A pasted tick, keyed by the record it came in, so that reading that record again seals nothing.
create table paste (
    topic        text not null,
    partition    integer not null,
    "offset"     bigint not null,
    stamp_ms     bigint not null,
    world_key    integer not null,
    named_id     uuid,
    seq          bigint not null,
    sealed_at    timestamptz not null default clock_timestamp(),
    primary key (topic, partition, "offset", stamp_ms)
);
create index paste_by_name on paste (world_key, named_id) where named_id is not null;

create table directive (
    directive_id bigint generated always as identity primary key,
    world_key    integer not null references world on delete cascade,
    service      text not null,
    name         text not null,
    args         jsonb not null,
    source       text not null,
    made_seq     bigint,  -- the tick whose effect it is; null when an admin queued it
    made_order   bigint not null default 0,  -- place among the effects of one tick: service, slice, ordinal
    queued_at    timestamptz not null default clock_timestamp()
);
create index directive_by_world on directive (world_key, service, made_seq nulls first, made_order, directive_id);

create table fact (
    world_key integer not null,
    service   text not null,
    slice_no  integer not null,
    seq       bigint not null,
    body      bytea not null,  -- msgpack: name -> key -> value
    primary key (world_key, service, slice_no, seq)
);

-- Who reads what: a consumer group on one incarnation of a topic. Origins are counted in its offsets.
create table reader (
    reader_key integer generated always as identity primary key,
    grp        text not null,
    topic      text not null,
    topic_uuid text not null,
    unique (grp, topic, topic_uuid)
);

create table worker (
    worker_key integer generated always as identity primary key,
    grp        text not null,
    host       text not null,
    pid        integer not null,
    started_at timestamptz not null default clock_timestamp(),
    ended_at   timestamptz,
    seen_at    timestamptz not null default clock_timestamp()
);

-- Which worker holds a partition and whether the last one let go of it cleanly.
create table claim (
    reader_key integer not null,
    partition  integer not null,
    worker_key integer not null,
    clean      boolean not null default false,
    claimed_at timestamptz not null default clock_timestamp(),
    primary key (reader_key, partition)
);

-- How far a reader has surely published: a lower bound of the group's committed offset, noted after its Kafka commit.
-- Ledger rows whose origin lies below it are in Kafka for good, and may be pruned.
create table published (
    reader_key  integer not null,
    partition   integer not null,
    next_offset bigint not null,
    noted_at    timestamptz not null default clock_timestamp(),
    primary key (reader_key, partition)
) with (fillfactor = 50);

create table slice (
    slice_key        integer generated always as identity primary key,
    world_key        integer not null,
    service          text not null,
    slice_no         integer not null,
    stream           text not null check (stream in ('all', 'hourly', 'daily')),
    genesis_version  bigint not null default 0,  -- the place in the stream at which the service joined the world
    version          bigint not null default 0,  -- last finished place in the stream: seq or kind_seq
    digest           bytea,  -- of the state at `version`; null until a first tick is done
    step_version     integer not null default 0,
    status           smallint not null default 0,  -- 0 well, 1 parked (dead steps), 2 diverged
    dead_in_row      integer not null default 0,
    carried          bigint not null default 0,
    reader_key       integer,  -- these three: the origin of its last ledger row
    origin_partition integer,
    origin_offset    bigint,
    snapshot_version bigint,
    snapshot         bytea,
    reason           text,  -- why it is parked or diverged
    unique (world_key, service, slice_no)
) with (fillfactor = 50);
alter table slice alter column snapshot set storage external;

-- Older snapshots that recovery, verify and time travel start from.
create table snapshot (
    slice_key    integer not null,
    version      bigint not null,
    step_version integer not null,
    digest       bytea not null,
    body         bytea not null,
    taken_at     timestamptz not null default clock_timestamp(),
    primary key (slice_key, version)
);
alter table snapshot alter column body set storage external;

create table ledger (
    reader_key       integer not null,
    origin_partition integer not null,
    origin_offset    bigint not null,
    slice_key        integer not null,
    version          bigint not null,
    outcome          smallint not null,  -- 1 applied, 2 dead
    worker_key       integer not null,
    step_version     integer not null,
    step_us          integer not null,
    used             bigint not null,
    carried          bigint not null,
    digest           bytea not null,
    outputs          bytea not null,
    committed_at     timestamptz not null default now(),
    primary key (reader_key, origin_partition, origin_offset, slice_key, version)
);
create unique index ledger_by_slice on ledger (slice_key, version);

-- A step that was begun after an unclean end; three make it dead.
create table attempt (
    slice_key  integer not null,
    version    bigint not null,
    attempts   smallint not null,
    begun_at   timestamptz not null default clock_timestamp(),
    primary key (slice_key, version)
);

create table market_state (
    world_key      integer not null,
    seq            bigint not null,
    market_id      text not null,  -- district/commodity
    commodity      text not null,
    district       text not null,
    game_hour      smallint not null,
    slot_us        bigint not null,
    price_ticks    bigint not null,
    volume         bigint not null,
    demand         bigint not null,
    supply         bigint not null,
    unmatched      bigint not null,
    orders         bigint not null,
    efficiency_ppm integer not null,
    primary key (world_key, seq, market_id)
);
create index market_state_by_market on market_state (world_key, market_id, seq desc);

-- The observer's projection: how far it has read, and what it counted up to there, in one transaction.
create table position (
    projection text not null,
    topic      text not null,
    topic_uuid text not null default '',  -- its incarnation: offsets of another one mean nothing
    partition  integer not null,
    "offset"   bigint not null,
    primary key (projection, topic, partition)
);
create table tally (
    name   text not null,
    labels text not null,  -- canonical JSON
    value  double precision not null,
    primary key (name, labels)
);

-- Which dead letters were sent back to their topics, and of which dead steps the directives were queued again.
create table replay (
    topic     text not null,
    partition integer not null,
    "offset"  bigint not null,
    stamp_ms  bigint not null,
    begun_at  timestamptz not null default clock_timestamp(),
    sent_at   timestamptz,
    times     integer not null default 1,
    primary key (topic, partition, "offset", stamp_ms)
);
create table requeue (
    world_key integer not null,
    service   text not null,
    seq       bigint not null,
    queued_at timestamptz not null default clock_timestamp(),
    times     integer not null default 1,
    primary key (world_key, service, seq)
);

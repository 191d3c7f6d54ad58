-- Commands: who may send them, what came of each, and what is still owed an answer.
create table control_key (
    key_id     text primary key,  -- the first 16 hex digits of SHA-256 over the public key
    actor      text not null,
    role       text not null check (role in ('viewer', 'owner', 'admin')),
    public_key bytea not null check (octet_length(public_key) = 32),  -- Ed25519
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
create index control_key_by_actor on control_key (actor);

-- One row for each record of world.control: the audit, and the reply that a record read again is given again.
create table command (
    command_key bigint generated always as identity primary key,
    topic       text not null,
    partition   integer not null,
    "offset"    bigint not null,
    stamp_ms    bigint not null,
    actor       text,  -- as the command says; null where it could not be read
    id          text,
    name        text,
    world_id    text,
    world_key   integer,
    sha256      bytea not null,  -- of the record's value
    decisive    boolean not null default false,  -- proved and within its rate: the one answer to (actor, id)
    fate        text not null check (fate in ('judging', 'accepted', 'refused', 'duplicate', 'dead')),
    code        text,
    sentence    text,
    reply       bytea,  -- the record's value on world.control.reply
    reply_id    text,
    said_at     text,
    heard_at    timestamptz not null default now(),
    from_seq    bigint,  -- the world's newest tick when it was accepted
    seq         bigint,  -- the tick that it waits for, once that is known
    until_us    bigint,  -- or the world time that has to be reached first
    directive_id bigint,  -- or the directive that some tick has to carry first
    pending     boolean not null default false,  -- whether `completed` is still owed
    completed_at timestamptz,
    unique (topic, partition, "offset", stamp_ms)
);
create unique index command_decided on command (actor, id) where decisive;
create index command_pending on command (command_key) where pending;
create index command_by_directive on command (directive_id) where pending and directive_id is not null and seq is null;
create index command_by_time on command (heard_at);

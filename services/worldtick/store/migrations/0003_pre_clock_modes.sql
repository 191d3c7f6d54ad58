-- The clock's modes: how fast a world earns time from the wall, where it is driven to, and when a ticker has to look.
alter table clock drop column scale_num, drop column scale_den;
alter table clock
    add column scale_ppb     bigint not null default 1000000000 check (scale_ppb > 0),  -- world us per wall us, times 1e9
    add column interval_us   bigint not null default 1000000 check (interval_us > 0),  -- wall time between two steps under auto
    add column turn_us       bigint check (turn_us > 0),  -- turn-based: an advance is exactly this long
    add column in_flight_max integer not null default 16 check (in_flight_max > 0),  -- of a paced world whose facts do not lag
    add column lag_policy    text not null default 'wait' check (lag_policy in ('wait', 'slow_down', 'skip')),
    add column lag_us_max    bigint not null default 60000000 check (lag_us_max > 0),  -- wall time it may lag behind its pace
    add column pace_us       bigint not null default 0,  -- auto: the world time earned from the wall so far
    add column owed_ppb      bigint not null default 0 check (owed_ppb between 0 and 999999999),  -- and the part of a us
    add column anchor_us     bigint not null default 0,  -- auto: the wall time (Unix us) up to which pace_us is counted
    add column target_us     bigint,  -- the world time that any ticker drives towards; null once reached
    add column due_us        bigint,  -- the wall time at which a ticker has to look; null: never, as things stand
    add column version       bigint not null default 1;  -- raised by each command that changed how the clock runs
create index clock_by_due on clock (due_us) where due_us is not null;

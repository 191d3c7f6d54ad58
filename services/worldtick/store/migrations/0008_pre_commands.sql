-- Commands that wait until the services have stored their states: snapshot.now.
alter table command add column stored_seq bigint;  -- every slice's stored state has to be that after this tick, or later
-- Timers that are disabled for a while, and enabled again.
alter table timer_fate drop constraint timer_fate_fate_check;
alter table timer_fate add constraint timer_fate_fate_check
    check (fate in ('fired', 'skipped', 'cancelled', 'disabled', 'enabled', 'refused'));

-- Settings: what admins set for a world's services at run time; a tick carries each service's complete set.
alter table world add column settings jsonb not null default '{}';  -- service -> setting -> value; absent = the default

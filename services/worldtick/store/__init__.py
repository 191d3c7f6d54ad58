"""Tables, named queries and migrations: all SQL lives here."""

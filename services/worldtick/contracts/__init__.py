"""What goes over the wire and what a sealed tick holds: models, codecs, ids, topic specs. Imports nothing of ours."""

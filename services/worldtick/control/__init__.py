"""Seals what people paste on the tick topics; dead-letters what cannot be read there."""

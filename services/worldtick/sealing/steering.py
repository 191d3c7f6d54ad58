"""Steering: a clock's row as the course that pure transitions take, and back.
Lives here: which fields they share. Not here: the transitions (clock/course), SQL (store), who may ask (control)."""

from dataclasses import fields
from typing import Final

from worldtick.clock.course import Course
from worldtick.store.clocks import Stands

_SHARED: Final = tuple(field.name for field in fields(Course))


def course_of(clock: Stands) -> Course:
    """How a clock runs."""
    return Course(**{name: getattr(clock, name) for name in _SHARED})


def steer(clock: Stands, course: Course) -> bool:
    """Take a course into a clock; False where it is the same already. The caller saves it (save_course)."""
    changed = [name for name in _SHARED if getattr(clock, name) != getattr(course, name)]
    for name in changed:
        setattr(clock, name, getattr(course, name))
    return bool(changed)

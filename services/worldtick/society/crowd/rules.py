"""What people of the built-in crowd need, want, earn and believe: the numbers, and what each field of a person means.
Lives here: the record of a person, all constants. Not here: who acts on them (kernel, and city as the Mesa model).

Times are hours of world time, needs and moods run from 0 to 1000, money is in price ticks.
"""

from enum import IntEnum

import numpy as np

HOURS_A_DAY = 24

PERSON = np.dtype(
    [
        ("x", "<i2"), ("y", "<i2"),  # the cell where the person stands
        ("home_x", "<i2"), ("home_y", "<i2"),
        ("work_x", "<i2"), ("work_y", "<i2"),
        ("above", "<i4"),  # who came to this cell next after this person; -1: nobody
        ("below", "<i4"),  # who came before
        ("money", "<i4"),  # price ticks
        ("wage", "<i4"),  # thousandths of a ration's usual price, earned in an hour at work
        ("hunger", "<i2"),  # 0 = sated, 1000 = starving
        ("social", "<i2"),  # 0 = had enough of others, 1000 = lonely
        ("mood", "<i2"),  # 500 = even
        ("discontent", "<i2"),  # 0 = none
        ("patience", "<i2"),  # a trait: the discontent at which this person protests alone
        ("sociability", "<i2"),  # a trait: what the social need grows by in an hour
        ("food", "<i2"),  # rations carried
        ("tell_h", "<i2"),  # hours for which the rumour is still told on
        ("keep_h", "<i2"),  # hours until it is forgotten, and the next one believed
        ("protest_h", "<i2"),  # hours of protest left
        ("meet", "<i4"),  # the place that a rumour of a feast names
        ("rumour", "<i2"),  # Rumour
        ("activity", "<i2"),  # Activity
    ]
)  # fmt: skip


class Rumour(IntEnum):
    """What somebody believes."""

    NONE = 0
    DREAD = 1  # food runs out: buy ahead, be angry
    FEAST = 2  # there is a feast at some place tonight


class Activity(IntEnum):
    """What somebody does in an hour."""

    REST = 0
    WORK = 1
    SHOP = 2
    MEET = 3
    FEAST = 4
    PROTEST = 5


class Tally(IntEnum):
    """Columns of the day's counts."""

    BOUGHT = 0  # rations, by the buyer's home
    UNMET = 1  # hungry people who could not pay for one, by home
    HEARD = 2  # people who came to believe a rumour, by home
    TALKS = 3  # conversations, by the home of who began it
    GATHERED = 4  # person-hours at meeting places, by where they lie
    PROTESTED = 5  # person-hours of protest, by home
    MOVED = 6  # people who moved to another home, by where they left


TALLIES = len(Tally)

# The day
WAKE, TO_WORK, OFF_WORK, SHUT, COUNTED, BED, MOVING = 6, 7, 17, 21, 20, 23, 4
STRIDE = 8  # cells that a person walks in an hour
BLOCK = 25  # each block of 25 x 25 cells has a meeting place in its middle, which is its market too
WORK_WITHIN = 10  # cells from home to work, along each axis

# The body
FULL = 1000
HUNGER_AWAKE, HUNGER_ASLEEP = 45, 15
HUNGRY, STARVING, MEAL = 500, 900, 500  # a meal takes what makes hungry: nobody is in step with others
LARDER, HOARD = 2, 6  # rations that a person wants to have; with dread
EVEN = 500  # what moods go back to
MOOD_HOURS, CALM_HOURS = 16, 48
MEAL_MOOD, STARVING_MOOD, STARVING_ANGER = 10, 30, 25
HUNGRY_MOOD, UNPAID_ANGER = 20, 60
DEAR, DEAR_MAX = 15, 100  # percent over the usual price: from there on it angers by so many, up to so many

# Money
MONEY_MAX = 1_000_000_000
WAGE_LOW, WAGE_SPAN = 250, 570
EMPLOYED = 950  # thousandths of hours at work that are paid
IDLE_ANGER = 40  # of an hour that is not
SAVINGS = 8  # rations' worth that a person keeps; of what it has over an eighth goes at each visit to a meeting place
LEVEL_SCALE, LEVEL_DAYS = 256, 32  # wages follow prices within about a month

# Talk
LONELY, TALK_EASE, TALK_MOOD, TREAT_MOOD, FEAST_MOOD = 500, 150, 12, 10, 30
NEAR_BITS = 3  # one speaks with one of the last 2^3 who came to the cell
BELIEVED = 350  # thousandths
TELL_H, KEEP_H = 60, 288
DREAD_ANGER, UNEASY = 150, 300
START_DAYS = 12  # a rumour begins of itself at each meeting place once in so many days
FEAST_WITHIN = 40  # cells, along each axis

# Protest
PROTEST_H, VENT_KEEPS_4THS = 5, 3
COURAGE, COURAGE_MAX = 15, 20  # each who protests at one's place takes so much off one's patience; so many count
PATIENCE_LOW, PATIENCE_SPAN = 350, 500
ROAM = 16  # of 65,536: the chance of a day that somebody contented moves; discontent adds its own number

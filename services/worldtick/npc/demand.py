"""How people's needs act on demand.
Lives here: from sums over all slices to a factor per commodity and district. Not here: the sums (hours)."""

from collections.abc import Mapping

from worldtick.npc.plan import Plan, Table
from worldtick.npc.units import POINT

SOURCE = "npc"
WHOLE_PPM = 1_000_000


def demand_ppm(plan: Plan, wants: Table) -> Mapping[str, int]:
    """district/commodity/npc -> factor, of (answers, D, 2) people and sums of need over all slices.

    A mean need below the usual raises demand by ppm_per_point for each point, one above lowers it, within its bounds.
    """
    factors: dict[str, int] = {}
    for number, answer in enumerate(plan.answers):
        for d, district in enumerate(plan.districts):
            people, total = (int(value) for value in wants[number, d])
            if people:
                lack = answer.usual - total // people
                ppm = WHOLE_PPM + lack * answer.ppm_per_point // POINT
                factors[f"{district}/{answer.commodity}/{SOURCE}"] = max(answer.low_ppm, min(answer.high_ppm, ppm))
    return factors

"""What MLflow is told of examined.csv."""

import math
from collections import defaultdict
from statistics import fmean

from pipeline.files import store
from pipeline.files.store import DamagedError
from pipeline.settings import places
from pipeline.values.lanes import DENSE, TICKET


def points(experiment: str) -> dict[tuple[str, int], float]:
    """Averages what was measured in the ticket's masks and weights over the replicates: (`weights.bimodality.fc1.weight`, round)
    -> mean.

    A quantity of all layers together is called `weights.moved.all`; round 0 is the dense network, if the quantity exists for it.
    Raises: UserError when a row of the table is damaged.
    """
    path = places.examined(experiment)
    if not path.is_file():
        return {}
    values: dict[tuple[str, int], list[float]] = defaultdict(list)
    target = f"{places.chain(experiment)}:examine"
    for row in store.read_csv(path, target):
        try:
            number, value = int(row["round"]), float(row["value"])
            if row["arm"] == TICKET or (row["arm"] == DENSE and number == 0):
                values[f"weights.{row['quantity']}.{row['layer'] or 'all'}", number].append(value)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(path, error, target) from None
    return {place: mean for place, found in values.items() if math.isfinite(mean := fmean(found))}

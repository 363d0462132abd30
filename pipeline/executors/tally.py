"""What the groups of an executor have done, all together."""

from collections.abc import Callable, Hashable

# It takes the lane-iterations done, and how many of them came from checkpoints.
Report = Callable[[int, int], None]


class Tally:
    """A group's first report is what it begins with: 0, or what its checkpoint has."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.began: dict[Hashable, int] = {}
        self.done: dict[Hashable, int] = {}

    def count(self, group: Hashable, done: int) -> None:
        self.began.setdefault(group, done)
        self.done[group] = done
        self.report(sum(self.done.values()), sum(self.began.values()))

    def forget(self, group: Hashable) -> None:
        """What a group has done is lost."""
        self.began.pop(group, None)
        self.done.pop(group, None)

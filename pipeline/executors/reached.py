"""What the lanes of an item have reached so far, for the progress line. The files of a lane are there once it has ended."""

from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING

from pipeline.files.lane import LaneFiles
from pipeline.results.metric import Metric

if TYPE_CHECKING:
    from pipeline.run.job import Job


class Reached:
    """Calling it tells the mean of the metric on the test set at the early stops of the lanes that have ended."""

    def __init__(self, job: "Job") -> None:
        self.metric = Metric(**asdict(job.setup.task.metric))
        self.files = [LaneFiles(job.folder / lane.name) for lane in job.lanes]
        self.found: dict[LaneFiles, float] = {}

    def __call__(self) -> str:
        """Empty while no lane has ended."""
        for file in self.files:
            if file not in self.found and file.about.is_file():
                self.found[file] = float(file.read_about()[self.metric.at_early_stop])
        if not self.found:
            return ""
        some = f" ({len(self.found)} of {len(self.files)})" if len(self.found) < len(self.files) else ""
        return f"{self.metric.words} {self.metric.text(fmean(self.found.values()))}{some}"

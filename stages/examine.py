"""DVC stage examine: what the masks and weights of one experiment show about its tickets (appendix F). Nothing is trained."""

from pipeline.examine.examination import examine
from pipeline.results import tables
from pipeline.settings import places
from stages import experiment_of, run_stage


def main(name: str) -> None:
    examined, profiles = examine(experiment_of(name).lottery)
    tables.write(places.examined(name), examined)
    tables.write(places.profiles(name), profiles)


if __name__ == "__main__":
    run_stage(main)

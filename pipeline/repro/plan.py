"""What a run of DVC has to do in which order, and the order of the entries in its dvc.lock files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dvc.repo import Repo

if TYPE_CHECKING:
    from dvc.stage import Stage


class Plan:
    """The stages of a run in DVC's own order, what each waits for, and how many stages follow each at least."""

    def __init__(self, repo: Repo, targets: Sequence[str]) -> None:
        """Raises: DvcException when there is no such target."""
        from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

        graph = get_active_graph(repo.index.graph)
        self.stages: list[Stage] = plan_repro(graph, collect_stages(repo, targets))
        self.waits_for = {stage: set(graph.successors(stage)) for stage in self.stages}
        self.height = dict.fromkeys(self.stages, 0)
        for stage in reversed(self.stages):
            for earlier in self.waits_for[stage]:
                self.height[earlier] = max(self.height[earlier], self.height[stage] + 1)

    def following(self, failed: "Stage") -> "set[Stage]":
        """All stages that depend on one, whatever is between them."""
        found = {failed}
        for stage in self.stages:
            if self.waits_for[stage] & found:
                found.add(stage)
        return found - {failed}


def entries(plan: Plan) -> Mapping[Path, Sequence[str]]:
    """The entries of each dvc.lock that the plan may write, in their order."""
    from dvc.utils.serialize import load_yaml

    files = {_lock_of(stage) for stage in plan.stages}
    return {file: list(load_yaml(file).get("stages", {})) if file.exists() else [] for file in sorted(files)}


def _lock_of(stage: "Stage") -> Path:
    return Path(stage.path).with_name("dvc.lock")


def sort(repo: Repo, plan: Plan, known: Mapping[Path, Sequence[str]]) -> None:
    """Puts new entries of each dvc.lock into the order in which `dvc repro` would have made them."""
    from dvc.utils.serialize import load_yaml, modify_yaml

    with repo.lock:
        for file, before in known.items():
            planned = [stage.name for stage in plan.stages if _lock_of(stage) == file and stage.name not in before]
            found = list(load_yaml(file).get("stages", {})) if file.exists() else []
            order = {name: place for place, name in enumerate([*before, *planned])}
            wanted = sorted(found, key=lambda name: order.get(name, len(order)))  # those of another run come last
            if wanted != found:
                with modify_yaml(file) as lock:
                    for name in wanted:
                        lock["stages"][name] = lock["stages"].pop(name)

"""Train the dense network from fresh weights: round 0 of every replicate (section 2, steps 1 and 2)."""

from pipeline.files import masks
from pipeline.run import runner, setup
from stages import experiment_of, run_stage


def main(name: str) -> None:
    from pipeline.settings import check  # no output depends on it: it only rejects input

    start = setup.begin(experiment_of(name))
    check.rehearsed(start)
    masks.write_layers(name, start.network.layers, start.network.left_out)
    tickets = setup.dense_tickets(start)
    masks.write(start.bound.lottery.dense, {lane.seed: ticket.mask for lane, ticket in tickets.items()})
    runner.train(start, start.bound.lottery.dense, tickets)


if __name__ == "__main__":
    run_stage(main)

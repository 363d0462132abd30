"""The quantities of examined.csv and profiles.csv, each with its meaning in one sentence."""

# What a function of this package measures: (quantity, layer) -> value. The layer is empty for all layers together.
Measured = dict[tuple[str, str], float]

QUANTITIES = {
    # Appendix F.1 and F.2: the initial weights of the survivors; of the arm dense, those of all weights.
    "bimodality": "Sarle's coefficient of the survivors' initial weights: 1/3 for a normal distribution, 5/9 for a uniform one, "
    "and 1 for two equally frequent values",
    "valley": "the lowest point of the distribution of the survivors' initial weights between its highest points on either side "
    "of zero, divided by the lower of these: above 1 for one mode, below 1 for a mode on either side",
    "magnitude": "the mean absolute value of the survivors' initial weights",
    "spread": "the standard deviation of the survivors' initial weights",
    # Appendix F.5.
    "outward_kept": "how far the weights of the mask move away from zero while the dense network is trained, on average",
    "outward_rest": "how far the other weights move away from zero while the dense network is trained, on average",
    "moved_kept": "how far the weights of the mask move in any direction while the dense network is trained, on average",
    "moved_rest": "how far the other weights move in any direction while the dense network is trained, on average",
    "flipped_kept": "the share of the mask's weights whose sign changes while the dense network is trained",
    "flipped_rest": "the share of the other weights whose sign changes while the dense network is trained",
    "outward": "how far the arm's weights move away from zero in its own training, on average",
    "moved": "how far the arm's weights move in any direction in its own training, on average",
    "flipped": "the share of the arm's weights whose sign changes in its own training",
    # Appendix F.6. Some units feed a fully connected layer, and the layer computes others.
    "inputs_per_unit": "the mean number of connections that come into a unit which the layer computes",
    "outputs_per_unit": "the mean number of connections that leave a unit which feeds the layer",
    "unevenness_in": "the Gini coefficient of the numbers of incoming connections: 0 if all are equal, near 1 if one unit has "
    "all",
    "unevenness_in_chance": "what unevenness_in is expected to be for a random mask with as many weights in the layer",
    "unevenness_out": "the Gini coefficient of the numbers of outgoing connections: 0 if all are equal, near 1 if one unit has "
    "all",
    "unevenness_out_chance": "what unevenness_out is expected to be for a random mask with as many weights in the layer",
    "dead_units": "the share of the layer's hidden units that have no incoming or no outgoing connection",
    "unused_inputs": "the share of the network's inputs that have no outgoing connection",
    # What the weights cost, in sequences of fully connected layers.
    "multiplications": "the share of the dense network's multiplications that surviving weights need",
    "multiplications_compacted": "the share of the dense network's multiplications, and bytes of weights, that are left if units "
    "which nothing reads are removed and the other weights are kept as they are, pruned or not",
    "bytes_bitmap": "the bytes of the mask as one bit for each weight and of the survivors' values, as a share of the dense "
    "network's weights",
    "bytes_csr": "the bytes of the survivors as compressed sparse rows with indices of 4 bytes, as a share of the dense "
    "network's weights",
    # Comparisons of masks. An overlap is a Jaccard index: the number of weights in both masks, divided by that in at least one.
    "overlap_replicates": "the overlap of a replicate's mask with those of the other replicates in the same round, on average",
    "overlap_replicates_chance": "what overlap_replicates is expected to be for random masks with as many weights in each layer",
    "overlap_one_shot": "the overlap of the mask with the mask of the same density that magnitude pruning makes in one step from "
    "the dense network's trained weights",
    "overlap_one_shot_chance": "what overlap_one_shot is expected to be for random masks with as many weights in each layer",
    "mask_found_at_rewind": "the share of the mask that magnitude pruning would have found from the dense network's weights at "
    "the rewind point, which are the initial ones if it is iteration 0",
    "mask_found_at_rewind_chance": "what mask_found_at_rewind is expected to be for a random mask with as many weights in each "
    "layer",
    "early_bird": "like mask_found_at_rewind, but for the mask that magnitude pruning makes in one step from the dense network's "
    "trained weights; the arm is dense, and the round determines the density",
    "early_bird_chance": "what early_bird is expected to be for a random mask with as many weights in each layer",
}
PROFILES = {
    "initial_weights": "the density of the distribution of the survivors' initial weights, which integrates to 1; for the arm "
    "dense, that of all initial weights; the position is the centre of a bin",
    "inputs_sorted": "the numbers of incoming connections of the layer's units, from the largest; the position is the rank",
    "outputs_sorted": "the numbers of outgoing connections of the units that feed the layer, from the largest; the position is "
    "the rank",
    "input_counts": "the number of connections that leave each input of the network; the position is the input's index",
}

"""scikit-learn's 442 diabetes patients (Efron et al. 2004): ten numbers for each, and how the disease progressed."""

import numpy as np

from pipeline.domain.bundle import Bundle, Form

FORM = Form(train=342, test=100, shape=(10,), dtype="float32", target=(1,))


def diabetes() -> Bundle:
    """342 patients to train on, and the last 100 to test on.

    Units: inputs are normalised by the mean and standard deviation of the training part. Targets are distances from its
    mean in its standard deviations, so that a network which always answers the mean has a root mean squared error of 1.
    """
    from sklearn.datasets import load_diabetes

    inputs, targets = load_diabetes(return_X_y=True, scaled=False)
    train = slice(0, FORM.train)
    targets = (targets - targets[train].mean()) / targets[train].std()
    inputs, targets = inputs.astype(np.float32), targets.astype(np.float32).reshape(-1, 1)
    mean, std = inputs[train].mean(0, dtype=np.float64), inputs[train].std(0, dtype=np.float64)
    return Bundle(
        train_inputs=inputs[train],
        train_targets=targets[train],
        test_inputs=inputs[FORM.train :],
        test_targets=targets[FORM.train :],
        scale=(1 / std).astype(np.float32),
        shift=(-mean / std).astype(np.float32),
    )

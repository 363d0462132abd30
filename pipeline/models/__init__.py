"""Networks: a file defines one, under its own name: `lenet(shape, classes, **options) -> nn.Module`."""

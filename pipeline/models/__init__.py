"""Networks: a file defines one, under its own name: `lenet(shape, outputs, **options) -> nn.Module`."""

"""Networks: each file defines one, with its own name, such as `lenet(shape, outputs, **options) -> nn.Module`."""

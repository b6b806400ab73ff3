"""The parameter shapes that optimizers are measured on."""

__all__ = ["GRADIENT_SCALE", "SHAPES", "Shape", "perceptron", "transformer"]

Shape = tuple[int, ...]

# The values decide nothing here but must not slow arithmetic down: far from zero, from each other's
# size and from infinity.
GRADIENT_SCALE = 1e-2


def transformer(width: int, blocks: int, vocabulary: int, context: int) -> list[Shape]:
    """The parameters of a GPT-2 network: 2 embeddings, 12 per block, 2 of the last layer norm."""
    layer_norm = [(width,), (width,)]
    attention = [(3 * width, width), (3 * width,), (width, width), (width,)]
    perceptron = [(4 * width, width), (4 * width,), (width, 4 * width), (width,)]
    block = [*layer_norm, *attention, *layer_norm, *perceptron]
    return [(vocabulary, width), (context, width), *(block * blocks), *layer_norm]


def perceptron(*widths: int) -> list[Shape]:
    """The weights and biases of a multilayer perceptron."""
    layers = zip(widths[1:], widths[:-1], strict=True)
    return [shape for out, into in layers for shape in ((out, into), (out,))]


SHAPES: dict[str, list[Shape]] = {
    "gpt2": transformer(width=768, blocks=12, vocabulary=50257, context=1024),
    "small": [(64, 64), (64,)] * 1000,
    "mlp": perceptron(784, 256, 128, 10),
}

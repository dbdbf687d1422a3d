"""The divergences as Triton kernels, a row of logits each, for accelerators."""

"""The model: a mixture of two Gaussians with ordered states."""

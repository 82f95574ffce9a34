"""Training: data, augmentation, losses, the trainer and its validation."""

"""Training: data, augmentation, the trainer and its validation."""

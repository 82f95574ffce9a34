"""What the MONAI Label app is made of; not named ``lib``, which MONAI Label unloads before it loads an app."""

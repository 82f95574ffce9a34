"""What results are for: one sentence, the same wherever a user meets one."""

INTENDED_USE = (
    "For research only, not for diagnosis: "
    "detail is estimated, in plane only, and may be wrong; thick slices stay thick."
)

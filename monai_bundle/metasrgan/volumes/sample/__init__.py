"""The sample volume, which comes with the package: a contrast-enhanced T1 scan of a patient with a glioma."""

from pathlib import Path

SAMPLE = Path(__file__).resolve().parent / "t1ce_glioma.nrrd"
SHA256 = "fffdb111ee8b428ede7256707393c927a7d5be912f0604cf3c6f1bd5fc9644cf"

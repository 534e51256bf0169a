"""A desk that takes claims: asks for a policy, looks it up, and opens a claim."""

from pathlib import Path

DIALOG = Path(__file__).with_name("dialog.json")
WITH_MODEL = Path(__file__).with_name("with_model.json")

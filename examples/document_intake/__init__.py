"""Reads a real document, takes fields out of it, checks them and reports them."""

from pathlib import Path

FLOW = Path(__file__).with_name("flow.yaml")
DOCUMENT = Path(__file__).with_name("dmca-summary.pdf")

"""Reads orders by the clock, reserves goods for them, keeps the answers and reports by mail."""

from pathlib import Path

FLOW = Path(__file__).with_name("flow.yaml")
ORDERS = Path(__file__).with_name("orders.csv")
TABLE = Path(__file__).with_name("table.sql")

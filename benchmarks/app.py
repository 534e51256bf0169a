"""The product's API, with the no-op effect in its catalogue."""

from fastapi import FastAPI

from api.app import create_app as product
from benchmarks.no_op import install


def create_app() -> FastAPI:
    """Return the application as it ships, one executor richer."""
    install()
    return product()

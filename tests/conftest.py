"""Names the plug-ins that hold the fixtures."""

pytest_plugins = [
    "tests.fixtures.hangs",
    "tests.fixtures.heap",
    "tests.fixtures.generated",
    "tests.fixtures.temporal",
    "tests.fixtures.mongo",
    "tests.fixtures.postgresql",
    "tests.fixtures.stores",
    "tests.fixtures.api",
    "tests.fixtures.working",
]

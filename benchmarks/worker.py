"""The product's worker, with the no-op effect beside the shipped executors."""

import worker
from benchmarks.no_op import install, no_op_effect
from runtime.logs import configure_logs
from runtime.settings import load_settings
from runtime.shutdown import run_until_signalled


def main() -> None:
    """Serve until stopped."""
    install()
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    run_until_signalled(lambda stop: worker.serve(settings, stop, [no_op_effect]))


if __name__ == "__main__":
    main()

"""Worker Versioning: which build of the workers a run belongs to.

Source: docs/upgrading.md, "Code of workflows".
"""

from datetime import timedelta

from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from flows.errors import StartUpError
from runtime.rpc_faults import translated

RPC_TIMEOUT = timedelta(seconds=10)

_UNKNOWN = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)


def deployment_config(name: str, build_id: str | None) -> WorkerDeploymentConfig | None:
    """Return how a worker takes part in Worker Versioning; None where it does not.

    A run stays on the build that it began on, unless its workflow says otherwise.
    """
    if build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=name, build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def promote(client: Client, name: str, build_id: str) -> None:
    """Make a build the one that new runs begin on. Repeatable.

    Raises:
        StartUpError: No worker of this build has polled yet.
        TemporalUnavailableError: The server does not answer.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=name,
        build_id=build_id,
        identity="perdure admin promote",
    )
    async with translated(RPC_TIMEOUT):
        try:
            await client.workflow_service.set_worker_deployment_current_version(
                request, timeout=RPC_TIMEOUT
            )
        except RPCError as error:
            if error.status not in _UNKNOWN:
                raise
            raise StartUpError(
                f"Temporal knows no worker of build {build_id} of {name}: start one first"
            ) from error

"""What an API process needs to correct results and to plan runs."""

from operations.corrections import Corrections
from operations.definitions import Definitions
from operations.planning import Planning
from operations.reexecution import ReExecution
from operations.sealing import Sealing
from operations.starting import Starter
from runtime.mongo import Mongo
from store.edits import EditRepository
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository


def correcting_on(
    mongo: Mongo, definitions: Definitions, sealing: Sealing, starter: Starter
) -> tuple[Corrections, Planning]:
    """Build both over the process's stores."""
    executions = ExecutionRepository(mongo.database)
    task_executions = TaskExecutionRepository(mongo.database)
    again = ReExecution(
        flows=FlowRepository(mongo.database),
        executions=executions,
        definitions=definitions,
        sealing=sealing,
        starter=starter,
    )
    corrections = Corrections(
        executions=executions,
        task_executions=task_executions,
        task_outputs=TaskOutputRepository(mongo.database),
        edits=EditRepository(mongo.database),
        again=again,
        definitions=definitions,
    )
    planning = Planning(
        executions=executions,
        task_executions=task_executions,
        again=again,
        starter=starter,
        definitions=definitions,
    )
    return corrections, planning

// A worker that knows nothing of Perdure: node worker.js ADDRESS NAMESPACE TASK_QUEUE
const { ApplicationFailure, Context } = require("@temporalio/activity");
const { DefaultLogger, NativeConnection, Runtime, Worker } = require("@temporalio/worker");

const tries = new Map();

const activities = {
  async describe(order, extra) {
    const { activityId, attempt, activityType } = Context.current().info;
    return { order, extra: extra ?? null, activityId, attempt, activityType, by: "node" };
  },

  async total(lines) {
    return lines.reduce((sum, line) => sum + line.price * line.pieces, 0);
  },

  async flaky() {
    const { activityId } = Context.current().info;
    const count = (tries.get(activityId) ?? 0) + 1;
    tries.set(activityId, count);
    if (count < 3) {
      throw ApplicationFailure.create({ message: `not at try ${count}`, type: "Busy", details: [{ any: 1 }, 7] });
    }
    return { count };
  },

  async refuse(reason) {
    throw ApplicationFailure.create({ message: reason, type: "Refused", nonRetryable: true });
  },

  async nothing() {},

  async until_cancelled() {
    const context = Context.current();
    const beating = setInterval(() => context.heartbeat(), 100);
    try {
      await context.cancelled;
    } finally {
      clearInterval(beating);
    }
  },
};

async function main() {
  const [address, namespace, taskQueue] = process.argv.slice(2);
  Runtime.install({ logger: new DefaultLogger("ERROR"), shutdownSignals: ["SIGTERM"] });
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({ connection, namespace, taskQueue, activities });
  console.log("ready");
  await worker.run();
  await connection.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A gateway with an emulator behind it, as processes on free ports. */
export interface TestGateway {
  /** Target for `createChannel`, in plaintext. */
  readonly address: string;

  /** Connection string of the emulator, for Microsoft's SDKs. */
  readonly connectionString: string;

  /** Endpoint of the emulator's control API, which injects faults and returns the journal. */
  readonly controlEndpoint: string;

  /** Stops both processes. */
  stop(): Promise<void>;
}

// cat ends when standard input is closed: by `stop`, or by the kernel when this process ends.
const COMMAND = `echo "$ROOMS_GATEWAY_ADDRESS $COMMUNICATION_CONNECTION_STRING $ROOMS_EMULATOR_CONTROL_ENDPOINT"
  exec cat`;

/**
 * Starts a gateway with `rooms-gateway run`; `rooms-gateway` must be on the PATH. `flags` are those of
 * `rooms-gateway run`, for example ["--log-file", "gateway.log"]. If the gateway does not start, the
 * reason is on standard error.
 */
export async function startGateway(flags: readonly string[] = []): Promise<TestGateway> {
  const child = spawn("rooms-gateway", ["run", ...flags, "--", "sh", "-c", COMMAND], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [line] = await Promise.race([
    once(createInterface(child.stdout), "line"),
    ended.then(([code]) => {
      throw new Error(`rooms-gateway run ended with exit code ${code}`);
    }),
  ]);
  const [address, connectionString, controlEndpoint] = line.split(" ");
  return {
    address,
    connectionString,
    controlEndpoint,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

// Makes CreateRoom dry runs from 8 concurrent callers until standard input is closed, then prints
// the numbers of calls as one line of JSON: {"served": 1000, "failed": {"UNAVAILABLE": 1}}.
// Usage: node load.mjs HOST:PORT...
import { credentials, status } from "@grpc/grpc-js";
import { createChannel, createClient, isServiceError, RoomsService } from "rooms-gateway-client";

const channel = createChannel(`ipv4:${process.argv.slice(2).join()}`, credentials.createInsecure());
const rooms = createClient(RoomsService, channel);

let open = true;
process.stdin.on("end", () => (open = false)).resume();

let served = 0;
const failed = {};
async function caller() {
  while (open) {
    try {
      await rooms.createRoom({ dryRun: {} });
      served += 1;
    } catch (error) {
      if (!isServiceError(error)) throw error;
      const code = status[error.code];
      failed[code] = (failed[code] ?? 0) + 1;
    }
  }
}

await Promise.all(Array.from({ length: 8 }, caller));
console.log(JSON.stringify({ served, failed }));
channel.close();

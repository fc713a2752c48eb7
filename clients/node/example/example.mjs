import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { credentials, status } from "@grpc/grpc-js";
import {
  createChannel,
  createClient,
  ErrorInfoSchema,
  findDetails,
  ParticipantRole,
  RoomsService,
  timestampFromDate,
} from "rooms-gateway-client";

const [target = "127.0.0.1:50051", caFile] = process.argv.slice(2);
const channel = createChannel(
  target,
  caFile ? credentials.createSsl(readFileSync(caFile)) : credentials.createInsecure(),
);
const rooms = createClient(RoomsService, channel);

const inSeconds = (seconds) => new Date(Date.now() + seconds * 1000);

const { room } = await rooms.createRoom(
  {
    // One id for all attempts, so that retries create no second room.
    requestId: randomUUID(),
    validUntil: timestampFromDate(inSeconds(3600)),
    participants: [
      {
        rawId: "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464",
        role: ParticipantRole.PRESENTER,
      },
    ],
  },
  { deadline: inSeconds(10) },
);
console.log(`created ${room.id}`);

let number = 0;
let pageToken = "";
for await (const page of rooms.listRooms({ maxPages: 1 }, { deadline: inSeconds(10) })) {
  number += page.rooms.length;
  pageToken = page.nextPageToken;
}

// Reads the pages after a token. If the stream breaks, resumes after the last page, on any gateway.
async function* pagesAfter(pageToken) {
  for (let attempts = 3; pageToken; ) {
    try {
      for await (const page of rooms.listRooms({ pageToken }, { deadline: inSeconds(60) })) {
        yield page;
        pageToken = page.nextPageToken;
      }
      return;
    } catch (error) {
      if (error.code !== status.UNAVAILABLE || --attempts === 0) throw error;
    }
  }
}

for await (const page of pagesAfter(pageToken)) number += page.rooms.length;
console.log(`listed ${number} rooms`);

try {
  await rooms.getRoom({ roomId: "99400000000000000" }, { deadline: inSeconds(10) });
} catch (error) {
  if (error.code !== status.NOT_FOUND) throw error;
  const [info] = findDetails(error, ErrorInfoSchema);
  console.log(`not found: ${info.reason}`);
}

try {
  await rooms.updateRoom(
    { roomId: room.id, pstnDialOutEnabled: false },
    { deadline: inSeconds(0.5) },
  );
  console.log("updated");
} catch (error) {
  if (error.code !== status.DEADLINE_EXCEEDED) throw error;
  console.log("deadline exceeded");
}

// The service config retries UNAVAILABLE; a retry may find the room already deleted.
await rooms.deleteRoom({ roomId: room.id, allowMissing: true }, { deadline: inSeconds(10) });
console.log("deleted");

channel.close();

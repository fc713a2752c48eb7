// Calls a gateway with grpc-js, from the protos alone, and prints one line of JSON for each step.
// Usage: node gateway.mjs <address> <folder of the protos>
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [address, protos] = process.argv.slice(2);

// oneofs: true, so that an optional field that is unset can be told from one that is false.
const options = { includeDirs: [protos], enums: String, oneofs: true };
const files = ["acs/rooms/v1/rooms_service.proto", "acs/rooms/v1/participants_service.proto"];
const { v1 } = grpc.loadPackageDefinition(loadSync(files, options)).acs.rooms;
const credentials = grpc.credentials.createInsecure();
const rooms = new v1.RoomsService(address, credentials);
const participants = new v1.ParticipantsService(address, credentials);

const user = (number) =>
  `8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_0000000${number}-7637-da8c-08d5-363a0d005464`;

const deadline = () => ({ deadline: Date.now() + 30_000 });

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, deadline(), (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

async function read(stream) {
  const messages = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

function print(step, value) {
  console.log(JSON.stringify({ step, value }));
}

async function failure(step, promise) {
  try {
    await promise;
    print(step, null);
  } catch ({ code, details, metadata }) {
    const [status] = metadata.get("grpc-status-details-bin");
    print(step, { code, details, status: status?.toString("base64") });
  }
}

// create, get, update: what is unset stays, false is a change
const { room } = await call(rooms, "CreateRoom", {
  pstnDialOutEnabled: true,
  participants: [{ rawId: user(1), role: "PARTICIPANT_ROLE_PRESENTER" }, { rawId: user(2) }],
});
print("create", room);
print("get", (await call(rooms, "GetRoom", { roomId: room.id })).room);
const validUntil = { seconds: Number(room.validFrom.seconds) + 3600, nanos: 100 };
const window = { roomId: room.id, validFrom: room.validFrom, validUntil };
print("update of the window", (await call(rooms, "UpdateRoom", window)).room);
const off = { roomId: room.id, pstnDialOutEnabled: false };
print("update to false", (await call(rooms, "UpdateRoom", off)).room);

// participants
await call(participants, "UpdateParticipants", {
  roomId: room.id,
  participants: [{ rawId: user(3), role: "PARTICIPANT_ROLE_CONSUMER" }],
  removeRawIds: [user(2)],
});
print("roster", await read(participants.ListParticipants({ roomId: room.id }, deadline())));

// lists
const pages = await read(rooms.ListRooms({}, deadline()));
print("list", pages.map((page) => page.rooms.length));
const [first] = await read(rooms.ListRooms({ maxPages: 1 }, deadline()));
const rest = await read(rooms.ListRooms({ pageToken: first.nextPageToken }, deadline()));
print("list in two parts", [first, ...rest].map((page) => page.rooms.length));

// errors
await failure("nothing to change", call(rooms, "UpdateRoom", { roomId: room.id }));
await failure("past end", call(rooms, "CreateRoom", { validUntil: { seconds: 1 } }));
await call(rooms, "DeleteRoom", { roomId: room.id });
await failure("deleted room", call(rooms, "GetRoom", { roomId: room.id }));
await failure(
  "roster of a deleted room",
  read(participants.ListParticipants({ roomId: room.id }, deadline())),
);

rooms.close();
participants.close();

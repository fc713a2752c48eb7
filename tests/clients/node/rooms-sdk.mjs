// Walks a room's life with Microsoft's unmodified client and prints one line of JSON for each step.
// Usage: node rooms-sdk.mjs <connection string>
import { RoomsClient } from "@azure/communication-rooms";

const client = new RoomsClient(process.argv[2], { allowInsecureConnection: true });

const user = (number) => ({
  communicationUserId: `8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_0000000${number}-7637-da8c-08d5-363a0d005464`,
});
const day = 24 * 60 * 60 * 1000;
const fromNow = (days) => new Date(Date.now() + days * day);

function print(step, value) {
  console.log(JSON.stringify({ step, value }));
}

async function everything(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

async function roster(roomId) {
  const people = await everything(client.listParticipants(roomId));
  return people.map(({ id, role }) => [id.kind, id.communicationUserId, role]);
}

async function failure(step, call) {
  try {
    await call();
    print(step, null);
  } catch ({ name, statusCode, code, message, details }) {
    print(step, { name, statusCode, code, message, details: details?.error?.details ?? [] });
  }
}

// create and get
const room = await client.createRoom({
  validFrom: fromNow(1),
  validUntil: fromNow(2),
  pstnDialOutEnabled: true,
  participants: [{ id: user(1), role: "Presenter" }, { id: user(2) }],
});
print("create", room);
print("get", await client.getRoom(room.id));
print("roster of a new room", await roster(room.id));

// update
const validUntil = fromNow(3);
print("update", {
  asked: validUntil,
  room: await client.updateRoom(room.id, { validFrom: room.validFrom, validUntil }),
});
print("update of nothing", await client.updateRoom(room.id, {}));

// participants
await client.addOrUpdateParticipants(room.id, [
  { id: user(1), role: "Consumer" },
  { id: user(3), role: "Collaborator" },
]);
print("roster after add or update", await roster(room.id));
await client.removeParticipants(room.id, [user(2), user(4)]);
print("roster after remove", await roster(room.id));

// list
const pages = [];
for await (const page of client.listRooms().byPage()) pages.push(page.map(({ id }) => id));
print("list", pages);

// errors
const badUser = { communicationUserId: "wrong_mri" };
await failure("past end", () => client.createRoom({ validUntil: fromNow(-1) }));
await failure("long range", () =>
  client.createRoom({ validFrom: fromNow(0), validUntil: fromNow(181) }),
);
await failure("late start", () => client.createRoom({ validFrom: fromNow(181) }));
await failure("half range", () => client.updateRoom(room.id, { validUntil: fromNow(1) }));
await failure("bad role", () =>
  client.addOrUpdateParticipants(room.id, [{ id: user(1), role: "Kafka" }]),
);
await failure("bad identifier in create", () =>
  client.createRoom({ participants: [{ id: badUser }] }),
);
await failure("bad identifier in add", () =>
  client.addOrUpdateParticipants(room.id, [{ id: badUser }]),
);
await failure("bad identifier in remove", () => client.removeParticipants(room.id, [badUser]));
await failure("short id", () => client.getRoom("123-invalidId"));
await failure("id of letters", () => client.getRoom("NotExistingRoomID"));
await failure("odd id", () => client.getRoom("a b/%é?x=1"));

// delete
await client.deleteRoom(room.id);
await failure("deleted room", () => client.getRoom(room.id));
await failure("second delete", () => client.deleteRoom(room.id));

// credentials
const stranger = new RoomsClient(process.argv[2].replace(/accesskey=.*/, "accesskey=c3RyYW5nZXI="), {
  allowInsecureConnection: true,
});
await failure("wrong key", () => stranger.createRoom());

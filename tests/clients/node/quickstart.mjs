// Walks the Rooms quickstart, users first, with Microsoft's unmodified clients, and prints one line
// of JSON for each step.
// Usage: node quickstart.mjs <connection string>
import { AzureCommunicationTokenCredential } from "@azure/communication-common";
import { CommunicationIdentityClient } from "@azure/communication-identity";
import { RoomsClient } from "@azure/communication-rooms";

const options = { allowInsecureConnection: true };
const identities = new CommunicationIdentityClient(process.argv[2], options);
const rooms = new RoomsClient(process.argv[2], options);

const fromNow = (days) => new Date(Date.now() + days * 24 * 60 * 60 * 1000);

function print(step, value) {
  console.log(JSON.stringify({ step, value }));
}

async function failure(step, call) {
  try {
    await call();
    print(step, null);
  } catch ({ statusCode, code, message }) {
    print(step, { statusCode, code, message });
  }
}

async function roster(roomId) {
  const people = [];
  for await (const { id, role } of rooms.listParticipants(roomId)) {
    people.push([id.communicationUserId, role]);
  }
  return people;
}

const first = await identities.createUser();
const second = await identities.createUser();
print("users", [first.communicationUserId, second.communicationUserId]);

const room = await rooms.createRoom({
  validFrom: fromNow(0),
  validUntil: fromNow(10),
  participants: [{ id: first, role: "Presenter" }],
});
print("create", room);
print("get", await rooms.getRoom(room.id));

const validUntil = fromNow(30);
const updated = await rooms.updateRoom(room.id, { validFrom: fromNow(0), validUntil });
print("update", { asked: validUntil, got: updated.validUntil });

const listed = [];
for await (const { id } of rooms.listRooms()) listed.push(id);
print("list", listed);

await rooms.addOrUpdateParticipants(room.id, [{ id: second, role: "Attendee" }]);
print("roster after add", await roster(room.id));
await rooms.removeParticipants(room.id, [first]);
print("roster after remove", await roster(room.id));

await rooms.deleteRoom(room.id);
await failure("deleted room", () => rooms.getRoom(room.id));

// tokens
const made = await identities.createUserAndToken(["chat", "voip"], { tokenExpiresInMinutes: 60 });
const read = await new AzureCommunicationTokenCredential(made.token).getToken();
print("expiry of a token", { told: made.expiresOn, read: new Date(read.expiresOnTimestamp) });
await identities.revokeTokens(made.user);
const again = await identities.getToken(made.user, ["voip.join"]);
print("token after revoke", again.token.split(".").length);
await failure("short life", () =>
  identities.getToken(made.user, ["voip"], { tokenExpiresInMinutes: 59 }),
);
await identities.deleteUser(made.user);
await failure("deleted user", () => identities.getToken(made.user, ["voip"]));

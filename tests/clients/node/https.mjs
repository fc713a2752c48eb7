// Uses Microsoft's unmodified clients over https, with a key and with a bearer token, and prints a
// line of JSON. Usage: node https.mjs <connection string> <bearer token>
import { CommunicationIdentityClient } from "@azure/communication-identity";
import { RoomsClient } from "@azure/communication-rooms";

const [connectionString, token] = process.argv.slice(2);
const endpoint = connectionString.replace(/endpoint=(.*);accesskey=.*/, "$1");
const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600_000 }) };

async function list(client) {
  const ids = [];
  for await (const room of client.listRooms()) ids.push(room.id);
  return ids;
}

const withKey = new RoomsClient(connectionString);
const created = (await withKey.createRoom()).id;
const { user } = await new CommunicationIdentityClient(connectionString).createUserAndToken(["voip"]);
const other = await new CommunicationIdentityClient(endpoint, credential).createUser();
console.log(
  JSON.stringify({
    created,
    rooms: await list(withKey),
    roomsWithToken: await list(new RoomsClient(endpoint, credential)),
    users: [user.communicationUserId, other.communicationUserId],
  }),
);

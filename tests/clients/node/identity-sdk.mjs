// Walks the Identity API with Microsoft's unmodified client and prints one line of JSON for each step.
// Usage: node identity-sdk.mjs <connection string>
import { CommunicationIdentityClient } from "@azure/communication-identity";

const client = new CommunicationIdentityClient(process.argv[2], { allowInsecureConnection: true });

const scopes = ["chat", "voip", "chat.join", "chat.join.limited", "voip.join"];
const clientId = "57d5a1c4-4b1f-4c53-9f5b-0123456789ab";
const userObjectId = "8b3d7f0a-93f4-4f4f-8a51-ba9876543210";
const stranger = {
  communicationUserId:
    "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464",
};

function print(step, value) {
  console.log(JSON.stringify({ step, value }));
}

async function failure(step, call) {
  try {
    await call();
    print(step, null);
  } catch ({ statusCode, code, message }) {
    print(step, [statusCode, code, message]);
  }
}

const encoded = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
const decoded = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
const claims = ({ token }) => decoded(token.split(".")[1]);

function teamsToken(exp) {
  return `${encoded({ alg: "none" })}.${encoded({ appid: clientId, oid: userObjectId, exp })}.`;
}

// users and tokens
const user = await client.createUser();
print("user", user.communicationUserId);
const issued = {};
for (const scope of scopes) issued[scope] = claims(await client.getToken(user, [scope])).acsScope;
print("scopes", issued);
const other = await client.createUserAndToken(scopes, { tokenExpiresInMinutes: 60 });
const { acsScope, exp, iat, skypeid } = claims(other);
print("user and token", {
  acsScope,
  life: exp - iat,
  same: `8:${skypeid}` === other.user.communicationUserId,
  expiry: Math.floor(other.expiresOn.getTime() / 1000) === exp,
});
print("revoke", (await client.revokeTokens(user)) ?? null);
print("delete", (await client.deleteUser(user)) ?? null);

// Teams users
const exp2 = Math.floor(Date.now() / 1000) + 4020;
const exchanged = await client.getTokenForTeamsUser({
  teamsUserAadToken: teamsToken(exp2),
  clientId,
  userObjectId,
});
print("Teams user", {
  skypeid: claims(exchanged).skypeid,
  expiry: exchanged.expiresOn.getTime() / 1000 === exp2,
});

// errors
for (const call of ["revokeTokens", "deleteUser"]) {
  await failure(`deleted user, ${call}`, () => client[call](user));
  await failure(`stranger, ${call}`, () => client[call](stranger));
}
await failure("deleted user, getToken", () => client.getToken(user, ["voip"]));
await failure("stranger, getToken", () => client.getToken(stranger, ["voip"]));
await failure("no scopes", () => client.getToken(other.user, []));
for (const tokenExpiresInMinutes of [59, 1441]) {
  await failure(`${tokenExpiresInMinutes} minutes`, () =>
    client.createUserAndToken(["voip"], { tokenExpiresInMinutes }),
  );
}
const exchange = (changes) =>
  client.getTokenForTeamsUser({
    teamsUserAadToken: teamsToken(exp2),
    clientId,
    userObjectId,
    ...changes,
  });
await failure("expired", () => exchange({ teamsUserAadToken: teamsToken(1741220403) }));
await failure("no app", () => exchange({ clientId: "" }));
await failure("bad user", () => exchange({ userObjectId: "user" }));
await failure("another app", () => exchange({ clientId: userObjectId }));
await failure("another user", () => exchange({ userObjectId: clientId }));

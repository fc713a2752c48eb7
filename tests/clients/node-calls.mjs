// Makes calls that end early or fail, and checks how; exits with 0 if all is as expected.
// GetRoom must be slow and DeleteRoom throttled. Usage: node node-calls.mjs HOST:PORT
import assert from "node:assert/strict";
import { credentials, Metadata, status } from "@grpc/grpc-js";
import {
  BadRequestSchema,
  createChannel,
  createClient,
  durationMs,
  findDetails,
  isServiceError,
  ParticipantsService,
  RequestInfoSchema,
  RetryInfoSchema,
  RoomSchema,
  RoomsService,
  toJson,
} from "rooms-gateway-client";

const channel = createChannel(process.argv[2], credentials.createInsecure());
const rooms = createClient(RoomsService, channel);
const participants = createClient(ParticipantsService, channel);

const roomId = "99400000000000000";

// A list that is left early or aborted.
for await (const page of rooms.listRooms({})) {
  assert.equal(page.rooms.length, 30);
  break;
}
const controller = new AbortController();
await assert.rejects(
  async () => {
    for await (const _ of rooms.listRooms({}, { signal: controller.signal })) controller.abort();
  },
  { code: status.CANCELLED },
);

// A call that is aborted while it runs, and before.
const signal = AbortSignal.timeout(500);
await assert.rejects(rooms.getRoom({ roomId }, { signal }), { code: status.CANCELLED });
await assert.rejects(rooms.getRoom({ roomId }, { signal }), { name: "TimeoutError" });

// Details of errors.
const failure = (call) => call.then(assert.fail, (error) => error);
const invalid = await failure(rooms.getRoom({ roomId: "!" }));
assert(isServiceError(invalid, status.INVALID_ARGUMENT));
assert(!isServiceError(invalid, status.NOT_FOUND));
assert.equal(findDetails(invalid, BadRequestSchema)[0].fieldViolations[0].field, "room_id");
assert.equal(findDetails(invalid, RequestInfoSchema)[0].requestId.length, 36);
assert.deepEqual(findDetails(invalid, RetryInfoSchema), []);
const throttled = await failure(rooms.deleteRoom({ roomId }));
assert(isServiceError(throttled, status.RESOURCE_EXHAUSTED));
assert.equal(durationMs(findDetails(throttled, RetryInfoSchema)[0].retryDelay), 700_000);
assert(!isServiceError(new TypeError()));
assert.deepEqual(findDetails(new TypeError(), RetryInfoSchema), []);

// Metadata is sent, and not changed.
const metadata = new Metadata();
metadata.set("x-request-id", "5f0b1e0c-6a6e-4a55-b7a1-3f3c6f1b2a90");
const identified = await failure(rooms.getRoom({ roomId: "!" }, { metadata }));
assert.equal(findDetails(identified, RequestInfoSchema)[0].requestId, metadata.get("x-request-id")[0]);
assert.deepEqual(metadata.getOptions(), {});

// An optional field, a oneof and a Timestamp, as the REST request has them.
const { restRequest } = await rooms.createRoom({
  pstnDialOutEnabled: false,
  validFrom: { seconds: 1_800_000_000n, nanos: 123_456_700 },
  participants: [{ identifier: { kind: { case: "phoneNumber", value: { value: "+15551234567" } } } }],
  dryRun: { showIdentifiers: true },
});
const body = JSON.parse(restRequest.body);
assert.equal(body.pstnDialOutEnabled, false);
assert.equal(body.validFrom, "2027-01-15T08:00:00.1234567Z");
assert.deepEqual(Object.keys(body.participants), ["4:+15551234567"]);

// The same in responses, on the other service.
const rawId = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464";
const { room } = await rooms.createRoom({ participants: [{ rawId }] });
assert.equal(room.pstnDialOutEnabled, false);
assert.equal(typeof toJson(RoomSchema, room).validFrom, "string");
for await (const page of participants.listParticipants({ roomId: room.id })) {
  const [{ identifier }] = page.participants;
  assert.equal(identifier.kind.case, "communicationUser");
  assert.equal(identifier.kind.value.id, rawId);
}

channel.close();

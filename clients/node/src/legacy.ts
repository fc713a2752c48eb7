export * from "./generated/acs/rooms/legacy/v1/legacy_rooms_pb.js";
export * from "./generated/acs/rooms/legacy/v1/legacy_rooms_service_pb.js";

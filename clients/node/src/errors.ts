import { fromBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, type status } from "@grpc/grpc-js";
import { StatusSchema } from "./generated/google/rpc/status_pb.js";

/** Reports whether `error` is the error of a call, with the status code `code` if that is given. */
export function isServiceError(error: unknown, code?: status): error is ServiceError {
  const is = error instanceof Error && "metadata" in error && error.metadata instanceof Metadata;
  return is && (code === undefined || (error as ServiceError).code === code);
}

/** Returns the details of an error that have the type of `schema`, for example `ErrorInfoSchema`. */
export function findDetails<Schema extends DescMessage>(
  error: unknown,
  schema: Schema,
): MessageShape<Schema>[] {
  const [bytes] = isServiceError(error) ? error.metadata.get("grpc-status-details-bin") : [];
  if (!(bytes instanceof Buffer)) return [];
  return fromBinary(StatusSchema, bytes).details.flatMap((detail) => anyUnpack(detail, schema) ?? []);
}

import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { serviceConfig } from "./generated/service_config.js";

/** Options of one call, all optional. */
export interface CallOptions
  extends Pick<grpc.CallOptions, "deadline" | "credentials" | "interceptors"> {
  /** Metadata to send with the call. */
  metadata?: grpc.Metadata | undefined;

  /** Cancels the call when it is aborted. */
  signal?: AbortSignal | undefined;
}

/**
 * The methods of a service. Unary methods return a promise, and streams an async iterable: the call
 * starts with the loop over it, and leaving the loop cancels the call.
 */
export type Client<Service extends DescService> = {
  [Name in keyof Service["method"]]: Method<Service["method"][Name]>;
};

type Method<Desc> =
  Desc extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageInitShape<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
    : Desc extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageInitShape<Input>, options?: CallOptions) => AsyncIterable<MessageShape<Output>>
      : never;

/**
 * Creates a channel to `target`, for example "dns:///rooms-gateway:50051" or "unix:/run/gateway.sock".
 * The default of the option "grpc.service_config" is `serviceConfig`. Close the channel when done.
 */
export function createChannel(
  target: string,
  credentials: grpc.ChannelCredentials,
  options: grpc.ChannelOptions = {},
): grpc.Channel {
  return new grpc.Channel(target, credentials, { "grpc.service_config": serviceConfig, ...options });
}

/** Creates a client of a service, for example `RoomsService`, that makes its calls on `channel`. */
export function createClient<Service extends DescService>(
  service: Service,
  channel: grpc.Channel,
): Client<Service> {
  const client = new grpc.Client(channel.getTarget(), grpc.credentials.createInsecure(), {
    channelOverride: channel,
  });
  const methods = service.methods.map((method) => {
    const make = method.methodKind === "unary" ? unary : serverStreaming;
    const call = make(client, `/${service.typeName}/${method.name}`, method.input, method.output);
    return [method.localName, call];
  });
  return Object.fromEntries(methods) as Client<Service>;
}

function unary(client: grpc.Client, path: string, input: DescMessage, output: DescMessage) {
  return (request: MessageInitShape<DescMessage>, options: CallOptions = {}) =>
    new Promise((resolve, reject) => {
      const { metadata, signal, ...others } = callArguments(options);
      const call = client.makeUnaryRequest(
        path,
        serializer(input),
        deserializer(output),
        create(input, request),
        metadata,
        others,
        (error, response) => {
          signal?.removeEventListener("abort", cancel);
          if (error) reject(error);
          else resolve(response);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel);
    });
}

function serverStreaming(client: grpc.Client, path: string, input: DescMessage, output: DescMessage) {
  return async function* (request: MessageInitShape<DescMessage>, options: CallOptions = {}) {
    const { metadata, signal, ...others } = callArguments(options);
    const call = client.makeServerStreamRequest(
      path,
      serializer(input),
      deserializer(output),
      create(input, request),
      metadata,
      others,
    );
    // An error after the loop has ended, such as CANCELLED, has no other listener.
    call.on("error", () => {});
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel);
    try {
      yield* call;
    } finally {
      signal?.removeEventListener("abort", cancel);
      cancel();
    }
  };
}

function callArguments({ metadata, signal, ...others }: CallOptions) {
  signal?.throwIfAborted();
  const sent = metadata?.clone() ?? new grpc.Metadata();
  // grpc-js reads waitForReady from here and ignores it in the service config.
  sent.setOptions({ waitForReady: true, ...sent.getOptions() });
  return { metadata: sent, signal, ...others };
}

const serializer = (type: DescMessage) => (message: MessageShape<DescMessage>) =>
  Buffer.from(toBinary(type, message));

const deserializer = (type: DescMessage) => (bytes: Buffer) => fromBinary(type, bytes);

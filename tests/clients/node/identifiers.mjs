// Parses raw ids with Microsoft's parser, and serializes each identifier again. Reads one JSON array
// of raw ids per line, and prints a JSON array for each.
import { createIdentifierFromRawId, getIdentifierRawId } from "@azure/communication-common";
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const parsed = JSON.parse(line).map((rawId) => {
    const identifier = createIdentifierFromRawId(rawId);
    return { identifier, rawId: getIdentifierRawId(identifier) };
  });
  console.log(JSON.stringify(parsed));
}

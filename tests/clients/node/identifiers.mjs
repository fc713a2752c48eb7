// Takes raw ids apart with Microsoft's own parser, and puts each together again without it being
// told the raw id. Usage: node identifiers.mjs < a JSON array of raw ids; prints a JSON array.
import { createIdentifierFromRawId, getIdentifierRawId } from "@azure/communication-common";
import { readFileSync } from "node:fs";

const rawIds = JSON.parse(readFileSync(0, "utf8"));
const parsed = rawIds.map((rawId) => {
  const identifier = createIdentifierFromRawId(rawId);
  return { identifier, rawId: getIdentifierRawId(identifier) };
});
console.log(JSON.stringify(parsed));

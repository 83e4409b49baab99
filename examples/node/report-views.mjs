// Hand events over to `gong-views serve` (Node 18 or later): node report-views.mjs < views.json
// URL: where it listens; KEY: one of its keys, if it has any.
import { text } from "node:stream/consumers";

const { URL = "http://localhost:8080", KEY } = process.env;

export async function reportViews(events) {
  const response = await fetch(`${URL}/v1/views`, {
    method: "POST",
    headers: { "Authorization": `Bearer ${KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify(events),
    signal: AbortSignal.timeout(5000),
  });
  if (response.status === 202 || response.status === 422) {
    return await response.json(); // what is not among the `rejected` is on the queue
  }
  const { detail } = await response.json().catch(() => ({}));
  if (response.status >= 500 || response.status === 408 || response.status === 429) {
    // Send the same events again later, also after a timeout: a repeat is harmless.
    throw new Error(`${detail ?? response.status}: try again in ${response.headers.get("retry-after") ?? 5} s`);
  }
  throw new Error(`refused: ${response.status} ${detail ?? ""}`);
}

const { accepted, rejected } = await reportViews(JSON.parse(await text(process.stdin)));
console.log(`${accepted.length} on the queue`);
for (const { index, errors } of rejected) console.error("event", index, errors);

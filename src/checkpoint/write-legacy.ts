import { LEGACY_MAGIC, PROTOCOL_VERSION } from "./legacy-form";
import type { OutputFile } from "./output-file";
import { writePickle } from "./pickle-writer";
import type { WritableValue } from "./writable";

/** What the stream says of the machine that wrote it; readers look at the byte order alone. */
const SYSTEM = new Map<string, WritableValue>([
  ["protocol_version", PROTOCOL_VERSION],
  ["little_endian", true],
  [
    "type_sizes",
    new Map([
      ["short", 2],
      ["int", 4],
      ["long", 4],
    ]),
  ],
]);

/** Writes the stream of PyTorch before 1.6, see readLegacyForm. */
export function writeLegacyForm(file: OutputFile, value: WritableValue): void {
  const { pickle, storages } = writePickle(value, true);
  for (const part of [LEGACY_MAGIC, PROTOCOL_VERSION, SYSTEM]) file.append(writePickle(part).pickle);
  file.append(pickle);
  file.append(writePickle(storages.map(({ key }) => key)).pickle);
  for (const { tensor } of storages) {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(tensor.length));
    file.append(count);
    file.append(tensor.bytes());
  }
}

import { HireSnnError } from "../errors";
import { crc32 } from "./crc32";
import type { OutputFile } from "./output-file";
import { writePickle } from "./pickle-writer";
import type { WritableValue } from "./writable";
import {
  CENTRAL_HEADER,
  CENTRAL_HEADER_SIZE,
  END,
  END_SIZE,
  LOCAL_HEADER,
  LOCAL_HEADER_SIZE,
} from "./zip-archive";

const FOLDER = "archive";
/** The newest that PyTorch 1.6 to 2.x all read. */
const VERSION = "3\n";
/** PyTorch maps values into memory: each entry's content begins at a multiple of this. */
const ALIGNMENT = 64;
/** Of the extra field that pads an entry's header; PyTorch uses the same one. */
const PADDING_ID = 0x4246;
const EXTRA_HEADER_SIZE = 4;
const ZIP_VERSION = 20;
/** 1 January 1980, the first day of zip: the same content gives the same file. */
const DATE = 0x21;
/** What fits in a zip archive without the ZIP64 extension. */
const LARGEST = 0xffff_ffff;
const MOST_ENTRIES = 0xffff;

/**
 * Writes the archive of PyTorch 1.6 and later, see readZipForm.
 *
 * @throws HireSnnError INVALID_ARGUMENT beyond 4 GiB or 65,535 entries
 */
export function writeZipForm(file: OutputFile, value: WritableValue): void {
  const { pickle, storages } = writePickle(value);
  const archive = new ZipWriter(file);
  archive.add(`${FOLDER}/data.pkl`, pickle);
  archive.add(`${FOLDER}/byteorder`, Buffer.from("little"));
  for (const { key, tensor } of storages) archive.add(`${FOLDER}/data/${key}`, tensor.bytes());
  archive.add(`${FOLDER}/version`, Buffer.from(VERSION));
  archive.finish();
}

class ZipWriter {
  private readonly directory: Buffer[] = [];

  constructor(private readonly file: OutputFile) {}

  add(name: string, content: Uint8Array): void {
    const start = this.file.position;
    const nameBytes = Buffer.from(name);
    const unpadded = start + LOCAL_HEADER_SIZE + nameBytes.length + EXTRA_HEADER_SIZE;
    const padding = Buffer.alloc(EXTRA_HEADER_SIZE + ((ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT));
    padding.writeUInt16LE(PADDING_ID, 0);
    padding.writeUInt16LE(padding.length - EXTRA_HEADER_SIZE, 2);
    this.require(unpadded + padding.length + content.length);

    // From the version to the length of the name, the two headers of an entry are alike.
    const common = Buffer.alloc(24);
    common.writeUInt16LE(ZIP_VERSION, 0);
    common.writeUInt16LE(DATE, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(nameBytes.length, 22);

    const local = Buffer.alloc(LOCAL_HEADER_SIZE);
    local.writeUInt32LE(LOCAL_HEADER, 0);
    common.copy(local, 4);
    local.writeUInt16LE(padding.length, 28);
    for (const part of [local, nameBytes, padding, content]) this.file.append(part);

    const central = Buffer.alloc(CENTRAL_HEADER_SIZE);
    central.writeUInt32LE(CENTRAL_HEADER, 0);
    central.writeUInt16LE(ZIP_VERSION, 4);
    common.copy(central, 6);
    central.writeUInt32LE(start, 42);
    this.directory.push(central, nameBytes);
  }

  finish(): void {
    const start = this.file.position;
    const directory = Buffer.concat(this.directory);
    this.require(start + directory.length);
    const count = this.directory.length / 2;
    const end = Buffer.alloc(END_SIZE);
    end.writeUInt32LE(END, 0);
    end.writeUInt16LE(count, 8);
    end.writeUInt16LE(count, 10);
    end.writeUInt32LE(directory.length, 12);
    end.writeUInt32LE(start, 16);
    this.file.append(directory);
    this.file.append(end);
  }

  private require(size: number): void {
    const entries = this.directory.length / 2;
    if (size <= LARGEST && entries < MOST_ENTRIES) return;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected at most 4 GiB and ${MOST_ENTRIES} tensors for the zip form, found more. Write the legacy form instead.`,
    );
  }
}

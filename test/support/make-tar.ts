import { gzipSync } from "node:zlib";

export interface TarEntry {
  readonly name: string;
  readonly content?: string | Uint8Array;
  /** "0" file, "1" hard link, "2" symbolic link, "3" device, "5" folder. @default "0" */
  readonly type?: string;
  readonly link?: string;
  /** What the header says, if it is to be another than the content's. */
  readonly size?: number;
}

const block = 512;

/** A tar archive written out by hand, so that a test can also write what no honest tool would. */
export function makeTar(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap(({ name, content = "", type = "0", link = "", size }) => {
    const bytes = Buffer.from(content);
    const header = Buffer.alloc(block);
    header.write(name, 0, 100);
    header.write("0000644\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write(`${(size ?? bytes.length).toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write("        ", 148);
    header.write(type, 156);
    header.write(link, 157, 100);
    header.write("ustar\x0000", 257, "latin1");
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, bytes, Buffer.alloc((block - (bytes.length % block)) % block)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

export function makeTarGz(entries: readonly TarEntry[]): Buffer {
  return gzipSync(makeTar(entries));
}

import { HireSnnError } from "../errors";
import { endReached, type ByteSource } from "./byte-source";

const SMALLEST_WINDOW = 1 << 14;
const LARGEST_WINDOW = 1 << 20;

/**
 * Reads a source from front to back through a window. The window starts small and doubles, so that a pickle of a few
 * kilobytes at the head of a large file costs one small read, and a long one few reads. Every read is checked against
 * the end before memory is taken.
 */
export class ByteReader {
  private window: Uint8Array = new Uint8Array(0);
  private view = new DataView(this.window.buffer);
  /** Offset in the source of the window's first byte. */
  private windowStart: number;
  private windowSize = SMALLEST_WINDOW;
  /** Next byte to read, relative to the window. */
  private next = 0;

  /**
   * @param start first byte to read
   * @param end the byte after the last that may be read; the source's size by default
   */
  constructor(
    readonly source: ByteSource,
    start = 0,
    readonly end = source.size,
  ) {
    if (!(start >= 0 && start <= end && end <= source.size)) {
      throw endReached(source.name, start, end - start, source.size);
    }
    this.windowStart = start;
  }

  /** Offset in the source of the next byte. */
  get position(): number {
    return this.windowStart + this.next;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  uint8(): number {
    if (this.next >= this.window.length) this.fill(1);
    return this.window[this.next++] as number;
  }

  uint16(): number {
    const at = this.advance(2);
    return this.view.getUint16(at, true);
  }

  int32(): number {
    const at = this.advance(4);
    return this.view.getInt32(at, true);
  }

  uint32(): number {
    const at = this.advance(4);
    return this.view.getUint32(at, true);
  }

  /** A 64-bit length or count. Those above 2^53 - 1 come back as Infinity: every bound refuses them. */
  uint64(): number {
    const at = this.advance(8);
    const value = this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
    return Number.isSafeInteger(value) ? value : Infinity;
  }

  float64BigEndian(): number {
    const at = this.advance(8);
    return this.view.getFloat64(at, false);
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    this.require(length);
    if (length <= LARGEST_WINDOW) {
      const at = this.advance(length);
      return this.window.slice(at, at + length);
    }
    // Long blocks go straight from the source to where they stay.
    const block = new Uint8Array(length);
    const position = this.position;
    this.source.readInto(block, position);
    this.seek(position + length);
    return block;
  }

  /** The next `length` bytes as text. Bytes that are not UTF-8 become U+FFFD. */
  text(length: number, encoding: "utf8" | "latin1"): string {
    this.require(length);
    if (length > LARGEST_WINDOW) return bufferOf(this.bytes(length)).toString(encoding);
    const at = this.advance(length);
    return bufferOf(this.window).toString(encoding, at, at + length);
  }

  /**
   * The bytes up to the next line feed, which is read too but not returned.
   *
   * @param longest more bytes than this without a line feed are an error
   */
  line(longest: number): Uint8Array {
    const start = this.position;
    for (let searched = 0; ;) {
      const found = this.window.indexOf(10, this.next + searched);
      if (found >= 0 && found - this.next <= longest) {
        const line = this.window.slice(this.next, found);
        this.next = found + 1;
        return line;
      }
      searched = this.window.length - this.next;
      if (searched > longest) {
        throw new HireSnnError(
          "CHECKPOINT_CORRUPT",
          `${this.source.name} is corrupt: expected a line of at most ${longest} bytes at byte ${start}, found a longer one.`,
        );
      }
      // Doubling keeps the search of a long line linear.
      this.fill(Math.max(searched + 1, Math.min(2 * searched, this.remaining)));
    }
  }

  seek(position: number): void {
    if (!(position >= 0 && position <= this.end)) {
      throw endReached(this.source.name, this.end, position - this.end, this.end);
    }
    const within = position - this.windowStart;
    if (within >= 0 && within <= this.window.length) {
      this.next = within;
    } else {
      this.setWindow(new Uint8Array(0), position);
    }
  }

  /**
   * It may replace window and view, so it has to run before they are looked at.
   *
   * @returns where in the window the `length` bytes stand that are now read
   */
  private advance(length: number): number {
    if (this.next + length > this.window.length) this.fill(length);
    const at = this.next;
    this.next += length;
    return at;
  }

  private require(length: number): void {
    if (!(length <= this.remaining)) throw endReached(this.source.name, this.position, length, this.end);
  }

  /** Moves the window so that it starts at the next byte and holds at least `length` bytes. */
  private fill(length: number): void {
    this.require(length);
    const position = this.position;
    const window = new Uint8Array(Math.min(Math.max(length, this.windowSize), this.remaining));
    this.source.readInto(window, position);
    this.setWindow(window, position);
    this.windowSize = Math.min(this.windowSize * 2, LARGEST_WINDOW);
  }

  private setWindow(window: Uint8Array, position: number): void {
    this.window = window;
    this.view = new DataView(window.buffer, window.byteOffset, window.byteLength);
    this.windowStart = position;
    this.next = 0;
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

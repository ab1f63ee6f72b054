/** What stands around the data of a gzip member, RFC 1952 section 2.3. */
const MAGIC = [0x1f, 0x8b, 8];
/** Magic, method, flags, time, extra flags, system. */
const FIXED = 10;
const FLAGS_AT = 3;
/** Check sum and length behind the data. */
export const GZIP_TRAILER = 8;

const Flag = { HEADER_CRC: 2, EXTRA: 4, NAME: 8, COMMENT: 16, RESERVED: 0xe0 } as const;

/** Reads the header of a member byte by byte, however its bytes are cut. */
export class GzipHeader {
  /** The bytes are none of a header. */
  wrong = false;
  /** The header is over: the next byte is data. */
  done = false;
  #at = 0;
  #flags = 0;
  #extra = -1;
  /** Bytes still to pass over. */
  #skip = 0;
  #low = -1;

  /** Takes one byte, unless the header is {@link done} or {@link wrong}. */
  take(byte: number): void {
    const at = this.#at++;
    if (at < FIXED) {
      if (at < MAGIC.length && byte !== MAGIC[at]) this.wrong = true;
      if (at === FLAGS_AT) {
        this.#flags = byte;
        if ((byte & Flag.RESERVED) !== 0) this.wrong = true;
      }
      if (at === FIXED - 1) this.#next();
      return;
    }
    if (this.#skip > 0) {
      if (--this.#skip === 0) this.#next();
    } else if (this.#extra === 0) this.#takeExtraLength(byte);
    else if (byte === 0) {
      // The end of a name or a comment.
      this.#flags &= (this.#flags & Flag.NAME) !== 0 ? ~Flag.NAME : ~Flag.COMMENT;
      this.#next();
    }
  }

  #takeExtraLength(byte: number): void {
    if (this.#low < 0) {
      this.#low = byte;
      return;
    }
    this.#extra = -1;
    this.#skip = this.#low + byte * 256;
    if (this.#skip === 0) this.#next();
  }

  /** Goes on with the next part that the flags announce. */
  #next(): void {
    if ((this.#flags & Flag.EXTRA) !== 0) {
      this.#flags &= ~Flag.EXTRA;
      this.#extra = 0;
    } else if ((this.#flags & (Flag.NAME | Flag.COMMENT)) === 0) {
      if ((this.#flags & Flag.HEADER_CRC) !== 0) {
        this.#flags &= ~Flag.HEADER_CRC;
        this.#skip = 2;
      } else this.done = true;
    }
  }
}

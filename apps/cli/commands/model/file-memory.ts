import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import type { DeviceMemory } from '../../../../devices/index.ts';
import { ConfigError } from '../../../../formats/index.ts';

/**
 * RAM in a file that a client maps (`mmap`, MAP_SHARED): each access is one `pread` or `pwrite`, which on Linux see and make what the
 * mapping holds at once. An access costs about a microsecond of the host; a request over the socket costs many times that.
 * Not atomic against the client: a descriptor that client and walker change at the same time may lose one of the changes.
 */
export class FileMemory implements DeviceMemory {
  low = 0;
  high = 0;
  readonly base: number;
  readonly size: number;
  readonly #file: number;
  readonly #bytes = new Uint8Array(8);
  readonly #view = new DataView(this.#bytes.buffer);

  /**
   * @param base physical address of the file's first byte
   * @param size bytes that the file gets if it is not there; null: it must be there
   * @throws ConfigError
   */
  constructor(path: string, base: number, size: number | null) {
    try {
      this.#file = openSync(path, size === null ? 'r+' : 'a+');
      if (size !== null) {
        closeSync(this.#file);
        this.#file = openSync(path, 'r+');
        if (fstatSync(this.#file).size < size) ftruncateSync(this.#file, size);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const missing = code === 'ENOENT' && size === null ? ', or --ram-size to make one' : '';
      throw new ConfigError('--ram', path, `a file that can be read and written (${code})${missing}`);
    }
    const status = fstatSync(this.#file);
    if (!status.isFile() || status.size < 4096 || status.size % 4096 !== 0) {
      throw new ConfigError('--ram', path, 'a regular file of whole 4 KiB pages');
    }
    this.base = base;
    this.size = status.size;
  }

  close(): void {
    closeSync(this.#file);
  }

  read(pa: number, bytes: number): boolean {
    if (!this.#load(pa, bytes)) return false;
    this.low = this.#view.getUint32(0, true);
    this.high = bytes === 8 ? this.#view.getUint32(4, true) : 0;
    return true;
  }

  replace(pa: number, bytes: number, low: number, high: number, newLow: number, newHigh: number): boolean {
    if (!this.read(pa, bytes) || this.low !== low >>> 0 || (bytes === 8 && this.high !== high >>> 0)) return false;
    return this.#store(pa, bytes, newLow, newHigh);
  }

  write32(pa: number, value: number): boolean {
    return this.#store(pa, 4, value, 0);
  }

  write64(pa: number, low: number, high: number): boolean {
    return this.#store(pa, 8, low, high);
  }

  #load(pa: number, bytes: number): boolean {
    const at = pa - this.base;
    // The client may have made the file shorter: that is a bus error too.
    return at >= 0 && at + bytes <= this.size && readSync(this.#file, this.#bytes, 0, bytes, at) === bytes;
  }

  #store(pa: number, bytes: number, low: number, high: number): boolean {
    const at = pa - this.base;
    if (at < 0 || at + bytes > this.size) return false;
    this.#view.setUint32(0, low, true);
    this.#view.setUint32(4, high, true);
    return writeSync(this.#file, this.#bytes, 0, bytes, at) === bytes;
  }
}

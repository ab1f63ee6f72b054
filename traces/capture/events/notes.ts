import { InputError } from '../../input-error.ts';
import { type NameTable, PointerTable } from './names.ts';
import { type CaptureStats, DAMAGE_KEPT } from './stats.ts';

/** What a reader writes down about one capture beside its events: names, counts, damage. */
export class CaptureNotes {
  /** The file as the user named it. */
  readonly file: string;
  readonly stats: CaptureStats;
  /** Device names by number; shared by all captures of a run. */
  readonly devices: NameTable;
  /** Domains that this capture names, in order of first sight. */
  readonly domains = new PointerTable();
  readonly #strict: boolean;
  readonly #unit: 'line' | 'record';

  /** @param unit what a damaged place is called */
  constructor(file: string, stats: CaptureStats, devices: NameTable, strict: boolean, unit: 'line' | 'record') {
    this.file = file;
    this.stats = stats;
    this.devices = devices;
    this.#strict = strict;
    this.#unit = unit;
  }

  /** The same notes for a capture of records instead of lines. */
  ofRecords(): CaptureNotes {
    return new CaptureNotes(this.file, this.stats, this.devices, this.#strict, 'record');
  }

  /**
   * Counts a line or record that cannot be used.
   * @param offset of its first byte in the (decompressed) capture
   * @param always keep the reason even when many are kept already
   * @throws InputError in strict mode
   */
  damaged(line: number, offset: number, reason: string, always = false): void {
    const { stats } = this;
    if (this.#strict) {
      throw new InputError(
        this.file,
        `${this.#unit} ${line}, byte ${offset}`,
        reason,
        'whole trace lines (without --strict they are counted)',
      );
    }
    stats.damaged++;
    if (always || stats.damage.length < DAMAGE_KEPT) stats.damage.push({ file: this.file, line, offset, reason });
  }
}

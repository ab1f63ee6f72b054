import { getField, type StageOneRegisters, type StageTwoRegisters, setField } from '../../../../formats/index.ts';
import type { PlantedBugsConfig } from '../../../planted-bugs/index.ts';
import { STREAM_TABLE_ENTRY, StreamConfig } from '../../spec/index.ts';
import type { Smmuv3Domain } from '../domains/index.ts';

/** Makes another ASID of one, in 8 bits as in 16. */
const OTHER_ASID = 0x80;
const PAGE = 0x1000;
/** T0SZ of a table that begins a level lower. */
const ONE_LEVEL_LESS = 9;

/** What the context descriptors of a domain are made from: its own ASID and table, unless a planted bug takes others. */
export class ContextSource {
  readonly #bugs: PlantedBugsConfig;
  /** The domain that context descriptors were made for first, and the one before the last. */
  #first: Smmuv3Domain | null = null;
  #last: Smmuv3Domain | null = null;
  #before: Smmuv3Domain | null = null;

  constructor(bugs: PlantedBugsConfig) {
    this.#bugs = bugs;
  }

  /** A context descriptor of a domain is about to be written. */
  begin(domain: Smmuv3Domain): void {
    this.#first ??= domain;
    if (this.#last === domain) return;
    this.#before = this.#last;
    this.#last = domain;
  }

  asidOf({ tag }: Smmuv3Domain): number {
    const { wrongAsid, sharedAsid } = this.#bugs;
    if (sharedAsid && this.#first !== null) return this.#first.tag;
    return wrongAsid ? tag ^ OTHER_ASID : tag;
  }

  tableOf({ table }: Smmuv3Domain): Smmuv3Domain['table'] {
    return this.#bugs.wrongTable && this.#before !== null ? this.#before.table : table;
  }

  /** What a stage 1 asks of its context descriptor. */
  stage1(registers: StageOneRegisters): StageOneRegisters {
    const { wrongRoot, wrongSize, wrongAttributes } = this.#bugs;
    const { ttbr, tcr, mairLow } = registers;
    return {
      ...registers,
      ttbr: wrongRoot ? ttbr + PAGE : ttbr,
      tcr: wrongSize ? { ...tcr, tsz: tcr.tsz + ONE_LEVEL_LESS } : tcr,
      // Byte 0 to byte 1, and so on round.
      mairLow: wrongAttributes ? ((mairLow << 8) | (mairLow >>> 24)) >>> 0 : mairLow,
    };
  }

  /** What a stage 2 asks of its stream table entry. */
  stage2(registers: StageTwoRegisters): StageTwoRegisters {
    const { wrongRoot, wrongSize } = this.#bugs;
    const { vttbr, vtcr } = registers;
    return {
      ...registers,
      vttbr: wrongRoot ? vttbr + PAGE : vttbr,
      vtcr: wrongSize ? { ...vtcr, tsz: vtcr.tsz + ONE_LEVEL_LESS } : vtcr,
    };
  }

  /** The entry of a stream, as it is written. */
  entry(target: Uint32Array): Uint32Array {
    if (!this.#bugs.bypass) return target;
    const spoiled = target.slice();
    const config = getField(spoiled, 0, STREAM_TABLE_ENTRY.Config);
    if (config !== StreamConfig.ABORT) setField(spoiled, 0, STREAM_TABLE_ENTRY.Config, StreamConfig.BYPASS);
    return spoiled;
  }
}

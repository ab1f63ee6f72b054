import type { PlantedBugsConfig } from '../../../planted-bugs/index.ts';
import type { Smmuv3Domain } from '../domains/index.ts';

/** Makes another ASID of one, in 8 bits as in 16. */
const OTHER_ASID = 0x80;

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
}

import type { Machine } from '../../../devices/index.ts';
import {
  addressText,
  Bus,
  BusView,
  FaultKind,
  FindingKind,
  LiveRanges,
  Outcome,
  Permission,
  type TranslationRegime,
  type TranslationRequest,
  Walker,
} from '../../../emulator/index.ts';
import { Prot } from '../../../formats/index.ts';
import type { Edit } from '../edit.ts';
import type { ReplayDomain } from '../replay-domain.ts';
import { ExpectedMemory } from './memory-types.ts';

/** Protections are kept in the bits of a distance that pages leave free. */
const PROT_VALUES = 64;

/** What the oracle knows of a domain. */
interface ExpectedDomain {
  /** What is mapped. Tag: (PA - IOVA) + protection, of which the first is a multiple of a page. */
  readonly mapped: LiveRanges;
  /** Address of its first-level table. */
  readonly root: number;
  /** The structures led elsewhere when they were last looked at, which has been said. */
  misled: boolean;
}

/**
 * What a driver cannot be asked, because it may be wrong itself: whether the device reaches what the capture maps, and nothing else.
 * Each served access is held against the capture's mapping, in address and permission, and against a functional walk of the tables
 * through registers, STE and CD as they are in memory. Needs one search and one walk per access, and one look at the structures per
 * operation. Time is not spent, and no cache is touched. Memory types and shareability are
 * those that the drivers give. Not told: rights beyond the mapping's other than to write.
 */
export class MappingOracle {
  readonly #machine: Machine;
  readonly #walker: Walker;
  readonly #memory: ExpectedMemory;
  readonly #domains: (ExpectedDomain | undefined)[] = [];
  #regime: TranslationRegime | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#memory = new ExpectedMemory(machine);
    // A port of its own: the MMU's is watched and counted.
    this.#walker = new Walker(new Bus(machine.memory, null).port('oracle', BusView.NON_COHERENT));
  }

  /** A map has succeeded. */
  mapped(one: ReplayDomain, { iova, size, pa, prot }: Edit): void {
    const { mapped } = this.#of(one);
    // A VM_BIND map may replace what was there.
    mapped.remove(iova, iova + size);
    mapped.insert(iova, iova + size, pa - iova + (prot % PROT_VALUES));
  }

  /** An unmap has returned. @param done bytes that it says it unmapped; -1 where it does not say */
  unmapped(one: ReplayDomain, { iova, size, line }: Edit, done: number): void {
    const held = this.#of(one).mapped.remove(iova, iova + size);
    // More is no fault: where a whole table goes, table code does not count the leaves in it.
    if (done < 0 || done >= held) return;
    this.#machine.sanitizer.found(FindingKind.REFUSED_OPERATION, iova, () => ({
      detail: `the unmap of [${addressText(iova)}, ${addressText(iova + size)}) took away ${done} of ${held} mapped bytes`,
      line,
      domain: one.number,
    }));
  }

  /**
   * A map or unmap is over: the tables must hold what is mapped at both of its ends, and just outside of them. Asks the table code, so
   * that it needs no device and no access.
   */
  edited(one: ReplayDomain, { iova, size }: Edit): void {
    const { smallest } = one.domain.cutter;
    this.#holds(one, iova);
    if (size > smallest) this.#holds(one, iova + size - smallest);
    if (iova >= smallest) this.#holds(one, iova - smallest);
    this.#holds(one, iova + size);
  }

  /** Whether the tables have of one page what is mapped. Page 0 of memory cannot be told from none. */
  #holds(one: ReplayDomain, iova: number): void {
    const tag = this.#of(one).mapped.tagAt(iova);
    const pa = tag === -1 ? 0 : iova + (tag - protOf(tag));
    const held = one.domain.table.iovaToPhys(iova);
    if (held === pa || iova >= 2 ** one.domain.table.config.ias) return;
    if (tag === -1) {
      const detail = `nothing is to be mapped there, but the tables lead to ${addressText(held)}`;
      this.#found(FindingKind.STRAY_MAPPING, one, iova, -1, () => detail);
    } else if (held === 0) {
      this.#found(FindingKind.LOST_MAPPING, one, iova, -1, () => 'it is mapped, but the tables hold nothing there');
    } else {
      const detail = `it is mapped to ${addressText(pa)}, but the tables lead to ${addressText(held)}`;
      this.#found(FindingKind.WRONG_TRANSLATION, one, iova, -1, () => detail);
    }
  }

  /** A map, or the job of an unmap, was refused. @param one null without a domain */
  refused(one: ReplayDomain | null, { iova, size, line, maps }: Edit, reason: string): void {
    // Over what is mapped a map has to be refused: the capture lost the unmap.
    if (maps && one !== null && this.#of(one).mapped.overlaps(iova, iova + size)) return;
    this.#machine.sanitizer.found(FindingKind.REFUSED_OPERATION, iova, () => ({
      detail: `the ${maps ? 'map' : 'unmap'} of [${addressText(iova)}, ${addressText(iova + size)}) was refused: ${reason}`,
      line,
    }));
  }

  /** The device is about to use a domain through a stream: where do registers and structures lead it? */
  begin(one: ReplayDomain, streamId: number): void {
    const { walks } = this.#machine;
    const regime = this.#machine.device.regimeOf(streamId);
    this.#regime = regime;
    const expected = this.#of(one);
    const elsewhere = regime === null ? '' : this.#elsewhere(one, expected, regime);
    if (elsewhere !== '' && !expected.misled) {
      this.#machine.sanitizer.found(FindingKind.WRONG_DOMAIN, this.#machine.sanitizer.iova, () => ({
        detail: `stream ${streamId} is of this domain, but its registers and structures lead to ${elsewhere}`,
        domain: one.number,
      }));
    }
    expected.misled = elsewhere !== '';
    // What is read in the tables that it is led to is no use of freed ones.
    if (expected.misled) walks.space = null;
  }

  /** An access is over. */
  check(one: ReplayDomain, request: TranslationRequest, translated: boolean): void {
    // What a stale translation served is named already, and an access that waits for a lock or a stopped address space was not judged.
    if (request.staleMark !== 0) return;
    if (request.outcome === Outcome.STALLED && request.fault === FaultKind.NONE) return;
    const { iova } = request;
    const { mapped } = this.#of(one);
    const tag = mapped.tagAt(iova);
    const isMapped = tag !== -1;
    if (!translated) {
      const prot = isMapped ? protOf(tag) : 0;
      // Accesses are unprivileged reads.
      if ((prot & Prot.READ) !== 0 && (prot & Prot.PRIV) === 0) this.#refusedAccess(one, request);
      return;
    }
    if (!isMapped) {
      // In lazy mode the TLBs may serve what waits for its flush.
      if (!one.queued.overlaps(iova, iova + 1)) this.#servedUnmapped(one, request);
      return;
    }
    const prot = protOf(tag);
    const pa = iova + (tag - prot);
    const found = this.#regime !== null && this.#walker.translate(this.#regime, iova);
    if (request.pa !== pa) this.#wrong(one, request, pa, found);
    else if (!found || this.#walker.outputAddress !== pa) this.#tablesDiffer(one, request, found);
    else {
      this.#permissions(one, request, prot);
      this.#memoryType(one, iova, prot);
    }
  }

  #elsewhere({ domain, space }: ReplayDomain, { root }: ExpectedDomain, regime: TranslationRegime): string {
    const stage = space.stage === 1 ? regime.stage1 : regime.stage2;
    const table = domain.upper ? stage?.root1 : stage?.root0;
    if (table === undefined || table === null) return `no table of stage ${space.stage}`;
    if (table.base !== root) return `the table at ${addressText(table.base)} instead of ${addressText(root)}`;
    const { startLevel, granuleShift } = domain.table.geometry;
    if (table.startLevel !== startLevel || table.granuleShift !== granuleShift) {
      const shape = (level: number, shift: number): string => `${2 ** (shift - 10)} KiB tables from level ${level}`;
      return `${shape(table.startLevel, table.granuleShift)} on, instead of ${shape(startLevel, granuleShift)} on`;
    }
    if (space.stage === 1 && regime.asid !== space.asid) return `ASID ${regime.asid} instead of ${space.asid}`;
    if (space.stage === 2 && regime.vmid !== space.vmid) return `VMID ${regime.vmid} instead of ${space.vmid}`;
    return '';
  }

  #refusedAccess(one: ReplayDomain, { iova, fault, faultLevel, faultStage }: TranslationRequest): void {
    const isPermission = fault === FaultKind.PERMISSION;
    const kind = isPermission ? FindingKind.LOST_PERMISSION : FindingKind.LOST_MAPPING;
    const what = isPermission ? 'may be read' : 'is mapped';
    this.#found(kind, one, iova, faultLevel, () =>
      faultStage === 0
        ? `it ${what}, but the device refused an access before any table`
        : `it ${what}, but an access ended in a ${FAULT_NAMES[fault] ?? `fault ${fault}`} at level ${faultLevel}`,
    );
  }

  #servedUnmapped(one: ReplayDomain, { iova, pa }: TranslationRequest): void {
    const found = this.#regime !== null && this.#walker.translate(this.#regime, iova);
    const by = found ? 'the tables still lead there' : 'a TLB still leads there, the tables do not';
    this.#found(
      FindingKind.UNMAPPED_ACCESS,
      one,
      iova,
      found ? this.#level : -1,
      () => `nothing is mapped there, but an access was served with ${addressText(pa)}: ${by}`,
    );
  }

  #wrong(one: ReplayDomain, { iova, pa: served }: TranslationRequest, pa: number, found: boolean): void {
    const tables = found ? `lead to ${addressText(this.#walker.outputAddress)}` : 'refuse it';
    this.#found(
      FindingKind.WRONG_TRANSLATION,
      one,
      iova,
      found ? this.#level : -1,
      () =>
        `it is mapped to ${addressText(pa)}, but an access was served with ${addressText(served)}; the tables ${tables}`,
    );
  }

  #tablesDiffer(one: ReplayDomain, { iova, pa }: TranslationRequest, found: boolean): void {
    const now = found ? `lead to ${addressText(this.#walker.outputAddress)}` : 'do not map it';
    this.#found(
      FindingKind.WRONG_TRANSLATION,
      one,
      iova,
      found ? this.#level : -1,
      () => `a TLB served ${addressText(pa)}, as it is mapped, but the tables now ${now}`,
    );
  }

  /** Rights of the served access and of the tables, against those of the mapping. */
  #permissions(one: ReplayDomain, request: TranslationRequest, prot: number): void {
    const walked = this.#walker.permissions;
    const both = request.permissions & walked;
    const privileged = (prot & Prot.PRIV) !== 0;
    const read = privileged ? Permission.PRIVILEGED_READ : Permission.READ;
    const write = privileged ? Permission.PRIVILEGED_WRITE : Permission.WRITE;
    let lost = '';
    if ((prot & Prot.READ) !== 0 && (both & read) === 0) lost = 'read';
    else if ((prot & Prot.WRITE) !== 0 && (both & write) === 0) lost = 'written';
    const { iova } = request;
    if (lost !== '') {
      this.#found(
        FindingKind.LOST_PERMISSION,
        one,
        iova,
        this.#level,
        () => `the mapping may be ${lost}, but what the device has does not permit it`,
      );
    } else if (this.#deniesWrites && (prot & Prot.WRITE) === 0 && ((request.permissions | walked) & write) !== 0) {
      this.#found(
        FindingKind.EXTRA_PERMISSION,
        one,
        iova,
        this.#level,
        () => 'the mapping must not be written, but what the device has permits it',
      );
    }
  }

  /** Memory type and shareability in the tables, against those of such a mapping. */
  #memoryType(one: ReplayDomain, iova: number, prot: number): void {
    const difference = this.#memory.difference(this.#walker.attributes, prot);
    if (difference === '') return;
    const detail = `the tables give it ${difference}`;
    this.#found(FindingKind.WRONG_MEMORY_TYPE, one, iova, this.#level, () => detail);
  }

  /** MediaTek's addresses take the place of permissions. */
  get #deniesWrites(): boolean {
    return this.#regime?.stage1?.mediatekAddresses !== true;
  }

  /** Level of the leaf that the walk ended at. */
  get #level(): number {
    const { stage1, stage2 } = this.#walker;
    return this.#regime?.stage1 === null ? stage2.level : stage1.level;
  }

  #found(kind: FindingKind, one: ReplayDomain, iova: number, level: number, detail: () => string): void {
    this.#machine.sanitizer.found(kind, iova, () => ({
      detail: detail(),
      ...(level < 0 ? {} : { level }),
      domain: one.number,
    }));
  }

  #of(one: ReplayDomain): ExpectedDomain {
    const known = this.#domains[one.number];
    if (known !== undefined) return known;
    const { table } = one.domain;
    let root = -1;
    table.visitTables((pa, level) => {
      if (level === table.geometry.startLevel) root = pa;
    });
    const made: ExpectedDomain = { mapped: new LiveRanges(), root, misled: false };
    this.#domains[one.number] = made;
    return made;
  }
}

const FAULT_NAMES: readonly string[] = [
  'refusal of the stream',
  'translation fault',
  'address size fault',
  'access flag fault',
  'permission fault',
  'external abort',
  'TLB conflict',
];

function protOf(tag: number): number {
  return ((tag % PROT_VALUES) + PROT_VALUES) % PROT_VALUES;
}

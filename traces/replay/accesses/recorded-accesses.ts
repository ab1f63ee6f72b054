import { AccessFlag, LiveRanges, Permission, type TranslationRequest } from '../../../emulator/index.ts';
import { Prot } from '../../../formats/index.ts';
import { type ClockOffset, EventKind, LIFE_TOLERANCE, type TraceEvent, UNKNOWN } from '../../capture/index.ts';
import type { Edit } from '../edit.ts';
import type { ReplayDomain, ReplayDomains } from '../replay-domain.ts';

/** How the accesses of an IOMMU's own log went on our machine. Plain JSON. */
export interface RecordedReport {
  /** How the two clocks were joined. */
  readonly clock: ClockOffset;
  /** Translations in the log; of these, such as came to the address that the log has. */
  readonly accesses: number;
  readonly right: number;
  /** Came to another address; were refused; have rights other than in the log (only where the capture tells the protection). */
  readonly otherAddress: number;
  readonly refused: number;
  readonly otherRights: number;
  /** Not made: of a stream that no domain has, and after the capture's last event. */
  readonly unknownStream: number;
  readonly after: number;
  /** Made at another moment than the log has, at most 2 ms away: the two clocks are read by different programs. */
  readonly moved: number;
  /** Faults in the log; of these, such as fault here too. */
  readonly faults: number;
  readonly faultsAgreed: number;
  /** Streams whose domain nothing but these accesses tells. */
  readonly streamsInferred: number;
  /** The first that did not come out as in the log: line of the log, what it has and what came, -1 for a refusal. */
  readonly wrong: readonly {
    readonly line: number;
    readonly stream: number;
    readonly iova: number;
    readonly pa: number;
    readonly got: number;
  }[];
}

const WRONG_KEPT = 20;

/** Fields of one access that waits. */
const Field = { TIME: 0, LINE: 1, STREAM: 2, IOVA: 3, PA: 4, PROT: 5, KIND: 6 } as const;
const FIELDS = 7;
const DONE = -2;

/** Protections are kept in the bits of a distance that pages leave free. */
const PROT_VALUES = 64;
/** The capture did not tell the protection. */
const UNTOLD = 32;

/** The log does not tell privileged rights from others. */
const READ = Permission.READ | Permission.PRIVILEGED_READ;
const WRITE = Permission.WRITE | Permission.PRIVILEGED_WRITE;

/** Makes one access of a domain through a stream. @returns null when it was refused */
export type MakeAccess = (one: ReplayDomain, stream: number, iova: number, flags: number) => TranslationRequest | null;

/**
 * The accesses of a log, made on our machine at their time, each held against what the log says. The log's clock is known to a fraction of a
 * millisecond only, so that an access may seem to come before its map or after its unmap. Therefore accesses arrive here early: one whose mapping
 * is about to go is made before, and one that fits nothing waits for its mapping, both for {@link LIFE_TOLERANCE} at most.
 */
export class RecordedAccesses {
  /** What each domain has mapped, by its number. Tag: (PA - IOVA) + protection. */
  readonly #mapped: LiveRanges[] = [];
  readonly #domains: ReplayDomains;
  readonly #make: MakeAccess;
  readonly #clock: ClockOffset;
  /** Accesses that wait, in the order of their times: a ring of {@link FIELDS}. */
  #ring = new Float64Array(FIELDS * 1024);
  #head = 0;
  #length = 0;
  /** A mapping came since the overdue ones were looked at. */
  #changed = true;
  /** All before this one were looked at when they were due. */
  #due = 0;
  #now = Number.NEGATIVE_INFINITY;
  readonly #counts = {
    accesses: 0,
    right: 0,
    otherAddress: 0,
    refused: 0,
    otherRights: 0,
    unknownStream: 0,
    after: 0,
    moved: 0,
    faults: 0,
    faultsAgreed: 0,
    streamsInferred: 0,
  };
  readonly #wrong: { line: number; stream: number; iova: number; pa: number; got: number }[] = [];

  constructor(domains: ReplayDomains, make: MakeAccess, clock: ClockOffset) {
    this.#domains = domains;
    this.#make = make;
    this.#clock = clock;
  }

  /** An access or a fault of the log comes in, some time before it is due. */
  take({ time, line, stream, iova, pa, prot, kind }: TraceEvent): void {
    if (kind === EventKind.ACCESS) this.#counts.accesses++;
    else this.#counts.faults++;
    if ((this.#length + 1) * FIELDS > this.#ring.length) this.#grow();
    const at = this.#at(this.#length++);
    const ring = this.#ring;
    ring[at + Field.TIME] = time;
    ring[at + Field.LINE] = line;
    ring[at + Field.STREAM] = stream;
    ring[at + Field.IOVA] = iova;
    ring[at + Field.PA] = pa;
    ring[at + Field.PROT] = prot;
    ring[at + Field.KIND] = kind;
  }

  /** Makes what is due until then. @param advance lets the machine's time pass */
  passTime(seconds: number, advance: (seconds: number) => void): void {
    this.#now = seconds;
    if (this.#changed) this.#lookAgain();
    while (this.#due < this.#length) {
      const at = this.#at(this.#due);
      const time = this.#ring[at + Field.TIME] as number;
      if (time > seconds) break;
      this.#due++;
      if (this.#ring[at + Field.KIND] === DONE) continue;
      advance(time);
      if (this.#fits(at)) this.#perform(at);
    }
    this.#dropDone(seconds);
  }

  mapped(one: ReplayDomain, { iova, size, pa, prot, protTold }: Edit): void {
    const mapped = this.#of(one);
    mapped.remove(iova, iova + size);
    mapped.insert(iova, iova + size, pa - iova + (protTold ? prot % UNTOLD : UNTOLD));
    this.#changed = true;
  }

  /** The mappings of a range are about to go: who seems to use them a little later is served now. */
  beforeUnmap(one: ReplayDomain, iova: number, size: number): void {
    for (let index = this.#due; index < this.#length; index++) {
      const at = this.#at(index);
      const ring = this.#ring;
      if ((ring[at + Field.TIME] as number) > this.#now + LIFE_TOLERANCE) break;
      const address = ring[at + Field.IOVA] as number;
      if (address < iova || address >= iova + size || ring[at + Field.KIND] !== EventKind.ACCESS) continue;
      if (this.#domainOf(at) !== one || !this.#fits(at)) continue;
      this.#counts.moved++;
      this.#perform(at);
    }
  }

  unmapped(one: ReplayDomain, iova: number, size: number): void {
    this.#of(one).remove(iova, iova + size);
    this.#changed = true;
  }

  /** The capture is over. */
  end(last: number): void {
    for (let index = 0; index < this.#length; index++) {
      const at = this.#at(index);
      if (this.#ring[at + Field.KIND] === DONE) continue;
      if ((this.#ring[at + Field.TIME] as number) > last) this.#counts.after++;
      else this.#perform(at);
    }
    this.#length = 0;
    this.#due = 0;
  }

  report(): RecordedReport {
    return { clock: this.#clock, ...this.#counts, wrong: this.#wrong };
  }

  /** Those that waited for another mapping, once one has come. */
  #lookAgain(): void {
    this.#changed = false;
    for (let index = 0; index < this.#due; index++) {
      const at = this.#at(index);
      if (this.#ring[at + Field.KIND] === DONE || !this.#fits(at)) continue;
      this.#counts.moved++;
      this.#perform(at);
    }
  }

  /** Lets go of what is done, and makes what has waited too long as it is. */
  #dropDone(seconds: number): void {
    while (this.#due > 0) {
      const at = this.#at(0);
      if (this.#ring[at + Field.KIND] !== DONE) {
        if ((this.#ring[at + Field.TIME] as number) + LIFE_TOLERANCE > seconds) return;
        this.#perform(at);
      }
      this.#head = (this.#head + 1) % (this.#ring.length / FIELDS);
      this.#length--;
      this.#due--;
    }
  }

  /** Whether what is mapped now is what the log saw. */
  #fits(at: number): boolean {
    const one = this.#domainOf(at);
    if (one === null) return false;
    const ring = this.#ring;
    const iova = ring[at + Field.IOVA] as number;
    const tag = this.#of(one).tagAt(iova);
    if (ring[at + Field.KIND] === EventKind.FAULT) return tag === -1 || !mayWrite(tag);
    if (tag === -1 || tag - protOf(tag) !== (ring[at + Field.PA] as number) - iova) return false;
    // The same page may be mapped again and again, now to be read and now to be written.
    const logged = ring[at + Field.PROT] as number;
    return logged === UNKNOWN || ((logged & Prot.WRITE) !== 0) === mayWrite(tag) || protOf(tag) >= UNTOLD;
  }

  /** The domain of an access: its stream's; of a stream that none has, the only one that maps just that. */
  #domainOf(at: number): ReplayDomain | null {
    const ring = this.#ring;
    const stream = ring[at + Field.STREAM] as number;
    const { all } = this.#domains;
    for (const one of all) if (one?.streams.includes(stream)) return one;
    if (ring[at + Field.KIND] !== EventKind.ACCESS) return null;
    const iova = ring[at + Field.IOVA] as number;
    const distance = (ring[at + Field.PA] as number) - iova;
    let found: ReplayDomain | null = null;
    for (const one of all) {
      const tag = one === undefined ? -1 : this.#of(one).tagAt(iova);
      if (one === undefined || tag === -1 || tag - protOf(tag) !== distance) continue;
      if (found !== null) return null;
      found = one;
    }
    if (found === null || !this.#domains.use(found, stream)) return null;
    this.#counts.streamsInferred++;
    return found;
  }

  #perform(at: number): void {
    const ring = this.#ring;
    const counts = this.#counts;
    const one = this.#domainOf(at);
    const isFault = ring[at + Field.KIND] === EventKind.FAULT;
    ring[at + Field.KIND] = DONE;
    if (one === null) {
      if (!isFault) counts.unknownStream++;
      return;
    }
    const stream = ring[at + Field.STREAM] as number;
    const iova = ring[at + Field.IOVA] as number;
    const tag = this.#of(one).tagAt(iova);
    // What faults on a mapping that may be read was a write.
    const request = this.#make(one, stream, iova, isFault && tag !== -1 ? AccessFlag.WRITE : AccessFlag.READ);
    if (isFault) {
      if (request === null) counts.faultsAgreed++;
      return;
    }
    const pa = ring[at + Field.PA] as number;
    if (request === null) counts.refused++;
    else if (request.pa !== pa) counts.otherAddress++;
    else if (!sameRights(request, ring[at + Field.PROT] as number, tag)) counts.otherRights++;
    else {
      counts.right++;
      return;
    }
    if (this.#wrong.length < WRONG_KEPT) {
      this.#wrong.push({ line: ring[at + Field.LINE] as number, stream, iova, pa, got: request?.pa ?? -1 });
    }
  }

  #of(one: ReplayDomain): LiveRanges {
    let mapped = this.#mapped[one.number];
    if (mapped === undefined) {
      mapped = new LiveRanges();
      this.#mapped[one.number] = mapped;
    }
    return mapped;
  }

  /** Place in the ring of the access `index` from the first that waits. */
  #at(index: number): number {
    const places = this.#ring.length / FIELDS;
    return FIELDS * ((this.#head + index) % places);
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#ring.length);
    for (let index = 0; index < this.#length; index++) {
      const at = this.#at(index);
      larger.set(this.#ring.subarray(at, at + FIELDS), index * FIELDS);
    }
    this.#ring = larger;
    this.#head = 0;
  }
}

function protOf(tag: number): number {
  return ((tag % PROT_VALUES) + PROT_VALUES) % PROT_VALUES;
}

function mayWrite(tag: number): boolean {
  const prot = protOf(tag);
  return prot >= UNTOLD || (prot & Prot.WRITE) !== 0;
}

/** Whether a translation grants what the log says, where the capture tells what was asked for. */
function sameRights(request: TranslationRequest, logged: number, tag: number): boolean {
  if (logged === UNKNOWN || tag === -1 || protOf(tag) >= UNTOLD) return true;
  const granted = request.permissions;
  return (
    ((granted & READ) !== 0) === ((logged & Prot.READ) !== 0) &&
    ((granted & WRITE) !== 0) === ((logged & Prot.WRITE) !== 0)
  );
}

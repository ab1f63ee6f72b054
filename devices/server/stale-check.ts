import {
  AccessFlag,
  HitFlag,
  neededPermissions,
  type TranslationRequest,
  Walker,
  type WalkMemory,
} from '../../emulator/index.ts';
import { hexText } from '../../formats/index.ts';
import type { IommuDevice } from '../iommu.ts';

/** One thing that the check found. */
export interface StaleFinding {
  readonly kind: 'stale-tlb-hit';
  /** Cycle of the access. */
  readonly cycle: number;
  readonly streamId: number;
  readonly iova: number;
  readonly detail: string;
}

/** Findings that are kept; those behind them are counted. */
const KEPT = 1000;

/**
 * The sanitizer of a device whose software is not ours: the client edits tables in shared memory, unseen. So each access that a TLB
 * served is translated once more, straight from the tables as they are now; where the two differ, an invalidation is missing or late.
 * What it costs is the time of the host, none of the device's. Streams with substreams are not looked at.
 */
export class StaleCheck {
  readonly findings: StaleFinding[] = [];
  /** Findings in all. */
  count = 0;
  readonly #device: IommuDevice;
  readonly #walker: Walker;

  constructor(device: IommuDevice, memory: WalkMemory) {
    this.#device = device;
    this.#walker = new Walker(memory);
  }

  /** The access was translated. */
  check(request: TranslationRequest): void {
    const { hit, streamId, iova, pa, flags } = request;
    if (hit === 0 || (hit & HitFlag.WALKED) !== 0 || request.substreamId >= 0) return;
    const regime = this.#device.regimeOf(streamId);
    if (regime === null) {
      if (pa !== iova) this.#found(request, `a TLB gave ${hexText(pa)}, but the stream has no tables any more`);
      return;
    }
    const walker = this.#walker;
    const found = walker.translate(regime, iova, (flags & AccessFlag.UPPER) !== 0, neededPermissions(flags));
    if (found && walker.outputAddress === pa) return;
    const now = found
      ? `lead to ${hexText(walker.outputAddress)}`
      : `give a fault of kind ${walker.fault} at level ${walker.faultLevel}`;
    this.#found(request, `a TLB gave ${hexText(pa)}, the tables ${now}`);
  }

  #found({ start, streamId, iova }: TranslationRequest, detail: string): void {
    this.count++;
    if (this.findings.length >= KEPT) return;
    this.findings.push({ kind: 'stale-tlb-hit', cycle: Math.ceil(start), streamId, iova, detail });
  }
}

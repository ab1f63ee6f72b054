import { IovaStep, type Machine } from '../../devices/index.ts';
import { Cause } from '../../emulator/index.ts';
import type { IovaCosts } from '../config/index.ts';
import type { Edit } from './edit.ts';
import type { ReplayDomain } from './replay-domain.ts';

/** What the DMA API spends on the addresses of buffers: booked under `Cause.IOVA` of the operation under way. */
export class DmaAddresses {
  readonly #machine: Machine;
  readonly #prices: IovaCosts;

  constructor(machine: Machine, prices: IovaCosts) {
    this.#machine = machine;
    this.#prices = prices;
  }

  /** A map asks for an address, unless it is a further piece of a scattered buffer, which has one address for all its pieces. */
  allocate({ stock, pieces }: ReplayDomain, { iova, size, runEnd, cpu }: Edit): void {
    if (stock === null) return;
    const end = iova + size;
    const bufferEnd = pieces.get(iova);
    pieces.delete(iova);
    const last = Math.max(bufferEnd ?? runEnd, end);
    if (last > end) pieces.set(end, last);
    if (bufferEnd !== undefined) return;
    const { magazine, depot, treeAllocate } = this.#prices;
    const step = stock.allocate(last - iova, cpu);
    this.#spend(step === IovaStep.MAGAZINE ? magazine : step === IovaStep.DEPOT ? depot : treeAllocate);
  }

  /** The address of a buffer goes back. */
  free({ stock }: Pick<ReplayDomain, 'stock'>, size: number, cpu: number): void {
    if (stock === null) return;
    const { magazine, depot, treeFree } = this.#prices;
    const step = stock.free(size, cpu);
    this.#spend(step === IovaStep.MAGAZINE ? magazine : step === IovaStep.DEPOT ? depot : treeFree);
  }

  /** A range goes into the flush queue. */
  queue({ stock }: ReplayDomain): void {
    if (stock !== null) this.#spend(this.#prices.queue);
  }

  #spend(cycles: number): void {
    this.#machine.costs.add(Cause.IOVA, cycles);
    this.#machine.clock.cycles += cycles;
  }
}

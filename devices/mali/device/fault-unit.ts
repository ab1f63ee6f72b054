/** Faults: recorded once in the registers of their address space, which then stops until software lets it go on. */
import { Outcome, type TranslationRequest } from '../../../emulator/index.ts';
import { faultStatus, MmuException, MmuInterrupt } from '../spec/index.ts';
import type { AddressSpace } from './address-space/index.ts';
import type { MaliConfig } from './config.ts';
import { accessOf, exceptionOf } from './fault-codes.ts';
import type { InterruptLine } from './interrupt-line.ts';

export class FaultUnit {
  /** Flights of an engine that faults have parked. */
  readonly #parked: TranslationRequest[] = [];
  readonly #family: MaliConfig['family'];
  readonly #interrupt: InterruptLine;

  constructor(family: MaliConfig['family'], interrupt: InterruptLine) {
    this.#family = family;
    this.#interrupt = interrupt;
  }

  /**
   * Looks at what the MMU made of a request.
   * @returns false when it is refused
   */
  settle(space: AddressSpace, request: TranslationRequest, inFlight: boolean): boolean {
    const { translation } = space;
    if (translation === null || request.contextFault !== 0) {
      // Unmapped: the access is aborted, since nothing that software does would let it go on.
      this.#record(space, request, MmuException.TRANSLATION);
      return request.refuse(Outcome.ABORTED);
    }
    if (request.outcome !== Outcome.OK) {
      return this.stop(space, request, exceptionOf(request, this.#family), inFlight);
    }
    if (request.pa >= translation.outputLimit) {
      const identity = translation.regime?.stage1 === null;
      const code = identity ? MmuException.TRANSLATION_IDENTITY : MmuException.OUTPUT_SIZE;
      return this.stop(space, request, code, inFlight);
    }
    if (translation.faultingBytes.includes(request.memoryAttribute)) {
      return this.stop(space, request, MmuException.MEMORY_TYPE, inFlight);
    }
    return true;
  }

  /** Records a fault and stops the address space. @returns false, what `translate` then returns */
  stop(space: AddressSpace, request: TranslationRequest, exception: number, inFlight: boolean): false {
    this.#record(space, request, exception);
    space.stopped = true;
    if (inFlight) this.#parked.push(request);
    return request.refuse(Outcome.STALLED);
  }

  /** A fault that no access of the model made. */
  inject(space: AddressSpace, status: number, address: number, busError: boolean): void {
    space.faultStatus = status;
    space.faultAddress = address;
    space.stopped = true;
    this.#raise(space, busError);
  }

  /** Takes out the flights that an address space, or with null any, had parked. */
  release(space: AddressSpace | null): TranslationRequest[] {
    const released: TranslationRequest[] = [];
    for (let at = this.#parked.length - 1; at >= 0; at--) {
      const flight = this.#parked[at] as TranslationRequest;
      if (space === null || flight.streamId === space.number) released.push(...this.#parked.splice(at, 1));
    }
    return released.reverse();
  }

  #record(space: AddressSpace, request: TranslationRequest, exception: number): void {
    if (((this.#interrupt.raw >>> space.number) & 1) !== 0) {
      // The registers still hold a fault that software has not cleared.
      space.faultsUnrecorded++;
      return;
    }
    space.faults++;
    // Which unit of the GPU it was: the number of the core, since the products' own encodings are not public.
    space.faultStatus = faultStatus(exception, accessOf(request.flags), request.master);
    space.faultAddress = request.iova;
    const busError = exception >= MmuException.TABLE_BUS && exception < MmuException.ACCESS_FLAG;
    this.#raise(space, busError && this.#family === 'job-manager');
  }

  #raise(space: AddressSpace, busError: boolean): void {
    const shift = busError ? MmuInterrupt.COMMAND_SHIFT : MmuInterrupt.PAGE_FAULT_SHIFT;
    this.#interrupt.raise(2 ** (space.number + shift));
  }
}

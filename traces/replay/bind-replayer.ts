import {
  type IommuDomain,
  JobClock,
  type Log,
  Machine,
  SILENT,
  VmBind,
  type VmBindConfigInput,
} from '../../devices/index.ts';
import { Prot } from '../../formats/index.ts';
import { EventKind, type TraceEvent, UNKNOWN } from '../capture/event.ts';
import type { RunConfig } from '../config/run-config.ts';
import { DomainTracker, NO_DOMAIN } from '../domains/tracker.ts';
import { NO_DOMAIN_MEMORY, Refusals, requestText } from './refusal.ts';

/** What a plain `map` line does not tell: a coherent device's buffer, as dma-iommu maps it. */
const DEFAULT_PROT = Prot.READ | Prot.WRITE | Prot.CACHE;

/** One domain of the capture, with its queue of jobs. */
export interface BoundDomain {
  readonly domain: IommuDomain;
  readonly vm: VmBind;
}

/**
 * Carries the events of a capture out as a GPU driver would: each map and unmap becomes a VM_BIND job of its domain, prepared when
 * the capture says, run some time later, in order. The device makes no accesses.
 */
export class BindReplayer {
  readonly machine: Machine;
  readonly clock = new JobClock();
  readonly tracker = new DomainTracker();
  /** Domains by the tracker's number. */
  readonly domains: (BoundDomain | undefined)[] = [];
  /** Jobs that were refused, failed or cancelled. */
  readonly refusals = new Refusals();
  events = 0;
  maps = 0;
  unmaps = 0;

  readonly #bind: VmBindConfigInput;
  /** Cycles per second of the trace's clock. */
  readonly #rate: number;
  /** Operation of each job that is not over, to the line of the capture that asked for it. */
  readonly #lines = new Map<number, number>();
  #operation = 0;
  #start = Number.NaN;

  /** @throws ConfigError for a machine that cannot work */
  constructor(config: RunConfig, log: Log = SILENT) {
    const { mode: _, ...bind } = config.bind;
    const { writeDescriptor, clearDescriptor } = config.editCosts;
    this.#bind = { ...bind, mapCyclesPerDescriptor: writeDescriptor, unmapCyclesPerDescriptor: clearDescriptor };
    this.#rate = config.clockMHz * 1e6;
    this.machine = new Machine(config, log);
    // Jobs edit tables only: the hardware that would drop their leaves is not part of this.
    this.machine.watch.invalidation.watchesLeaves = false;
  }

  take(event: TraceEvent): void {
    const { kind, iova, size } = event;
    if (kind !== EventKind.LOST) this.events++;
    if (Number.isNaN(this.#start)) this.#start = event.time;
    this.clock.runUntil((event.time - this.#start) * this.#rate);
    if (kind === EventKind.MAP) this.maps++;
    else if (kind === EventKind.UNMAP) this.unmaps++;
    const at = this.tracker.take(event);
    if ((kind !== EventKind.MAP && kind !== EventKind.UNMAP) || at === NO_DOMAIN) return;
    const operation = ++this.#operation;
    this.machine.sanitizer.operation = operation;
    this.machine.sanitizer.domain = at;
    const vm = this.#domainAt(at)?.vm;
    if (vm === undefined) {
      this.refusals.add(
        event.line,
        () => requestText(event),
        () => NO_DOMAIN_MEMORY,
      );
      return;
    }
    this.#lines.set(operation, event.line);
    if (kind === EventKind.UNMAP) vm.submit('q0', { kind: 'unmap', iova, size, operation });
    else {
      const prot = event.prot === UNKNOWN ? DEFAULT_PROT : event.prot;
      vm.submit('q0', { kind: 'map', iova, size, pa: event.pa, prot, operation });
    }
  }

  /** The capture is over: what is still queued runs. Tables stay as they are. */
  end(): void {
    for (const one of this.domains) one?.vm.finish();
  }

  /** Takes every table down, so that what was lost on the way shows. */
  tearDown(): void {
    for (const one of this.domains) if (one !== undefined) this.machine.freeDomain(one.domain);
    this.machine.tables.close();
  }

  #domainAt(at: number): BoundDomain | null {
    const known = this.domains[at];
    if (known !== undefined) return known;
    const { machine, clock, refusals } = this;
    const { sanitizer } = machine;
    const domain = machine.createDomain();
    if (domain === null) return null;
    const vm = new VmBind(
      `domain-${at}`,
      {
        table: domain.table,
        allocator: machine.tables,
        cookie: domain,
        clock,
        onWork: ({ operation }) => {
          sanitizer.operation = operation;
          sanitizer.domain = at;
        },
        onJob: ({ operation, kind, iova, size, reason }) => {
          const line = this.#lines.get(operation) ?? 0;
          this.#lines.delete(operation);
          if (reason === null) return;
          const event = { kind: kind === 'map' ? EventKind.MAP : EventKind.UNMAP, iova, size };
          refusals.add(
            line,
            () => requestText(event),
            () => reason,
          );
        },
      },
      this.#bind,
    );
    const made = { domain, vm };
    this.domains[at] = made;
    return made;
  }
}

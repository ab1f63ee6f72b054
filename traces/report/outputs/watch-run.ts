import type { CpuJob } from '../../../devices/index.ts';
import type {
  ClosedWindow,
  Finding,
  InvalidationObserver,
  Operation,
  TableObserver,
  TranslationRequest,
} from '../../../emulator/index.ts';
import type { TraceEvent } from '../../capture/index.ts';
import type { Replayer, Served } from '../../replay/index.ts';

/** Who is told of what a run does, as it does it. The objects are reused. What a watcher does not ask for costs nothing. */
export interface RunWatcher {
  /** An operation of the CPU is over. */
  operation(operation: Readonly<Operation>): void;
  /** An operation has run on its CPU, at once with those of others. */
  job?(job: Readonly<CpuJob>): void;
  /** An access of the device is over. */
  access(request: TranslationRequest, served: Served, stream: number, domain: number): void;
  /** The sanitizer found something. */
  finding?(finding: Finding): void;
  /** The last TLB entry of an unmapped leaf is gone. */
  window?(window: Readonly<ClosedWindow>): void;
  /** Tables come and go. */
  readonly tables?: TableObserver;
  /** The MMU is told to forget. */
  readonly invalidations?: InvalidationObserver;
  /** The capture holds a fault. */
  fault?(event: TraceEvent): void;
}

/** Lets watchers see a run from its start on; without any, nothing is called. */
export function watchRun(replayer: Replayer, watchers: readonly RunWatcher[]): void {
  if (watchers.length === 0) return;
  const { machine, device } = replayer;
  machine.costs.onOperation = (operation) => {
    for (const watcher of watchers) watcher.operation(operation);
  };
  device.meter.onAccess = (request, served, stream, domain) => {
    for (const watcher of watchers) watcher.access(request, served, stream, domain);
  };
  if (watchers.some(({ job }) => job !== undefined)) {
    replayer.cpus.onJob = (done) => {
      for (const watcher of watchers) watcher.job?.(done);
    };
  }
  if (watchers.some(({ finding }) => finding !== undefined)) {
    machine.sanitizer.onFinding = (found) => {
      for (const watcher of watchers) watcher.finding?.(found);
    };
  }
  if (watchers.some(({ window }) => window !== undefined)) {
    machine.sanitizer.windows.onClose = (closed) => {
      for (const watcher of watchers) watcher.window?.(closed);
    };
  }
  if (watchers.some(({ fault }) => fault !== undefined)) {
    replayer.onFault = (event) => {
      for (const watcher of watchers) watcher.fault?.(event);
    };
  }
  const tables = watchers.flatMap((watcher) => watcher.tables ?? []);
  if (tables.length > 0) {
    machine.watch.observer = {
      allocated: (pa, size) => {
        for (const one of tables) one.allocated(pa, size);
      },
      freed: (pa, known) => {
        for (const one of tables) one.freed(pa, known);
      },
    };
  }
  const invalidations = watchers.flatMap((watcher) => watcher.invalidations ?? []);
  const { invalidation } = machine.device.mmu;
  const first = invalidation.observer;
  if (invalidations.length > 0 && first !== null) invalidation.observer = together([first, ...invalidations]);
}

function together(observers: readonly InvalidationObserver[]): InvalidationObserver {
  return {
    addresses: (stage, start, end, asid, vmid, leafOnly) => {
      for (const one of observers) one.addresses(stage, start, end, asid, vmid, leafOnly);
    },
    addressSpace: (asid, vmid) => {
      for (const one of observers) one.addressSpace(asid, vmid);
    },
    virtualMachine: (vmid, stage2) => {
      for (const one of observers) one.virtualMachine(vmid, stage2);
    },
    everything: () => {
      for (const one of observers) one.everything();
    },
    completed: () => {
      for (const one of observers) one.completed?.();
    },
  };
}

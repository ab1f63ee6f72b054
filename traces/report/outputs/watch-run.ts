import type { Operation, TranslationRequest } from '../../../emulator/index.ts';
import type { Replayer, Served } from '../../replay/index.ts';

/** Who is told of what a run does, as it does it. The objects are reused. */
export interface RunWatcher {
  /** An operation of the CPU is over. */
  operation(operation: Readonly<Operation>): void;
  /** An access of the device is over. */
  access(request: TranslationRequest, served: Served, stream: number): void;
}

/** Lets watchers see a run from its start on; without any, nothing is called. */
export function watchRun(replayer: Replayer, watchers: readonly RunWatcher[]): void {
  if (watchers.length === 0) return;
  replayer.machine.costs.onOperation = (operation) => {
    for (const watcher of watchers) watcher.operation(operation);
  };
  replayer.device.meter.onAccess = (request, served, stream) => {
    for (const watcher of watchers) watcher.access(request, served, stream);
  };
}

import { rmSync } from 'node:fs';

/** Files and folders being written, which an early end of the process must not leave behind. */
const unfinished = new Set<string>();
let watching = false;

/** Has a file or folder removed if the process ends before {@link finished} is told of it: by an error, a signal or an early exit. */
export function removeUnlessFinished(path: string): void {
  unfinished.add(path);
  if (watching) return;
  watching = true;
  process.on('exit', removeAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const end = (): void => {
      // Whoever else listens decides how the process ends; alone, it ends as it would have without us.
      if (process.listenerCount(signal) > 1) return;
      removeAll();
      process.removeListener(signal, end);
      process.kill(process.pid, signal);
    };
    process.on(signal, end);
  }
}

/** The file is in its place, or has been removed. @returns whether it was being written */
export function finished(path: string): boolean {
  return unfinished.delete(path);
}

function removeAll(): void {
  for (const path of unfinished) rmSync(path, { recursive: true, force: true });
  unfinished.clear();
}

import { ExitCode, exitWith } from './exit.ts';
import { Progress } from './progress.ts';

/** Runs a replay with a bar and a way to stop it, and ends with what `show` makes of its report. */
export async function supervise<R>(
  replay: {
    readonly stopped: boolean;
    stop(): void;
    run(onProgress: (done: number, events: number) => void): Promise<R>;
  },
  show: (report: R) => ExitCode | Promise<ExitCode>,
): Promise<void> {
  const progress = new Progress();
  // The first Ctrl-C stops the replay between two events; a second one is for the impatient.
  const stop = (): void => replay.stop();
  process.once('SIGINT', stop);
  try {
    const report = await replay.run((done, events) => progress.update(done, events));
    progress.end();
    const code = await show(report);
    exitWith(replay.stopped ? ExitCode.INTERRUPTED : code);
    // An open pipe on standard input would keep the process alive.
    if (replay.stopped) process.stdin.destroy();
  } finally {
    progress.end();
    process.removeListener('SIGINT', stop);
  }
}

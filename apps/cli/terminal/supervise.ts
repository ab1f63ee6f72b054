import { ExitCode, endWith, exitWith } from './exit.ts';
import { Progress } from './progress.ts';

/** Signals that ask for an end, and how the process ends then. */
const ENDINGS = { SIGINT: ExitCode.INTERRUPTED, SIGTERM: ExitCode.TERMINATED } as const;

/** Runs a replay with a bar and a way to stop it, and ends with what `show` makes of its report. */
export async function supervise<R>(
  replay: {
    readonly stopped: boolean;
    stop(): void;
    run(onProgress: (done: number, events: number, note?: string) => void): Promise<R>;
  },
  show: (report: R) => ExitCode | Promise<ExitCode>,
): Promise<void> {
  const progress = new Progress();
  let ending: ExitCode = ExitCode.INTERRUPTED;
  // The first signal stops the replay between two events; a second one is for the impatient: nobody here listens to it, so it kills. The
  // others that hear the first one must still see somebody who does: files being written would be removed and the process end.
  const stop = (signal: keyof typeof ENDINGS): void => {
    ending = ENDINGS[signal];
    process.nextTick(forget);
    replay.stop();
  };
  const forget = (): void => {
    for (const signal of Object.keys(ENDINGS)) process.removeListener(signal, stop);
  };
  for (const signal of Object.keys(ENDINGS)) process.on(signal, stop);
  try {
    const report = await replay.run((done, events, note) => progress.update(done, events, note));
    progress.end();
    const code = await show(report);
    // A pipe that is still open, or a read of one that never returns, would keep the process alive.
    if (replay.stopped) endWith(ending);
    else exitWith(code);
  } finally {
    progress.end();
    forget();
  }
}

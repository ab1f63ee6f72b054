import { reasonOf } from '../../../traces/index.ts';
import { ExitCode } from './exit.ts';

/**
 * Says how the process ends when its outputs fail: a reader that stops early (`| head`) is no error of ours; a full disk is one line and the
 * code of a wrong file, so that a lost result never looks like one. Nobody can be told when standard error fails.
 */
export function watchStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? ExitCode.OK);
    process.stderr.write(`tablewalk: standard output cannot be written: ${reasonOf(error)}\n`);
    process.exit(ExitCode.BAD_INPUT);
  });
  process.stderr.on('error', () => {});
}

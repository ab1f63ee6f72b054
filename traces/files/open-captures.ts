import { type CaptureReader, openSources, type ReaderOptions } from '../capture/index.ts';
import { fileSources } from './file-source.ts';

export interface CaptureOptions extends ReaderOptions {
  /** What the path `-` reads. Default: the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/**
 * Opens captures for reading. Missing and unreadable files are refused here; what is no capture, when it is reached.
 * @param paths files, or `-` for standard input; at least one
 * @throws InputError
 */
export function openCaptures(paths: readonly string[], options: CaptureOptions = {}): Promise<CaptureReader> {
  return openSources(fileSources(paths, options.stdin), options);
}

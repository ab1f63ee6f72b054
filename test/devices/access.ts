import { TranslationRequest } from '../../emulator/index.ts';

/** The request of {@link translates}, with what came out of the last one. */
export const last = new TranslationRequest();

/** Lets a device translate one 64-byte access of master 0; the answer is in {@link last}. */
export function translates(
  device: { translate(request: TranslationRequest): boolean },
  streamId: number,
  substreamId: number,
  iova: number,
  flags: number,
  start = 0,
): boolean {
  return device.translate(last.ask(0, streamId, substreamId, iova, flags, start));
}

import { FAULT_NAMES, type TranslationRequest } from '../../../emulator/index.ts';

/** What was wrong with an access, for people. */
export function faultOf({ fault, contextFault }: TranslationRequest): string {
  return contextFault !== 0 ? 'configuration' : FAULT_NAMES[fault];
}

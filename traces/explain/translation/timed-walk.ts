/** What one address of a memory image costs on a timed MMU, with nothing cached and then with what that left behind. */
import {
  AccessFlag,
  FixedContexts,
  Mmu,
  PRESETS,
  type PresetName,
  type TranslationRegime,
  TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import { splitAddress } from '../../image/index.ts';
import { narrateTranslation, type TranslationStory } from './story.ts';

export interface TimedWalk {
  readonly preset: PresetName;
  /** With every cache empty but the configuration cache, whose structures are not what is asked about. */
  readonly cold: TranslationStory;
  /** The same address once more. */
  readonly again: TranslationStory;
  /** The page behind it, where there is one that translates: what the walk caches are good for. */
  readonly neighbour: TranslationStory | null;
}

export interface TimedAccess {
  readonly write: boolean;
  readonly privileged: boolean;
}

/**
 * Translates an address three times on a preset's MMU.
 *
 * @param iova as software writes it
 * @returns null for an address that belongs to neither half, which no MMU walks
 */
export function timedWalk(
  memory: WalkMemory,
  regime: TranslationRegime,
  iova: bigint,
  preset: PresetName,
  { write, privileged }: TimedAccess,
): TimedWalk | null {
  const { upper, address } = splitAddress(regime, iova);
  if (address === null) return null;
  const mmu = new Mmu(PRESETS[preset], memory, new FixedContexts(regime));
  const flags =
    (upper ? AccessFlag.UPPER : 0) | (write ? AccessFlag.WRITE : 0) | (privileged ? AccessFlag.PRIVILEGED : 0);
  const ask = (at: number): TranslationStory => {
    const request = new TranslationRequest().ask(0, 0, -1, at, flags, 0);
    return narrateTranslation(mmu, request, () => mmu.translate(request));
  };
  const cold = ask(address);
  const again = ask(address);
  if (cold.pageSize === null) return { preset, cold, again, neighbour: null };
  const neighbour = ask(address - (address % cold.pageSize) + cold.pageSize);
  return { preset, cold, again, neighbour: neighbour.fault === null ? neighbour : null };
}

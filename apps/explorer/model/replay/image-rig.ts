import {
  AccessFlag,
  type Finding,
  FixedContexts,
  Mmu,
  type TranslatingDevice,
  TranslationRequest,
  type WalkMemory,
} from '../../../../emulator/index.ts';
import { hexText } from '../../../../formats/index.ts';
import {
  ImageStreams,
  InputError,
  type MemoryImage,
  narrateTranslation,
  refusalText,
  runConfig,
  type TranslationStory,
} from '../../../../traces/browser.ts';
import { halfOf, type Rig, type RigSpace, type Spent, treesOf } from '../rig.ts';
import { cachesOf, settingsOf } from '../settings.ts';

/** Streams that are listed. */
const MOST_STREAMS = 64;
const READ_ONLY = 'this is a memory image: it can be walked, and not changed';
const NO_COST: Spent = { cycles: 0, causes: [], commands: [], locked: 0 };

/** A memory image behind an MMU: its streams are the address spaces. */
export class ImageRig implements Rig {
  readonly device: TranslatingDevice;
  readonly foreign = true;
  readonly granule: number;
  readonly walkerMemory: WalkMemory;
  readonly cpuMemory: WalkMemory;
  readonly spaces: readonly RigSpace[];
  readonly findings: readonly Finding[] = [];
  cycles = 0;
  readonly #sids: readonly number[];
  readonly #request = new TranslationRequest();

  /** @throws InputError for an image without a stream that is translated */
  constructor(image: MemoryImage) {
    this.walkerMemory = image;
    this.cpuMemory = image;
    const spaces: RigSpace[] = [];
    const sids: number[] = [];
    const contexts = new FixedContexts();
    let refused = '';
    for (const found of new ImageStreams(image).survey()) {
      if ('event' in found) {
        refused ||= `stream ${hexText(found.sid)}: ${refusalText(found)}`;
        continue;
      }
      if (found.ssid >= 0 || spaces.length === MOST_STREAMS) continue;
      const { sid, regime } = found;
      contexts.set(sid, regime);
      sids.push(sid);
      spaces.push({
        number: spaces.length,
        title: `stream ${hexText(sid)}`,
        asid: regime.asid,
        vmid: regime.vmid,
        regime,
        tables: treesOf(regime),
      });
    }
    if (spaces.length === 0) {
      throw new InputError(
        image.folder,
        '',
        refused || 'no stream that is translated',
        'a stream table with one at least',
      );
    }
    this.spaces = spaces;
    this.#sids = sids;
    const first = spaces[0]?.regime?.stage1 ?? spaces[0]?.regime?.stage2;
    this.granule = 2 ** (first?.root0?.granuleShift ?? first?.root1?.granuleShift ?? 12);
    this.device = new Mmu(runConfig(cachesOf(settingsOf({}))).mmu, image, contexts);
  }

  use(): void {}

  edit(): string {
    return READ_ONLY;
  }

  spent(): Spent {
    return NO_COST;
  }

  access(space: number, iova: number, flags: number): TranslationStory {
    const { upper, address } = halfOf(this.spaces[space]?.regime ?? null, iova);
    const half = upper ? AccessFlag.UPPER : 0;
    const request = this.#request.ask(0, this.#sids[space] ?? 0, -1, address, flags | half, this.cycles);
    const story = narrateTranslation(this.device, request, () => this.device.translate(request));
    this.cycles = Math.max(this.cycles, request.completion);
    return story;
  }

  store(): void {
    throw new RangeError(READ_ONLY);
  }

  clean(): void {
    throw new RangeError(READ_ONLY);
  }

  wait(): void {}
}

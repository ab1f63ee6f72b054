/** What the page sees of a replayer, whether a capture drives it or a person. */

import {
  AccessFlag,
  Bus,
  type BusPort,
  BusView,
  type TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import { hexText } from '../../../formats/index.ts';
import {
  narrateTranslation,
  type ReplayDomain,
  type Replayer,
  type TranslationStory,
} from '../../../traces/browser.ts';
import { halfOf, type RigSpace, treesOf } from './rig.ts';

/** The machine's memory as the walker and as the CPU see it; nobody is told of reads. */
export function memoryOf({ machine }: Replayer): { readonly walker: BusPort; readonly cpu: BusPort } {
  const { memory, cache } = machine;
  const bus = new Bus(memory, cache);
  return {
    walker: bus.port('page, as the walker', cache === null ? BusView.COHERENT : BusView.NON_COHERENT),
    cpu: bus.port('page, as the CPU', BusView.COHERENT),
  };
}

/** The address spaces of a replay. @param numberOf what the page calls a domain; below 0 for one that it does not show */
export function replaySpaces(replayer: Replayer, numberOf: (domain: number) => number): RigSpace[] {
  const { device } = replayer.machine;
  const spaces: RigSpace[] = [];
  for (const one of replayer.domains.all) {
    if (one === undefined || one.abandoned || numberOf(one.number) < 0) continue;
    const { domain, streams } = one;
    const [stream] = streams;
    const regime = stream === undefined ? null : device.regimeOf(streamInUse(replayer, one));
    spaces.push({
      number: numberOf(one.number),
      title: stream === undefined ? 'no stream' : `stream ${hexText(stream)}`,
      asid: domain.asid,
      vmid: domain.vmid,
      regime,
      tables: treesOf(regime),
    });
  }
  return spaces;
}

/** StreamID that a domain's accesses carry: a GPU's address space is given a slot of the hardware first. */
function streamInUse({ machine }: Replayer, { domain, streams }: ReplayDomain): number {
  const id = machine.driver.activate(domain, streams[0] ?? 0);
  machine.driver.idle(domain);
  return id;
}

/** One access of a domain's device, told step by step, with the sanitizer watching as in a replay. */
export function accessOf(
  replayer: Replayer,
  one: ReplayDomain,
  request: TranslationRequest,
  iova: number,
  flags: number,
  cpu: WalkMemory,
): TranslationStory {
  const { device, driver, clock, sanitizer, walks, port } = replayer.machine;
  const id = driver.activate(one.domain, one.streams[0] ?? 0);
  const { upper, address } = halfOf(device.regimeOf(id), iova);
  walks.space = one.space;
  sanitizer.accessIova = address;
  sanitizer.accesses++;
  request.ask(
    id % device.mmu.config.masters,
    id,
    -1,
    address,
    flags | (upper || one.domain.upper ? AccessFlag.UPPER : 0),
    clock.cycles,
  );
  const story = narrateTranslation(
    device,
    request,
    () => device.translate(request),
    (pa, low, high) => {
      if (!port.stale || !cpu.read(pa, 8)) return null;
      return low === cpu.low >>> 0 && high === cpu.high >>> 0 ? null : wordText(cpu.low, cpu.high);
    },
  );
  clock.cycles = Math.max(clock.cycles, request.completion);
  if (request.staleMark !== 0) sanitizer.windows.hit(request.staleMark, address);
  driver.idle(one.domain);
  if (story.pa === null) {
    driver.now = clock.cycles;
    driver.handleEvents();
    clock.cycles = Math.max(clock.cycles, driver.now);
  }
  return story;
}

function wordText(low: number, high: number): string {
  return `0x${((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString(16)}`;
}

/** Page tables: the editors against a model of pages, and walkers against each other and one that shares nothing with them. */
import {
  AccessFlag,
  FaultKind,
  FixedContexts,
  Mmu,
  neededPermissions,
  PRESETS,
  type PresetName,
  TranslationRequest,
  Walker,
} from '../../../emulator/index.ts';
import { Gfp, type IoPgtableFormat, leafSizes, newGather, Prot } from '../../../formats/index.ts';
import { randomTables } from '../../emulator/mmu/translation/random-tables.ts';
import { PageModel } from '../../formats/lpae/page-model.ts';
import { LpaeRig } from '../../formats/lpae-rig.ts';
import { independentWalk } from '../independent-walker.ts';
import { demand, type Target } from '../target.ts';
import { pick } from './mutations.ts';

type Step = readonly [kind: 'map' | 'unmap' | 'table', iova: number, pa: number, size: number, count: number];

interface Shape {
  readonly format: IoPgtableFormat;
  readonly granule: number;
  readonly ias: number;
  readonly oas: number;
}

const SHAPES: readonly Shape[] = [
  { format: 'ARM_64_LPAE_S1', granule: 12, ias: 48, oas: 48 },
  { format: 'ARM_64_LPAE_S1', granule: 14, ias: 47, oas: 48 },
  { format: 'ARM_64_LPAE_S1', granule: 16, ias: 48, oas: 48 },
  { format: 'ARM_64_LPAE_S2', granule: 12, ias: 40, oas: 40 },
  { format: 'ARM_64_LPAE_S2', granule: 16, ias: 42, oas: 44 },
  { format: 'ARM_32_LPAE_S1', granule: 12, ias: 32, oas: 40 },
  { format: 'ARM_32_LPAE_S2', granule: 12, ias: 40, oas: 40 },
  { format: 'ARM_MALI_LPAE', granule: 12, ias: 48, oas: 40 },
];
const LINUX = ['6.1', '6.12', '7.3'] as const;

const EDITORS: Target = {
  name: 'tables',
  about: 'maps and unmaps of every LPAE format, granule and kernel against a model of pages; no table is lost',
  slice: 40,
  make(random) {
    const shape = random.below(SHAPES.length);
    const { granule, oas } = SHAPES[shape] as Shape;
    const sizes = sizesOf(granule, oas);
    const steps: Step[] = [['table', shape, random.below(3), random.below(2), random.below(2)]];
    for (let left = 2 + random.below(30); left > 0; left--) {
      const size = pick(random, sizes);
      const base = random.below(3) * (sizes.at(-1) as number);
      const iova = base + size * random.below(8);
      const pa = size * random.below(64);
      steps.push([random.chance(0.55) ? 'map' : 'unmap', iova, pa, size, 1 + random.below(size === sizes[0] ? 20 : 3)]);
    }
    return steps;
  },
  run(parts) {
    const steps = parts as readonly Step[];
    const [, shape = 0, kernel = 1, coherent = 1, contiguous = 0] = steps.find(([kind]) => kind === 'table') ?? [];
    const { format, granule, ias, oas } = SHAPES[shape] as Shape;
    const rig = new LpaeRig();
    const linux = LINUX[kernel] ?? '6.12';
    const table = rig.table({
      format,
      pageSizes: leafSizes(granule, oas),
      ias,
      oas,
      linux,
      split: linux === '7.3' ? 'refuse' : 'in-place',
      coherentWalk: coherent === 1,
      contiguous: contiguous === 1 && format !== 'ARM_MALI_LPAE',
    });
    const model = new PageModel();
    for (const [kind, iova, pa, size, count] of steps) {
      if (kind === 'map') {
        if (!model.isFree(iova, size * count)) continue;
        for (let done = 0; done < count; ) {
          const result = table.mapPages(
            iova + done * size,
            pa + done * size,
            size,
            count - done,
            Prot.READ,
            Gfp.KERNEL,
          );
          demand(result === 0 && table.mapped > 0, `a map returned ${result}`);
          done += table.mapped / size;
        }
        model.map(iova, pa, size * count);
      } else if (kind === 'unmap') unmap(table, model, iova, size, count, linux === '7.3');
      for (const at of [iova, iova + size * count - 1, iova + size * count]) {
        demand(table.iovaToPhys(at) === model.lookup(at), `0x${at.toString(16)} leads elsewhere than mapped`);
      }
      demand(coherent === 1 || rig.staleDescriptor() === null, 'a descriptor was not synced');
    }
    table.free();
    demand(rig.live.size === 0, `${rig.live.size} tables lost`);
  },
};

/** Leaf sizes that the formats of a granule share, smallest first, without the largest of 4 KiB, which few levels of a small table have. */
function sizesOf(granule: number, oas: number): number[] {
  const all = leafSizes(granule, oas);
  const sizes: number[] = [];
  for (let shift = 12; shift <= 29; shift++) if (Math.floor(all / 2 ** shift) % 2 === 1) sizes.push(2 ** shift);
  return sizes;
}

/** Unmaps what is mapped whole; a part of a block is left to the kernels that split one. */
function unmap(
  table: ReturnType<LpaeRig['table']>,
  model: PageModel,
  iova: number,
  size: number,
  count: number,
  refusesSplit: boolean,
): void {
  for (let at = iova; at < iova + size * count; at += size) {
    for (const probe of [at, at + size / 2, at + size - 1]) if (model.lookup(probe) === 0 && probe !== 0) return;
  }
  if (!model.extents.some(({ start, end }) => start <= iova && end >= iova + size * count)) return;
  for (let done = 0; done < count; ) {
    const bytes = table.unmapPages(iova + done * size, size, count - done, newGather());
    if (bytes === 0 && refusesSplit) break;
    demand(bytes > 0, `an unmap of ${size} at 0x${(iova + done * size).toString(16)} gave nothing`);
    model.unmap(iova + done * size, bytes);
    done += bytes / size;
  }
}

const KINDS = ['stage 1', 'stage 2', 'nested'] as const;
const FAULTS: Readonly<Record<number, string>> = {
  [FaultKind.TRANSLATION]: 'translation',
  [FaultKind.ADDRESS_SIZE]: 'address size',
  [FaultKind.ACCESS_FLAG]: 'access flag',
  [FaultKind.EXTERNAL_ABORT]: 'abort',
};

/** Presets that are held against the untimed walker, as in the test of the three walkers: gem5's deviates from the architecture by name. */
const EXACT = (Object.keys(PRESETS) as PresetName[]).filter((name) => name !== 'gem5' && name !== 'ideal');

const WALKERS: Target = {
  name: 'walkers',
  about:
    'random regimes and tables: the untimed walker against an independent one, and against cached walks of every preset',
  slice: 120,
  make: (random) => [random.below(2 ** 31), random.below(3), random.below(EXACT.length)],
  run(parts) {
    const [seed = 0, which = 0, preset = 0] = parts as readonly number[];
    const kind = KINDS[which] ?? 'stage 1';
    const { regime, memory, inputs } = randomTables(seed, kind);
    const walker = new Walker(memory);
    const stage = regime.stage1 ?? regime.stage2;
    const name = EXACT[preset] ?? 'qemu';
    const mmu = new Mmu(PRESETS[name], memory, new FixedContexts(regime));
    mmu.enabled = true;
    const request = new TranslationRequest();
    for (const { iova, upper } of inputs) {
      const root = upper ? stage?.root1 : stage?.root0;
      if (kind !== 'nested' && stage !== null && root !== null && root !== undefined && !stage.hardwareAccessFlag) {
        const found = walker.translate(regime, iova, upper);
        if (found || walker.fault !== FaultKind.PERMISSION) {
          const right = independentWalk(
            (pa) => (memory.read(Number(pa), 8) ? (BigInt(memory.high) << 32n) | BigInt(memory.low) : null),
            { ...root, base: BigInt(root.base) },
            stage.outputBits,
            stage.accessFlagFaults,
            BigInt(iova),
          );
          const ours = found
            ? BigInt(walker.outputAddress)
            : `${FAULTS[walker.fault] ?? walker.fault} ${walker.faultLevel}`;
          demand(ours === right, `0x${iova.toString(16)}: ${ours}, and by hand ${right}`);
        }
      }
      // Twice: with cold caches and with what the first left there.
      for (let turn = 0; turn < 2 && !stage?.hardwareAccessFlag; turn++) {
        const flags = AccessFlag.READ | (upper ? AccessFlag.UPPER : 0);
        const found = walker.translate(regime, iova, upper, neededPermissions(flags));
        request.ask(0, 1, -1, iova, flags, 0, 1);
        const served = mmu.translate(request);
        demand(served === found, `${name}, turn ${turn}, 0x${iova.toString(16)}: ${served ? 'served' : 'refused'}`);
        if (found) demand(request.pa === walker.outputAddress, `${name}, turn ${turn}: another address`);
      }
    }
  },
};

export const TABLE_TARGETS: readonly Target[] = [EDITORS, WALKERS];

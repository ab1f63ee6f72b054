/** Files and texts that are not captures: memory images, vectors, gem5's experiments, configurations, expressions of the command line. */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Machine } from '../../../devices/index.ts';
import { describeStack, Prng, parseStackSpec, TableMemoryError } from '../../../formats/index.ts';
import {
  ConformanceRun,
  decodeAddressList,
  forEachLeafRecord,
  ImageStreams,
  MemoryImage,
  newLeafScan,
  parseEdit,
  parseExperiment,
  parseMapSpec,
  parseVariation,
  readRunConfig,
  runExperiment,
  setField,
} from '../../../traces/index.ts';
import { demand, type Parts, type Target } from '../target.ts';
import { isComplaint } from './captures.ts';
import { mutateJson, mutateText, NASTY, pick } from './mutations.ts';

const VECTORS = 'test/vectors';

/** Runs what may complain to a person and nothing else. @returns whether it complained */
async function complains(work: () => unknown): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (isComplaint(error) || error instanceof TableMemoryError) return true;
    throw error;
  }
}

const lazily = <T>(make: () => T): (() => T) => {
  let made: T | undefined;
  return () => (made ??= make());
};

// Memory images.

interface ImageSeed {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly pages: readonly number[];
}

const images = lazily((): ImageSeed[] =>
  ['images/vfio', 'images/dma', 'gem5/image'].map((folder) => {
    const text = readFileSync(`${VECTORS}/${folder}/pt.json`, 'utf8');
    const { pages } = JSON.parse(text) as { pages: { pa: string | number }[] };
    const bytes = new Uint8Array(readFileSync(`${VECTORS}/${folder}/pt.pages.bin`));
    return { text, bytes, pages: pages.map(({ pa }) => Number(pa)) };
  }),
);

type ImageEdit = readonly ['image', number] | readonly ['word', number, number] | readonly ['json', number];

const IMAGES: Target = {
  name: 'images',
  about: 'memory images with damaged descriptors, structures and registers: every leaf in bounded work',
  slice: 12,
  make(random) {
    const which = random.below(2);
    const { bytes, pages } = images()[which] as ImageSeed;
    const edits: ImageEdit[] = [['image', which]];
    for (let edit = 1 + random.below(6); edit > 0; edit--) {
      if (random.chance(0.15)) {
        edits.push(['json', random.below(2 ** 30)]);
        continue;
      }
      const at = 8 * random.below(bytes.length / 8);
      const value = random.below(2 ** 32);
      // Descriptors that lead to pages of the image, to themselves among them; single bits; anything.
      const kind = random.below(3);
      if (kind === 0) edits.push(['word', at, (pick(random, pages) % 2 ** 32) + 3]);
      else edits.push(['word', at + 4 * random.below(2), kind === 1 ? 2 ** random.below(32) : value]);
    }
    return edits;
  },
  async run(parts) {
    const edits = parts as readonly ImageEdit[];
    const first = edits.find((one) => one[0] === 'image');
    const seed = images()[first?.[1] ?? 0] as ImageSeed;
    const bytes = seed.bytes.slice();
    const view = new DataView(bytes.buffer);
    let { text } = seed;
    for (const edit of edits) {
      if (edit[0] === 'word') view.setUint32(edit[1], edit[2], true);
      else if (edit[0] === 'json') text = JSON.stringify(mutateSeeded(edit[1], JSON.parse(text)));
    }
    await complains(() => {
      const image = MemoryImage.parse('soak', text, bytes);
      const streams = new ImageStreams(image, true);
      const scan = newLeafScan();
      let streamsSeen = 0;
      for (const owner of streams.translated()) {
        forEachLeafRecord(image, { sid: owner.sid, ssid: owner.ssid, regime: owner.regime }, scan, () => {});
        if (++streamsSeen > 64) break;
      }
      demand(Number.isSafeInteger(scan.leaves), 'leaves are counted');
    });
  },
};

function mutateSeeded(seed: number, value: unknown): unknown {
  return mutateJson(new Prng(seed), value);
}

// JSON files.

const goldenLines = lazily(() => {
  const files = readdirSync(`${VECTORS}/golden`).map((name) => `${VECTORS}/golden/${name}`);
  for (const family of readdirSync(`${VECTORS}/mmio`).filter((name) => !name.includes('.'))) {
    for (const name of readdirSync(`${VECTORS}/mmio/${family}`)) {
      if (name.includes('.jsonl')) files.push(`${VECTORS}/mmio/${family}/${name}`);
    }
  }
  return files
    .filter((name) => name.includes('.jsonl'))
    .flatMap((name) => {
      const bytes = readFileSync(name);
      const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
      return text
        .split('\n')
        .filter((line) => line !== '' && line.length < 6000)
        .slice(0, 6);
    });
});

/** A JSON value as parts: its text, and the seeds of what is changed in it, so that fewer changes are a smaller input. */
function jsonParts(random: Prng, text: string): Parts {
  return [text, ...Array.from({ length: 1 + random.below(4) }, () => random.below(2 ** 30))];
}

function jsonOf(parts: Parts): string {
  const [text, ...seeds] = parts as readonly unknown[];
  if (typeof text !== 'string') return JSON.stringify(text);
  let value: unknown = JSON.parse(text);
  for (const seed of seeds) value = mutateSeeded(Number(seed), value);
  return JSON.stringify(value);
}

const CASES: Target = {
  name: 'vectors',
  about: 'conformance vectors with damaged cases: a mismatch or a complaint',
  slice: 25,
  make: (random) => jsonParts(random, pick(random, goldenLines())),
  async run(parts) {
    const line = jsonOf(parts);
    await complains(() => new ConformanceRun().runLines('soak', [line]));
  },
};

const experiments = lazily(() => {
  const folder = `${VECTORS}/gem5`;
  const bytes = new Uint8Array(readFileSync(`${folder}/image/pt.pages.bin`));
  const image = MemoryImage.parse('soak', readFileSync(`${folder}/image/pt.json`, 'utf8'), bytes);
  const runs = readdirSync(`${folder}/runs`).map((name) => readFileSync(`${folder}/runs/${name}`, 'utf8'));
  const raw = new Uint8Array(gunzipSync(readFileSync(`${folder}/lists/b_rand4k.u64.gz`))).slice(0, 256);
  return { image, runs, raw };
});

const GEM5: Target = {
  name: 'gem5',
  about: "gem5's experiments with damaged fields, run on 32 addresses",
  slice: 25,
  make: (random) => jsonParts(random, pick(random, experiments().runs)),
  async run(parts) {
    const { image, raw } = experiments();
    const text = jsonOf(parts);
    await complains(() => {
      const experiment = parseExperiment('soak', text);
      runExperiment(experiment, image, decodeAddressList('soak', raw, null));
    });
  },
};

const machines = lazily(() => {
  const some = [{}, { iommu: { model: 'mali' } }, { iommu: { model: 'smmuv2' } }, { iommu: { model: 'ipmmu-vmsa' } }];
  return [
    ...some.map((input) => JSON.stringify(readRunConfig(input))),
    ...some.map((input) =>
      JSON.stringify({ ...input, table: { allocator: 'pool:low=8:high=64' }, bind: { mode: 'async' } }),
    ),
    JSON.stringify({ preset: 'gem5', smmu: { breakBeforeMakeLevel: 0 }, access: { pattern: 'probe' } }),
  ];
});

const CONFIGS: Target = {
  name: 'configurations',
  about: 'configurations with wrong values, fields and nesting: refused by name, or a machine that can be made',
  slice: 60,
  make: (random) => jsonParts(random, pick(random, machines())),
  async run(parts) {
    const text = jsonOf(parts);
    await complains(() => {
      const config = readRunConfig(JSON.parse(text));
      const out = JSON.stringify(config);
      demand(JSON.stringify(readRunConfig(JSON.parse(out))) === out, 'what is accepted reads back as the same');
      // Machines are dear: one in sixteen is made.
      if (text.length % 16 === 0) new Machine(config).createDomain();
    });
  },
};

// Expressions.

const EXPRESSIONS: readonly (readonly [string, readonly string[], (text: string) => unknown])[] = [
  [
    'allocator',
    [
      'page',
      'pool:low=8:high=64',
      'batch:size=4+page',
      'generic-cache',
      'carve-out:base=0x90000000:size=16777216',
      'reserve+pool',
      'failing:every=3',
      'pool/page',
    ],
    (text) => {
      const layers = parseStackSpec(text);
      demand(layers.length > 0, 'a stack has a layer');
      const named = describeStack(layers);
      demand(typeof named === 'string', 'a stack has a name');
    },
  ],
  [
    'vary',
    ['allocator=page,pool', 'mmu.walkSlots=1..8', 'access.accessSize=4..4096*2', 'preset=gem5,mmu-600-agilex5'],
    (text) => {
      const { values } = parseVariation(text, { options: ['allocator'], fieldOf: () => null });
      demand(values.length <= 1_000_000, `${values.length} values`);
    },
  ],
  [
    'set',
    ['mmu.walkSlots=4', 'table.contiguous=true', 'mmu.tbu.mainTlb.entries=512', 'table=[]'],
    (text) => {
      const input = {};
      setField(input, text);
      readRunConfig(input);
    },
  ],
  ['edit', ['map 0x40000000 0x80000000 2M rw', 'unmap 0x40000000 4k', 'map 1g 2g 1t'], (text) => parseEdit(text)],
  ['map', ['0x1000:0x2000:4k', '0x40000000=0x80000000+2M', '0:0:1g:rw'], (text) => parseMapSpec(text)],
];

const EXPRESSION: Target = {
  name: 'expressions',
  about: 'allocator stacks, variations, --set, edits and map specifications of the command line',
  slice: 200,
  make(random) {
    const which = random.below(EXPRESSIONS.length);
    let text = pick(random, (EXPRESSIONS[which] as (typeof EXPRESSIONS)[number])[1]);
    for (let change = 1 + random.below(3); change > 0; change--) text = mutateText(random, text);
    if (random.chance(0.2)) text += pick(random, NASTY);
    return [which, ...text];
  },
  async run(parts) {
    const [which, ...letters] = parts as readonly unknown[];
    const [, , parse] = EXPRESSIONS[Number(which)] ?? EXPRESSIONS[0] ?? [];
    if (parse !== undefined) await complains(() => parse(letters.join('')));
  },
};

export const FILE_TARGETS: readonly Target[] = [IMAGES, CASES, GEM5, CONFIGS, EXPRESSION];

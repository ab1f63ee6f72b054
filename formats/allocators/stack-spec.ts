/**
 * How a stack of allocators is written down. As JSON: an array of layers from top to bottom, `[{ kind: 'pool', high: 64 },
 * { kind: 'page' }]`. As text, for the command line: layers joined by `/`, options by `:`, for example
 * `accounting:limitBytes=1M/pool:low=4:high=64/page`. A stack without a bottom gets `page`, and `reserve` alone stands on a pool.
 */
import * as v from 'valibot';
import { allowedBy, ConfigError } from '../config/index.ts';
import {
  AccountingOptionsSchema,
  BatchOptionsSchema,
  CarveOutOptionsSchema,
  FailingOptionsSchema,
  GenericCacheOptionsSchema,
  PoolOptionsSchema,
  ReserveOptionsSchema,
  SizingOptionsSchema,
} from './layers/index.ts';

const layer = <K extends string, E extends v.ObjectEntries>(kind: K, schema: v.StrictObjectSchema<E, undefined>) =>
  v.strictObject({ kind: v.literal(kind), ...schema.entries });

/** One layer of a stack. */
const LayerSpecSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('page') }),
  layer('carve-out', CarveOutOptionsSchema),
  layer('pool', PoolOptionsSchema),
  layer('batch', BatchOptionsSchema),
  layer('reserve', ReserveOptionsSchema),
  layer('generic-cache', GenericCacheOptionsSchema),
  layer('accounting', AccountingOptionsSchema),
  layer('sizing', SizingOptionsSchema),
  layer('failing', FailingOptionsSchema),
]);

export type LayerSpec = v.InferOutput<typeof LayerSpecSchema>;
export type LayerSpecInput = v.InferInput<typeof LayerSpecSchema>;

/** The kinds of layer there are, and what each does in one line. */
export const LAYERS: Readonly<Record<LayerSpec['kind'], string>> = {
  page: 'one block at a time from the system; always at the bottom',
  pool: 'freed tables are kept and reused, refilled in batches',
  batch: 'taken from the system many at a time, given back one by one',
  reserve: 'set aside for each operation before it runs; alone it stands on a pool',
  'generic-cache': 'one cache inside the page-table code for all its users',
  accounting: 'counts per owner, with a limit',
  'carve-out': 'from a fixed protected region; always at the bottom',
  sizing: 'how large a block a small first-level table takes: whole-page, exact or slab',
  failing: 'refuses the nth or a share of allocations',
};

const LAYER_KINDS = Object.keys(LAYERS);

/** The options of a layer and their defaults, as `name=value`; a required one has no value. */
export function layerOptions(kind: LayerSpec['kind']): string[] {
  for (const { entries } of LayerSpecSchema.options) {
    if (entries.kind.literal !== kind) continue;
    return Object.entries(entries as v.ObjectEntries)
      .filter(([name]) => name !== 'kind')
      .map(([name, entry]) => ('default' in entry ? `${name}=${entry.default ?? ''}` : `${name}=`));
  }
  return [];
}

const BOTTOMS: ReadonlySet<string> = new Set(['page', 'carve-out']);
const SUFFIXES: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/**
 * The layers of a stack from top to bottom, options filled in.
 * @throws ConfigError for a layer or an option that is not there, and for a bottom that is not at the bottom.
 */
export function parseStackSpec(spec: string | readonly LayerSpecInput[]): LayerSpec[] {
  const asked = typeof spec === 'string' ? spec.split('/').map(parseLayerText) : spec;
  const layers = asked.map(checkLayer);
  if (layers.length === 0) throw new ConfigError('allocator', spec, `layers of ${LAYER_KINDS.join(', ')}`);
  for (const { kind } of layers.slice(0, -1)) {
    if (BOTTOMS.has(kind)) throw new ConfigError('allocator', spec, `${kind} at the bottom only`);
  }
  if (layers.filter(({ kind }) => kind === 'reserve').length > 1) {
    throw new ConfigError('allocator', spec, 'one reserve layer at most');
  }
  const last = layers[layers.length - 1];
  if (last !== undefined && BOTTOMS.has(last.kind)) return layers;
  if (last?.kind === 'reserve') layers.push(checkLayer({ kind: 'pool' }));
  layers.push({ kind: 'page' });
  return layers;
}

/** A stack's layers in the text form of {@link parseStackSpec}, kinds only. */
export function describeStack(layers: readonly LayerSpec[]): string {
  return layers.map(({ kind }) => kind).join('/');
}

function checkLayer(asked: unknown): LayerSpec {
  const parsed = v.safeParse(LayerSpecSchema, asked);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const kind = (asked as { kind?: unknown }).kind;
  const path = v.getDotPath(issue);
  if (path === null || path === 'kind') throw new ConfigError('allocator', kind, `one of ${LAYER_KINDS.join(', ')}`);
  const field = `allocator.${String(kind)}.${path}`;
  if (issue.expected === 'never') {
    const options = layerOptions(kind as LayerSpec['kind']).map((option) => option.split('=')[0]);
    throw new ConfigError(field, issue.input, `no such option; the options are ${options.join(', ') || 'none'}`);
  }
  throw new ConfigError(field, issue.input, allowedBy(issue));
}

function parseLayerText(text: string): Record<string, unknown> {
  const [kind, ...options] = text.split(':');
  const layer: Record<string, unknown> = { kind };
  for (const option of options) {
    const at = option.indexOf('=');
    if (at < 1) throw new ConfigError(`allocator.${kind}`, option, 'options written as name=value');
    const name = option.slice(0, at);
    // What every object has, or the layer's kind, is no option either.
    if (name in layer) throw new ConfigError(`allocator.${kind}`, option, 'each option once');
    layer[name] = parseValue(option.slice(at + 1));
  }
  return layer;
}

/** A number (decimal, 0x..., with K, M or G), or the word itself. */
function parseValue(text: string): unknown {
  const match = /^(0x[0-9a-f]+|-?\d+(?:\.\d+)?)([KMG]?)$/i.exec(text);
  if (match === null) return text;
  return Number(match[1]) * (SUFFIXES[(match[2] ?? '').toUpperCase()] ?? 1);
}

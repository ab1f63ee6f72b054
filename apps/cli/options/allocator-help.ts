import { LAYERS, type LayerSpec, layerOptions } from '../../../formats/index.ts';

/** What `--allocator` takes, from the layers themselves, so that it never goes stale. */
export function allocatorHelp(): string {
  const lines = [
    '',
    'Allocators: layers from top to bottom joined by /, options by :, for example accounting:limitBytes=1M/pool:high=64/page.',
  ];
  for (const [kind, about] of Object.entries(LAYERS)) {
    const options = layerOptions(kind as LayerSpec['kind']);
    lines.push(`  ${kind.padEnd(14)} ${about}${options.length > 0 ? `; ${options.join(' ')}` : ''}`);
  }
  return lines.join('\n');
}

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

describe('npm run docs', () => {
  it('has a page for each export of the package, and every one is there', () => {
    const { entryPoints } = read('.docs/typedoc.json') as { entryPoints: string[] };
    const { exports } = read('package.json') as { exports: Record<string, string | { types: string }> };
    const sources = Object.values(exports).flatMap((one) =>
      typeof one === 'string' ? [] : [one.types.replace('./dist/types/', '').replace(/\.d\.ts$/, '.ts')],
    );
    expect(entryPoints.map((path) => join('.docs', path)).sort()).toEqual(sources.sort());
    expect(sources.filter((path) => !existsSync(path))).toEqual([]);
  });
});

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const FLOORS = ['formats', 'emulator', 'devices', 'traces', 'apps'];

function sourcesOf(floor: string): string[] {
  const names = readdirSync(floor, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(floor, name));
}

/** The relative imports and re-exports of a file, as paths from the top of the house. */
function importsOf(file: string): string[] {
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export|\} from)\b[^']*'(\.{1,2}\/[^']+\.ts)'/gm);
  return [...imports].map(([, path = '']) => normalize(join(dirname(file), path)));
}

/** The face through which a file must reach another; null where it may have it directly: in its own room and those around it. */
function faceBetween(file: string, target: string): string | null {
  const from = dirname(file).split('/');
  const to = dirname(target).split('/');
  const shared = to.findIndex((folder, depth) => folder !== from[depth]);
  if (shared < 0) return null;
  // A folder that has no face is only a name for several rooms.
  for (let depth = shared + 1; depth <= to.length; depth++) {
    const face = join(...to.slice(0, depth), 'index.ts');
    // What runs in a browser reaches traces through the face that needs no files.
    if (target === join('traces', 'browser.ts')) return target;
    if (existsSync(face)) return face;
  }
  return 'a face that is not there';
}

describe('the rooms of the house', () => {
  it.each(FLOORS)('%s: every file reaches other rooms through their faces only', (floor) => {
    const past: string[] = [];
    let seen = 0;
    for (const file of sourcesOf(floor)) {
      for (const target of importsOf(file)) {
        seen++;
        const face = faceBetween(file, target);
        if (face !== null && face !== target) past.push(`${file} imports ${target}, not ${face}`);
      }
    }
    expect(past).toEqual([]);
    expect(seen).toBeGreaterThan(10);
  });

  it('every room of traces has a face', () => {
    const rooms = sourcesOf('traces').map((file) => dirname(file));
    expect([...new Set(rooms)].filter((room) => !existsSync(join(room, 'index.ts')))).toEqual([]);
  });
});

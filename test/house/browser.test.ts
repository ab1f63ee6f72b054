import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

describe('the floors below apps', () => {
  it.each(['formats/index.ts', 'emulator/index.ts', 'devices/index.ts', 'traces/browser.ts'])(
    '%s is bundled for a browser without any part of Node',
    async (entry) => {
      const { metafile, errors } = await build({
        entryPoints: [entry],
        bundle: true,
        platform: 'browser',
        format: 'esm',
        write: false,
        metafile: true,
        logLevel: 'silent',
      });
      expect(errors).toEqual([]);
      const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
      expect(imports.filter(({ path, external }) => external === true || path.startsWith('node:'))).toEqual([]);
      expect(Object.keys(metafile.inputs).filter((file) => file.startsWith('traces/files/'))).toEqual([]);
    },
    60_000,
  );
});

import { execSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The command line as users get it: one bundled file. */
    cli: string;
    /** The same without the start of a process: a module that exports `runProgram`. */
    program: string;
  }
}

/** Bundles the command line once for all test files, apart from `dist/`, so that tests never run an old one. */
export default function setup(project: TestProject): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'tablewalk-cli-'));
  execSync(
    `npm run --silent build:cli -- program=apps/cli/program.ts --outdir=${JSON.stringify(directory)} --out-extension:.js=.mjs`,
    { stdio: ['ignore', 'inherit', 'ignore'] },
  );
  project.provide('cli', join(directory, 'tablewalk.mjs'));
  project.provide('program', join(directory, 'program.mjs'));
  return () => rmSync(directory, { recursive: true });
}

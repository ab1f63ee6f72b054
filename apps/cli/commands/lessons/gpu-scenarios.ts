/** `tablewalk scenario gpu-...`: a Mali GPU whose address spaces fault, change hands and hang. */
import ansis from 'ansis';
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import { type GpuScenarioReport, runGpuFaultStorm, runGpuIdleEviction, runGpuStuck } from '../../../../traces/index.ts';
import { writeJson } from '../../terminal/index.ts';

interface GpuFlags {
  readonly kernel?: string;
  readonly clients?: string;
  readonly slots?: string;
  readonly frames?: string;
  readonly json?: string;
}

/** Lines of events shown; all are in the JSON. */
const SHOWN = 24;

export function registerGpuScenarios(scenario: Command): void {
  const gpu = (name: string, about: string, run: (flags: GpuFlags) => GpuScenarioReport): Command =>
    scenario
      .command(name)
      .description(about)
      .option('--kernel <version>', 'panfrost of Linux 6.12 or 7.3 (default: 7.3)')
      .option('--json <file>', 'write the report as JSON; - is standard output')
      .action((flags: GpuFlags) => {
        const report = run(flags);
        writeJson(flags.json, report);
        if (flags.json !== '-') process.stdout.write(`${text(about, report)}\n`);
      });
  gpu('gpu-fault-storm', 'Heaps of more clients than there are address spaces grow from page faults.', (flags) =>
    runGpuFaultStorm({
      ...kernelOf(flags),
      ...numberOf('clients', flags.clients),
      ...numberOf('slots', flags.slots),
      ...numberOf('frames', flags.frames),
    }),
  )
    .option('--clients <n>', 'clients, each with a heap (default: 10)')
    .option('--slots <n>', 'address spaces that the hardware has (default: 4)')
    .option('--frames <n>', 'frames of each client, 2 MiB of heap each (default: 4)');
  gpu('gpu-idle-eviction', 'An idle client loses its address space to another, and comes back.', (flags) =>
    runGpuIdleEviction(kernelOf(flags)),
  );
  gpu('gpu-stuck', 'AS_ACTIVE of one address space is stuck, and the GPU is reset under everybody.', (flags) =>
    runGpuStuck(kernelOf(flags)),
  );
}

function text(title: string, { basis, events, figures }: GpuScenarioReport): string {
  const lines = [ansis.bold(title), ansis.dim(basis), ''];
  for (const { cycles, what } of events.slice(0, SHOWN)) {
    lines.push(`${Math.round(cycles).toLocaleString('en').padStart(14)}  ${what}`);
  }
  if (events.length > SHOWN) lines.push(`${''.padStart(14)}  and ${events.length - SHOWN} more`);
  lines.push('');
  for (const [name, value] of Object.entries(figures)) {
    lines.push(`${Math.round(value).toLocaleString('en').padStart(14)}  ${name}`);
  }
  return lines.join('\n');
}

function kernelOf({ kernel }: GpuFlags): { kernel?: '6.12' | '7.3' } {
  if (kernel === undefined) return {};
  if (kernel !== '6.12' && kernel !== '7.3') throw new ConfigError('--kernel', kernel, '6.12 or 7.3');
  return { kernel };
}

function numberOf<Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, number>> {
  if (value === undefined) return {};
  if (!/^\d+$/.test(value)) throw new ConfigError(`--${name}`, value, 'a whole number');
  return { [name]: Number(value) } as Partial<Record<Name, number>>;
}

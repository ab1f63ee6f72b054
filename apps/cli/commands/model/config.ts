import type { Command } from 'commander';
import { addMachineOptions, type MachineFlags, machineFrom } from '../../options/index.ts';
import { writeJson } from '../../terminal/index.ts';

export function register(program: Command): void {
  const command = program
    .command('config')
    .description(
      'Print the whole machine as JSON: every size, latency, slot count and cost, with the options applied.',
    );
  addMachineOptions(command)
    .addHelpText('after', '\nEdit what it prints and give it back with --config FILE; a part of it is enough.')
    .action((flags: MachineFlags) => {
      writeJson('-', machineFrom(flags));
    });
}

import ansis from 'ansis';
import type { Command } from 'commander';
import { type ExplainedField, explainFields } from '../../../../traces/index.ts';
import { addMachineOptions, type MachineFlags, machineFrom } from '../../options/index.ts';
import { wrapped, writeJson } from '../../terminal/index.ts';

const AFTER_HELP = `
Edit what it prints and give it back with --config FILE; a part of it is enough.

Examples:
  tablewalk config --explain clockMHz
  tablewalk config --cpu kunpeng920 --explain editCosts       every field below it
  tablewalk config --preset mmu-700 --explain mmu.walkCache`;

interface ConfigFlags extends MachineFlags {
  readonly explain?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('config')
    .description(
      'Print the whole machine as JSON: every size, latency, slot count and cost, with the options applied.',
    );
  addMachineOptions(command)
    .option('--explain <field>', 'unit, meaning and source of a field, or of all fields below it, instead')
    .option('--json', 'with --explain: as JSON')
    .addHelpText('after', AFTER_HELP)
    .action((flags: ConfigFlags) => {
      const config = machineFrom(flags);
      if (flags.explain === undefined) {
        writeJson('-', config);
        return;
      }
      const fields = explainFields(config, flags.explain);
      if (flags.json === true) writeJson('-', fields);
      else process.stdout.write(`${fields.map(fieldText).join('\n')}\n`);
    });
}

function fieldText({ field, value, unit, meaning, source }: ExplainedField): string {
  const shown = value === undefined ? 'not set' : JSON.stringify(value);
  return [
    `${ansis.bold(field)} = ${shown}${unit === '' || value === undefined ? '' : ` ${unit}`}`,
    wrapped(meaning, '  ', '  '),
    wrapped(`source: ${source}`, '  ', '    '),
  ].join('\n');
}

/** `tablewalk why`: what a capture says about an address, or about every fault. */
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import {
  type Answer,
  answer,
  answerLines,
  answerRecord,
  captureFaults,
  logFaults,
  MappingHistory,
  openCaptures,
  type Question,
  wasMapped,
} from '../../../../traces/index.ts';
import { readText } from '../../options/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';

const AFTER_HELP = `
Without --iova every fault that the capture tells of, and every fault line of --dmesg, is answered by itself. A line of --dmesg is looked
up at its time stamp, read as the trace's clock (trace_clock local); without a time stamp at the end of the capture. Its StreamID names
the device where the capture has a PCI device whose bus, device and function make that number, as Arm systems commonly wire it.

Suspicions: mapped for another device (the device that the StreamID names never had the address, another had), overrun by one (the first
page behind a live mapping), device not quiet after unmap (the mapping ended up to a second
before), used before it was mapped, physical address used as IOVA (a mapping leads to it), permission. They rest on the order of the
capture's events alone. What a TLB still held is not known, but until when a lazy kernel's flush queue allows it is said: ten
milliseconds and the ticks around them, a full queue, or the address being mapped again. Where the capture does not name domains they are inferred.

Examples:
  tablewalk why trace.txt.gz --iova 0xfffff000 --time 5.6
  tablewalk why trace.txt.gz --iova 0xfffff000 --device 0000:00:02.0
  tablewalk why trace.txt.gz --dmesg dmesg.txt --json -

Exit code: 0 answered, 1 no fault to answer or the address was never mapped, 2 a wrong option or file.`;

interface WhyFlags {
  readonly iova?: string;
  readonly time?: string;
  readonly device?: string;
  readonly dmesg?: string;
  readonly strict?: true;
  readonly json?: string;
}

/** An answer, and the fault that asked for it. */
interface Answered {
  readonly heading: string;
  readonly fault: Readonly<Record<string, unknown>> | null;
  readonly answer: Answer;
}

export function register(program: Command): void {
  program
    .command('why')
    .description('Tell which mapping covered an address at a time, who made it and when it went; answer fault lines.')
    .argument('<capture>', 'a capture, or - for standard input')
    .option('--iova <address>', 'the address asked about')
    .option('--time <time>', 'when, on the trace clock (default: the end of the capture)')
    .option('--device <name>', 'only the domains of this device')
    .option('--dmesg <file>', 'a kernel log whose fault lines are answered')
    .option('--strict', 'stop at the first damaged record instead of counting and skipping it')
    .option('--json <file>', 'write one object per answer as JSON; - is standard output, instead of text')
    .addHelpText('after', AFTER_HELP)
    .action(run);
}

async function run(capture: string, flags: WhyFlags): Promise<void> {
  checkWritable('--json', flags.json);
  const iova = flags.iova === undefined ? null : addressOf(flags.iova);
  const time = flags.time === undefined ? undefined : Number(flags.time);
  if (time !== undefined && !Number.isFinite(time))
    throw new ConfigError('--time', flags.time, 'a number, the time of the trace clock');
  const log = flags.dmesg === undefined ? null : readText('--dmesg', flags.dmesg);
  const history = await MappingHistory.read(await openCaptures([capture], { strict: flags.strict === true }));
  const device = flags.device;
  if (device !== undefined && !history.devices.some((names) => names.includes(device))) {
    const names = [...new Set(history.devices.flat())];
    throw new ConfigError(
      '--device',
      device,
      names.length === 0 ? 'none: the capture names no device' : names.join(', '),
    );
  }
  const answered: Answered[] = [];
  if (iova !== null) {
    const question: Question = {
      iova,
      ...(time === undefined ? {} : { time }),
      ...(device === undefined ? {} : { device }),
    };
    answered.push({ heading: '', fault: null, answer: answer(history, question) });
  } else {
    answered.push(...captureFaults(history, { device }));
  }
  if (log !== null) answered.push(...logFaults(history, log, { device }));
  writeJson(
    flags.json,
    answered.map(({ fault, answer: one }) => ({ ...(fault === null ? {} : { fault }), ...answerRecord(one) })),
  );
  if (flags.json !== '-') {
    const parts = answered.map(({ heading, answer: one }) =>
      [heading, ...answerLines(one)].filter((line) => line !== ''),
    );
    const note =
      history.inferred === 0 ? '' : `\n${history.inferred} domains are inferred: the capture does not name them.\n`;
    process.stdout.write(
      parts.length === 0 ? 'No fault in it.\n' : `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n${note}`,
    );
  }
  const useful = iova === null ? answered.length > 0 : answered.some(({ answer: one }) => wasMapped(one));
  exitWith(useful ? ExitCode.OK : ExitCode.FOUND);
}

function addressOf(text: string): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (value < 2 ** 52) return value;
  throw new ConfigError('--iova', text, 'an address below 2^52, such as 0xfffff000');
}

import { Command, CommanderError } from 'commander';
import { ConfigError, TableMemoryError } from '../../formats/index.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { InputError, plainText } from '../../traces/index.ts';
import { COMMANDS } from './commands/index.ts';
import { columns, ExitCode, endWith, exitWith, fittedHelp } from './terminal/index.ts';

function buildProgram(): Command {
  const program = new Command('tablewalk')
    .description('A cycle-approximate SMMU / Mali MMU emulator with the LPAE page-table software that drives it.')
    .version(packageJson.version)
    .configureHelp({ showGlobalOptions: true });
  for (const command of COMMANDS) command.register(program);
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      getOutHelpWidth: columns,
      writeOut: (text) => process.stdout.write(fittedHelp(text, columns())),
      // One line, like every other complaint.
      outputError: (text, write) => {
        const line = text
          .replace(/^error: /, '')
          .trim()
          .replaceAll('\n', ' ');
        write(`tablewalk: ${line} (${fullName(command)} --help lists what is allowed)\n`);
      },
    });
  }
  return program;
}

/** A command and all below it. */
function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** What one types to start a command: `tablewalk scenario teardown`. */
function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

/** Runs one command line. The exit code is set, not returned. @param args what stands behind the name of the program */
export async function runProgram(args: readonly string[]): Promise<void> {
  try {
    await buildProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed its line already; help and version are no failure.
      exitWith(error.exitCode === 0 ? ExitCode.OK : ExitCode.BAD_INPUT);
    } else if (error instanceof ConfigError || error instanceof InputError) {
      process.stderr.write(`tablewalk: ${plainText(error.message)}\n`);
      endWith(ExitCode.BAD_INPUT);
    } else if (error instanceof TableMemoryError) {
      process.stderr.write(
        `tablewalk: --allocator: found ${error.message}, allowed: one that can give a domain its first table\n`,
      );
      endWith(ExitCode.BAD_INPUT);
    } else {
      throw error;
    }
  }
}

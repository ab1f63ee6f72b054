/** A term with its explanation behind two spaces or more: `  sizing    how large a block is`. */
const ITEM = /^(\s*\S.*?\S?\s{2,})\S/;
/** A command line to copy, which goes on in the next line behind a backslash. */
const COMMAND = /^\s+tablewalk /;

/**
 * Makes help fit the terminal: paragraphs are filled anew, explanations keep their column, and command lines go on behind a backslash, so
 * that they can still be copied. Words that are wider than the terminal stay whole.
 */
export function fittedHelp(text: string, width: number): string {
  return blocksOf(text.split('\n'))
    .flatMap((line) => (line.length <= width ? [line] : fitted(line, width)))
    .join('\n');
}

/** Lines that go on with the sentence of the one before them, joined to it. */
function blocksOf(lines: readonly string[]): string[] {
  const blocks: string[] = [];
  for (const line of lines) {
    const before = blocks.at(-1) ?? '';
    if (goesOn(before, line)) blocks[blocks.length - 1] = `${before} ${line.trimStart()}`;
    else blocks.push(line);
  }
  return blocks;
}

function goesOn(before: string, line: string): boolean {
  if (before === '' || line.trim() === '') return false;
  const indent = indentOf(line);
  if (indent === 0) return indentOf(before) === 0;
  return indent > indentOf(before) && indent === ITEM.exec(before)?.[1]?.length;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function fitted(line: string, width: number): string[] {
  const isCommand = COMMAND.test(line) && ITEM.exec(line.trimStart()) === null;
  const indent = indentOf(line);
  const column = ITEM.exec(line)?.[1]?.length ?? indent;
  // An explanation that would have no room beside its term stands below it.
  const hanging = isCommand || column > width / 2 ? indent + 4 : column;
  const most = isCommand ? width - 2 : width;
  const end = isCommand ? ' \\' : '';
  const lines: string[] = [];
  let here = line.slice(0, column);
  let empty = here.trim() === '';
  if (!empty && column > width / 2) {
    lines.push(here.trimEnd());
    here = ' '.repeat(hanging);
    empty = true;
  }
  const text = line.slice(column);
  for (const word of isCommand ? commandWords(text, most - hanging) : text.split(/\s+/)) {
    if (!empty && here.trimEnd().length + 1 + word.length > most) {
      lines.push(here.trimEnd() + end);
      here = ' '.repeat(hanging);
      empty = true;
    }
    here += `${word} `;
    empty = false;
  }
  return [...lines, here.trimEnd()];
}

/** Words of a command line: what stands in quotes is one, and so is an option with its value where both fit into a line. */
function commandWords(text: string, most: number): string[] {
  const words: string[] = [];
  for (const word of text.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []) {
    const before = words.at(-1) ?? '';
    const isValue = /^--\S+$/.test(before) && !word.startsWith('-') && before.length + 1 + word.length <= most;
    if (isValue) words[words.length - 1] = `${before} ${word}`;
    else words.push(word);
  }
  return words;
}

/** Columns of the terminal; 100 where the output is none. */
export function columns(): number {
  const { isTTY, columns: wide } = process.stdout;
  return isTTY && wide > 20 ? wide : 100;
}

/** Breaks a sentence into lines that fit. @param first in front of the first line, `rest` in front of the others */
export function wrapped(text: string, first = '', rest = '  '): string {
  const most = Math.min(columns(), 100);
  const lines: string[] = [];
  let line = first;
  for (const word of text.split(' ')) {
    if (line.length + word.length > most && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = rest;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()].join('\n');
}

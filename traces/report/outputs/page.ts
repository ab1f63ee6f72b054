import { count } from '../../quantity.ts';

/** Texts that the page carries with it. */
export interface HtmlAssets {
  /** uPlot, and the page's own script that draws with it. */
  readonly scripts: readonly string[];
  readonly styles: readonly string[];
}

/** A cell of a table: a number is sorted as one. */
export type PageCell = string | number;

/**
 * One HTML page that needs nothing else: it opens from disk and asks the network for nothing.
 * @param body what stands in it, as HTML
 * @param data what the scripts draw from
 */
export function htmlPage(title: string, body: string, data: unknown, assets: HtmlAssets): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${htmlText(title)} - tablewalk</title>
${assets.styles.map((style) => `<style>${style}</style>`).join('\n')}
</head>
<body>
${body}
<script type="application/json" id="data">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>
${assets.scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
}

/** All but tab, line feed and carriage return. */
const CONTROL = /(?![\t\n\r])\p{Cc}/gu;

/** Text as HTML shows it, in an element or between double quotes. A control character, which HTML must not have, shows as unknown. */
export function htmlText(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`).replace(CONTROL, '\ufffd');
}

/** A place where the scripts draw. */
export function htmlPlot(id: string, title: string): string {
  return `<figure><figcaption>${title}</figcaption><div id="${id}" role="img" aria-label="${title}"></div></figure>`;
}

/** A table whose columns can be sorted. A column of figures stands to the right, its head too. */
export function htmlTable(head: readonly string[], rows: readonly (readonly PageCell[])[]): string {
  if (rows.length === 0) return '<p class="none">None.</p>';
  const heads = head.map((name, at) => {
    const figures = rows.every((row) => figureOf(row[at] ?? '') !== null || row[at] === '-' || row[at] === '');
    return `<th scope="col"${figures ? ' class="number"' : ''}><button type="button">${htmlText(name)}</button></th>`;
  });
  const body = rows.map((row) => `<tr>${row.map(cellHtml).join('')}</tr>`).join('\n');
  return `<div class="wide"><table><thead><tr>${heads.join('')}</tr></thead><tbody>\n${body}\n</tbody></table></div>`;
}

/** From so many letters on a text is a sentence, which takes room. */
const SENTENCE = 40;

function cellHtml(cell: PageCell): string {
  const value = figureOf(cell);
  if (typeof cell === 'string') {
    if (value !== null) return `<td class="number" data-value="${value}">${htmlText(cell)}</td>`;
    const kind = cell.length > SENTENCE ? ' class="sentence"' : cell === '-' ? ' class="number"' : '';
    return `<td${kind}>${htmlText(cell)}</td>`;
  }
  return `<td class="number" data-value="${cell}">${Number.isInteger(cell) || cell >= 1000 ? count(cell) : cell.toFixed(1)}</td>`;
}

/** A figure to sort by: a number, or a share as text. */
function figureOf(cell: PageCell): number | null {
  if (typeof cell === 'number') return cell;
  const [, share] = /^(\d+(?:\.\d+)?) %$/.exec(cell) ?? [];
  return share === undefined ? null : Number(share);
}
